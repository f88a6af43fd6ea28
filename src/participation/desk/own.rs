//! What an event says of one person.

use serde_json::Value;

use crate::participation::{Event, Kind};

/// The event as far as it is about the person: their own, and of those that list everybody (who has which beats, who
/// was in the room) what it says of them. None where it says nothing.
pub fn own_part(event: &Event, student_id: &str) -> Option<Event> {
    if event.kind != Kind::BEATS_ASSIGNED && event.kind != Kind::ROLL {
        return (event.student.as_deref() == Some(student_id)).then(|| event.clone());
    }
    let mut own = event.clone();
    let is_named = own.details.as_mut().is_some_and(|details| keep_own(details, student_id));
    (is_named || event.student.as_deref() == Some(student_id)).then_some(own)
}

/// Takes everybody else out of all lists, and says whether the person was in one. A list of nobody goes.
fn keep_own(value: &mut Value, student_id: &str) -> bool {
    match value {
        Value::Array(ids) => {
            ids.retain(|id| id == student_id);
            !ids.is_empty()
        }
        Value::Object(fields) => {
            let mut is_named = false;
            fields.retain(|_, field| {
                let is_list = matches!(field, Value::Array(_));
                let is_in = keep_own(field, student_id);
                is_named |= is_in;
                is_in || !is_list
            });
            is_named
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::participation::{EventId, SessionId};

    fn event(kind: Kind, student: Option<&str>, details: Value) -> Event {
        Event {
            id: EventId::new(1, 1, 1),
            session: SessionId::parse("MUSIC-1234.643f1c2a5b9d0").expect("a session"),
            kind,
            student: student.map(Into::into),
            actor: None,
            at_us: 1,
            run: 0,
            beat_ub: None,
            note: None,
            details: Some(details),
        }
    }

    #[test]
    fn of_what_lists_everybody_the_person_s_own_stays() {
        let beats = json!({ "assignments": { "1": ["ada", "bob"], "2": ["cy"] }, "beats_per_bar": 4, "bar0_ub": 0 });
        let beats = event(Kind::BEATS_ASSIGNED, None, beats);
        let own = own_part(&beats, "bob").and_then(|event| event.details);
        assert_eq!(own, Some(json!({ "assignments": { "1": ["bob"] }, "beats_per_bar": 4, "bar0_ub": 0 })));
        assert_eq!(own_part(&beats, "dee"), None);
        let roll = event(Kind::ROLL, None, json!({ "students": ["ada", "bob"], "muted": ["ada"] }));
        let own = own_part(&roll, "bob").and_then(|event| event.details);
        assert_eq!(own, Some(json!({ "students": ["bob"] })));
    }

    #[test]
    fn an_event_about_another_is_no_part() {
        let joined = event(Kind::JOINED, Some("ada"), json!({ "name": "bob", "role": "student" }));
        assert_eq!(own_part(&joined, "bob"), None);
        assert_eq!(own_part(&joined, "ada"), Some(joined));
    }
}
