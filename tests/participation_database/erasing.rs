use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use downbeat::participation::{AuditEntry, Batch, Database, DatabaseError, Erased, Event, Kind, digest_of};
use serde_json::{Value, json};

use crate::{inserting::events, lessons::*, targets::Target};

/// Nothing else says it.
const ADA: &str = "ada-zq7x";
const SALT: [u8; 16] = [9; 16];

fn request(actor: &str) -> AuditEntry {
    let (tenant, actor, action) = ("acme".to_owned(), actor.to_owned(), "student_erased".to_owned());
    AuditEntry { tenant, at_us: OPENED_US + 100 * SECOND_US, actor, action, subject: None, details: Value::Null }
}

async fn erase(database: &Database, at_us: i64) -> Erased {
    database.erase_student("acme", ADA, at_us, SALT, request("ms-lee")).await.expect("it is up")
}

/// Whatever may name a student.
fn full_of_ada(lesson: &mut Lesson) -> Vec<Event> {
    let mut at_us = OPENED_US;
    let mut next = || {
        at_us += 1_000;
        at_us
    };
    let opened = json!({"name": "Duo", "teacher_id": ADA, "bpm": 90, "beats_per_bar": 4});
    let roll = json!({"name": "Duo", "teacher_id": ADA, "students": [ADA, "bob"], "muted": [ADA]});
    let assigned = json!({"assignments": {"1": [ADA, "bob"], "2": [ADA]}, "beats_per_bar": 4, "bar0_ub": 0});
    let mut all = vec![
        lesson.event(Kind::ROOM_OPENED, next(), None, Some(opened)),
        lesson.event(Kind::JOINED, next(), Some(ADA), Some(json!({"name": "Ada", "role": null}))),
        lesson.event(Kind::ROLL, next(), None, Some(roll)),
        lesson.event(Kind::BEATS_ASSIGNED, next(), None, Some(assigned)),
        lesson.event(Kind::HAND_LOWERED, next(), Some("bob"), None),
        lesson.note(ADA, next()),
        lesson.note("bob", next()),
        lesson.reflection(ADA, next(), "r1", "mine"),
        lesson.reflection("bob", next(), "r2", "bob's"),
    ];
    all[4].actor = Some(ADA.into());
    all[8].actor = Some(ADA.into());
    all
}

pub async fn an_erased_student_leaves_no_trace(target: Target) {
    let mut lesson = Lesson::new();
    target.database.insert(&batch(full_of_ada(&mut lesson))).await.expect("it is up");
    let exported = AuditEntry { action: "student_exported".to_owned(), ..request(ADA) };
    target.database.audit(&exported).await.expect("it is up");
    assert!(target.places_of(ADA).await.len() >= 7, "the search finds what is there");

    let erased = erase(&target.database, OPENED_US + 100 * SECOND_US).await;
    assert_eq!((erased.events, erased.reflections), (3, 1));
    assert_eq!(target.places_of(ADA).await, Vec::<String>::new());

    let left = events(&target, "acme", &lesson.session).await;
    let details = |kind: Kind| left.iter().find(|event| event.kind == kind).and_then(|event| event.details.clone());
    assert_eq!(details(Kind::ROLL), Some(json!({"name": "Duo", "teacher_id": null, "students": ["bob"], "muted": []})));
    let assigned = json!({"assignments": {"1": ["bob"]}, "beats_per_bar": 4, "bar0_ub": 0});
    assert_eq!(details(Kind::BEATS_ASSIGNED), Some(assigned));
    let lowered = left.iter().find(|event| event.kind == Kind::HAND_LOWERED).expect("bob's stays");
    assert_eq!(lowered.actor.as_deref(), Some("erased"));
    let of_bob = target.database.reflection("acme", "r2").await.expect("it is up").expect("bob's stays");
    assert_eq!((&*of_bob.author_id, &*of_bob.reflection.text), ("erased", "bob's"));
    assert_eq!(
        target.database.session("acme", &lesson.session).await.expect("it is up").expect("it stays").teacher_id,
        None
    );

    let log = target.database.audit_entries("acme", 10).await.expect("it is up");
    assert_eq!(
        (&*log[0].action, &*log[0].actor, log[0].subject),
        ("student_erased", "ms-lee", Some(digest_of(&SALT, ADA)))
    );
    assert_eq!((log[0].details["events"].as_u64(), log[0].details["reflections"].as_u64()), (Some(3), Some(1)));
    assert_eq!((&*log[1].actor, &*log[1].action), ("erased", "student_exported"));
}

pub async fn what_was_on_its_way_when_a_student_was_erased_does_not_return(target: Target) {
    let mut lesson = Lesson::new();
    let on_its_way = batch(full_of_ada(&mut lesson));
    erase(&target.database, OPENED_US + 100 * SECOND_US).await;
    let inserted = target.database.insert(&on_its_way).await.expect("it is up");
    assert_eq!((inserted.events, inserted.rejected), (6, vec![]), "what was about others is taken");
    assert_eq!(target.places_of(ADA).await, Vec::<String>::new());
    assert_eq!(
        target.database.session("acme", &lesson.session).await.expect("it is up").expect("bob's").teacher_id,
        None
    );

    let later = lesson.note(ADA, OPENED_US + 101 * SECOND_US);
    let inserted = target.database.insert(&batch(vec![later])).await.expect("it is up");
    assert_eq!(inserted.events, 1, "who comes again is recorded again");
}

/// Who was noted where is not written each time: an erasure has to make that be forgotten.
pub async fn who_plays_on_after_an_erasure_can_be_erased_again(target: Target) {
    let mut lesson = Lesson::new();
    let at_us = |seconds: i64| OPENED_US + seconds * SECOND_US;
    target.database.insert(&batch(vec![lesson.note(ADA, at_us(1))])).await.expect("it is up");
    assert_eq!(erase(&target.database, at_us(10)).await.events, 1);
    target.database.insert(&batch(vec![lesson.note(ADA, at_us(20))])).await.expect("it is up");
    target.database.insert(&batch(vec![lesson.note(ADA, at_us(21))])).await.expect("it is up");
    assert_eq!(erase(&target.database, at_us(30)).await.events, 2);
    assert_eq!(target.places_of(ADA).await, Vec::<String>::new());
}

pub async fn an_erasure_and_insertions_at_once_leave_no_trace(target: Target) {
    let stop = Arc::new(AtomicBool::new(false));
    let (began, mut begun) = tokio::sync::mpsc::channel(1);
    let mut writers = Vec::new();
    for process in 1..4 {
        let (database, stop, began) = (target.database.clone(), stop.clone(), began.clone());
        writers.push(tokio::spawn(async move {
            let mut lesson = Lesson::new().by(process);
            while !stop.load(Ordering::Relaxed) {
                let events = [lesson.notes(ADA, OPENED_US, 20), lesson.notes("bob", OPENED_US, 20)].concat();
                let some: Batch = batch(events);
                database.insert(&some).await.expect("it is up");
                let _ = began.try_send(());
            }
        }));
    }
    begun.recv().await.expect("somebody writes");
    let erased = erase(&target.database, OPENED_US + 100 * SECOND_US).await;
    assert!(erased.events > 0);
    begun.recv().await.expect("somebody goes on writing");
    begun.recv().await.expect("somebody goes on writing");
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    let mut of_ada = 0;
    let counted = target.database.events_of_student("acme", ADA, |_| of_ada += 1).await.expect("it is up");
    assert_eq!((counted, of_ada), (0, 0));
    assert_eq!(target.places_of(ADA).await, Vec::<String>::new());
}

pub async fn an_erased_tenant_leaves_one_entry_with_the_counts(target: Target) {
    let mut lesson = Lesson::new();
    let all = batch(full_of_ada(&mut lesson));
    target.database.insert(&all).await.expect("it is up");
    target.database.audit(&request("ms-lee")).await.expect("it is up");
    let erased = target.database.erase_tenant("acme", OPENED_US + 100 * SECOND_US).await.expect("it is up");
    assert_eq!((erased.events, erased.reflections, erased.sessions), (9, 2, 1));
    let late = target.database.insert(&all).await.expect("it is up");
    assert_eq!(late.events, 0, "what was on its way is dropped");
    for table in ["participation_events", "session_students", "student_reflections", "room_sessions"] {
        assert_eq!(target.count(table).await, 0, "{table}");
    }
    assert_eq!(target.database.tenants().await.expect("it is up"), Vec::<String>::new());
    let log = target.database.audit_entries("acme", 10).await.expect("it is up");
    assert_eq!(log.len(), 1);
    assert_eq!((&*log[0].action, log[0].details["events"].as_u64()), ("tenant_erased", Some(9)));
}

pub async fn a_tenant_that_nobody_had_stays_unknown_when_it_is_erased(target: Target) {
    let at_us = OPENED_US + 100 * SECOND_US;
    let erased = target.database.erase_tenant("acmee", at_us).await.expect("it is up");
    assert_eq!(erased, Erased::default());
    assert_eq!((target.count("audit_log").await, target.count("erasures").await), (0, 0));

    // Of this one there is an entry of the audit log, and nothing else.
    target.database.audit(&request("ms-lee")).await.expect("it is up");
    let erased = target.database.erase_tenant("acme", at_us).await.expect("it is up");
    assert_eq!(erased, Erased::default());
    let log = target.database.audit_entries("acme", 10).await.expect("it is up");
    assert_eq!(log.iter().map(|entry| &*entry.action).collect::<Vec<_>>(), ["tenant_erased"]);
    assert_eq!(target.count("erasures").await, 1);
}

pub async fn a_tombstone_that_cannot_be_read_makes_events_wait_and_loses_none(target: Target) {
    let mut lesson = Lesson::new();
    let waiting = batch(lesson.notes("ada", OPENED_US, 3));
    let younger = batch(vec![lesson.note("ada", OPENED_US + 2 * SECOND_US)]);
    let blob = |bytes: &str| if target.is_sqlite() { format!("X'{bytes}'") } else { format!("'\\x{bytes}'::bytea") };
    let (salt, short) = (blob(&"09".repeat(16)), blob("09"));
    for (salt, digest) in [(&short, "NULL"), (&salt, &*short)] {
        let buried_us = OPENED_US + SECOND_US;
        let columns = "erasures (erased_at_us, tenant, salt, digest)";
        target.execute(&format!("INSERT INTO {columns} VALUES ({buried_us}, 'acme', {salt}, {digest})")).await;
        let error = target.database.insert(&waiting).await.expect_err("who was erased is not known");
        assert!(matches!(error, DatabaseError::Damaged(_)) && !error.is_passing(), "{error}");
        target.database.insert(&younger).await.expect("it is not about what came later");
        assert_eq!(events(&target, "acme", &lesson.session).await, younger.events);
        target.execute("DELETE FROM erasures").await;
    }
    let inserted = target.database.insert(&waiting).await.expect("it is repaired");
    assert_eq!((inserted.events, inserted.rejected), (3, vec![]));
}
