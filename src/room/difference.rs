//! What members have to be told when a gateway learns of a room's state without having heard how it came about.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    applied::RoomEvent,
    state::Controls,
    view::{beats, ms},
};

/// The events that lead from one state of the controls to another. Those of the clock are told as of its last segment.
#[must_use]
pub fn difference(before: &Controls, after: &Controls) -> Vec<RoomEvent> {
    let mut events = Vec::new();
    let mut tell = |event: &'static str, payload: Value| events.push(RoomEvent { event, payload });
    tell_people(before, after, &mut tell);
    tell_assignments(before, after, &mut tell);
    if before.settings.locked != after.settings.locked {
        tell(if after.settings.locked { "room_locked" } else { "room_unlocked" }, json!({}));
    }
    if before.settings != after.settings {
        tell("settings_changed", json!({ "settings": after.settings }));
    }
    tell_clock(before, after, &mut tell);
    events
}

fn tell_people(before: &Controls, after: &Controls, tell: &mut impl FnMut(&'static str, Value)) {
    let known: BTreeSet<&String> = before.muted.iter().chain(&after.muted).collect();
    for student_id in known {
        match (before.muted.contains(student_id), after.muted.contains(student_id)) {
            (false, true) => tell("student_muted", json!({ "student_id": student_id })),
            (true, false) => tell("student_unmuted", json!({ "student_id": student_id })),
            _ => {}
        }
    }
    for student_id in after.removed.difference(&before.removed) {
        tell("student_removed", json!({ "student_id": student_id }));
    }
    let known: BTreeSet<&String> = before.roles.keys().chain(after.roles.keys()).collect();
    for student_id in known {
        let role = after.roles.get(student_id);
        if before.roles.get(student_id) != role {
            tell("role_assigned", json!({ "student_id": student_id, "role": role }));
        }
    }
}

fn tell_assignments(before: &Controls, after: &Controls, tell: &mut impl FnMut(&'static str, Value)) {
    let places: BTreeSet<&u32> = before.assignments.keys().chain(after.assignments.keys()).collect();
    for beat in places {
        if before.assignments.get(beat) != after.assignments.get(beat) {
            let payload = json!({ "beat": beat, "student_id": null, "assignments": after.assignments });
            tell("beat_assignment_updated", payload);
        }
    }
}

fn tell_clock(before: &Controls, after: &Controls, tell: &mut impl FnMut(&'static str, Value)) {
    let segment = after.timeline.as_ref().and_then(|timeline| timeline.segments().last());
    let (at_us, at_ub) = segment.map_or((0, 0), |segment| (segment.t0_us, segment.beat0_ub));
    if before.bpm != after.bpm {
        let payload = json!({ "bpm": after.bpm, "effective_beat": beats(at_ub), "effective_at": ms(at_us) });
        tell("tempo_changed", payload);
    }
    if before.meter != after.meter {
        let meter = &after.meter;
        let payload = json!({ "beats_per_bar": meter.beats_per_bar, "groups": meter.groups, "bar0_ub": meter.bar0_ub });
        tell("meter_changed", payload);
    }
    if (before.playing, before.run) != (after.playing, after.run) {
        let event = if after.playing { "clock_started" } else { "clock_stopped" };
        tell(event, json!({ "run": after.run, "at": ms(at_us), "beat": beats(at_ub) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{CreateRoom, Room, RoomKey, RoomRole};

    fn controls() -> Controls {
        let code = "MUSIC-1234".parse().expect("a code");
        let key = RoomKey { tenant: "acme".into(), code };
        Room::create(key, CreateRoom::default(), "ms-ray", 120, 60, 0).controls
    }

    #[test]
    fn nothing_is_told_where_nothing_differs() {
        assert_eq!(difference(&controls(), &controls()), []);
    }

    #[test]
    fn every_kind_of_change_is_told_by_its_own_event() {
        let before = controls();
        let mut after = before.clone();
        after.muted.insert("bob".into());
        after.removed.insert("eve".into());
        after.roles.insert("ada".into(), RoomRole::Soloist);
        after.assignments.insert(3, vec!["ada".into()]);
        after.settings.locked = true;
        after.bpm = 90;
        after.run = 1;
        after.playing = true;
        let there: Vec<_> = difference(&before, &after).into_iter().map(|event| event.event).collect();
        assert_eq!(
            there,
            [
                "student_muted",
                "student_removed",
                "role_assigned",
                "beat_assignment_updated",
                "room_locked",
                "settings_changed",
                "tempo_changed",
                "clock_started",
            ]
        );
        let back: Vec<_> = difference(&after, &before).into_iter().map(|event| event.event).collect();
        assert_eq!(back[0], "student_unmuted");
        assert!(back.contains(&"room_unlocked") && back.contains(&"clock_stopped"));
    }
}
