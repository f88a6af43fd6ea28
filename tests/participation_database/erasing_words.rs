//! Ids are the school's choice, and may be words and numbers that stand elsewhere for something else.

use downbeat::participation::{AuditEntry, Event, Kind};
use serde_json::{Value, json};

use crate::{inserting::events, lessons::*, targets::Target};

const WORDS: [&str; 12] = [
    "1",
    "role",
    "name",
    "count",
    "muted",
    "bpm",
    "student",
    "students",
    "assignments",
    "teacher_id",
    "reflection_id",
    "metadata",
];
const ERASED_US: i64 = OPENED_US + 100 * SECOND_US;

/// A lesson of which nothing but the lists of ids is about the person, and some events and a reflection of their own.
fn lesson_with(id: &str) -> (Lesson, Vec<Event>) {
    let mut lesson = Lesson::new();
    let settings = json!({"settings": {"name": id, "muted": id, "students": [id], "teacher_id": id, id: [id]}});
    let parts = [
        (Kind::ROOM_OPENED, None, json!({"name": id, "teacher_id": "ms-lee", "bpm": 90, "beats_per_bar": 4})),
        (Kind::JOINED, Some("bob"), json!({"name": id, "role": "student", "muted": false})),
        (Kind::JOINED, Some(id), json!({"name": "Ada", "role": "student", "muted": true})),
        (
            Kind::ROLL,
            None,
            json!({"name": id, "teacher_id": "ms-lee", "bpm": 90, "students": ["bob", id], "muted": [id, "bob"]}),
        ),
        (
            Kind::BEATS_ASSIGNED,
            None,
            json!({"assignments": {"1": ["bob", id], "2": [id], "3": ["bob"], "4": []}, "beats_per_bar": 4}),
        ),
        (Kind::ROLE_ASSIGNED, Some("bob"), json!({ "role": id })),
        (Kind::TEMPO_CHANGED, None, json!({"bpm": 90, "beats": 1})),
        (Kind::SETTINGS_CHANGED, None, settings),
        (Kind::EVENTS_MISSING, None, json!({"count": 1})),
    ];
    let details = parts.into_iter().zip(0..);
    let mut all: Vec<Event> = details
        .map(|((kind, student, details), at)| lesson.event(kind, OPENED_US + at * 1_000, student, Some(details)))
        .collect();
    all.push(lesson.note(id, OPENED_US + 20_000));
    all.push(lesson.note("bob", OPENED_US + 21_000));
    all.push(lesson.reflection(id, OPENED_US + 22_000, "r1", "mine"));
    let mut of_bob = lesson.reflection("bob", OPENED_US + 23_000, "r2", id);
    if let Some(fields) = of_bob.details.as_mut().and_then(Value::as_object_mut) {
        fields.insert("metadata".into(), json!({"partner": id, "students": [id], id: {id: id}}));
    }
    all.push(of_bob);
    (lesson, all)
}

/// What is left of it.
fn without(id: &str, mut all: Vec<Event>) -> Vec<Event> {
    all.retain(|event| event.student.as_deref() != Some(id));
    for event in &mut all {
        if event.kind == Kind::ROLL {
            event.details =
                Some(json!({"name": id, "teacher_id": "ms-lee", "bpm": 90, "students": ["bob"], "muted": ["bob"]}));
        } else if event.kind == Kind::BEATS_ASSIGNED {
            event.details = Some(json!({"assignments": {"1": ["bob"], "3": ["bob"], "4": []}, "beats_per_bar": 4}));
        }
    }
    all
}

pub async fn an_erased_student_takes_nothing_of_anybody_else_along_whatever_the_id_is(target: Target) {
    for id in WORDS {
        let tenant = format!("school of {id}");
        let late = format!("late school of {id}");
        let (lesson, all) = lesson_with(id);
        let database = &target.database;
        database.insert(&batch_of(&tenant, all.clone())).await.expect("it is up");
        let entry = |action: &str, tenant: &str| AuditEntry {
            tenant: tenant.to_owned(),
            at_us: ERASED_US,
            actor: "ms-lee".to_owned(),
            action: action.to_owned(),
            subject: None,
            details: json!({"session": id, "count": 1, "students": [id], id: id}),
        };
        let read = entry("reflections_read", &tenant);
        database.audit(&read).await.expect("it is up");
        let before = events(&target, &tenant, &lesson.session).await;
        assert_eq!(before.len(), all.len());
        let head = database.session(&tenant, &lesson.session).await.expect("it is up").expect("it is there");
        let of_bob = database.reflection(&tenant, "r2").await.expect("it is up").expect("it is there");

        for tenant in [&tenant, &late] {
            let request = AuditEntry { details: Value::Null, ..entry("student_erased", tenant) };
            database.erase_student(tenant, id, ERASED_US, [9; 16], request).await.expect("it is up");
        }
        let on_its_way = database.insert(&batch_of(&late, all)).await.expect("it is up");
        assert_eq!(on_its_way.rejected, vec![], "{id}");

        for tenant in [&tenant, &late] {
            let left = events(&target, tenant, &lesson.session).await;
            assert_eq!(left, without(id, before.clone()), "{id}");
            let session = database.session(tenant, &lesson.session).await.expect("it is up");
            assert_eq!(
                session.map(|left| (left.name, left.teacher_id)),
                Some((head.name.clone(), head.teacher_id.clone()))
            );
            let reflection = database.reflection(tenant, "r2").await.expect("it is up");
            assert_eq!(reflection.as_ref(), Some(&of_bob), "{id}");
            assert_eq!(database.reflections_of_student(tenant, id).await.expect("it is up"), []);
            assert_eq!(database.sessions_of_student(tenant, id).await.expect("it is up"), []);
        }
        let log = database.audit_entries(&tenant, 10).await.expect("it is up");
        assert_eq!(log[1], read, "{id}");
    }
}
