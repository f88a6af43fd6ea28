use downbeat::participation::{AuditEntry, Retired};
use serde_json::Value;

use crate::{inserting::events, lessons::*, targets::Target};

const DAY_US: i64 = 86_400 * SECOND_US;

pub async fn retention_removes_what_is_older_to_the_row(target: Target) {
    let before_us = OPENED_US + 10 * DAY_US;
    // Over long before; going on across the limit; begun after it; over before, but its reflection edited after.
    let mut old = Lesson::of(session("MUSIC-0001", OPENED_US));
    let mut across = Lesson::of(session("MUSIC-0002", OPENED_US + DAY_US));
    let mut young = Lesson::of(session("MUSIC-0003", before_us));
    let mut edited = Lesson::of(session("MUSIC-0004", OPENED_US));
    let mut all = old.notes("ada", OPENED_US, 250);
    all.push(old.reflection("ada", OPENED_US + SECOND_US, "r1", "old"));
    // To the microsecond, within one millisecond of the limit.
    all.extend((-3..2).map(|at| across.note("ada", before_us + at)));
    all.extend(young.notes("ada", before_us, 5));
    all.extend([edited.reflection("ada", OPENED_US, "r2", "x"), edited.reflection("ada", before_us, "r2", "y")]);
    target.database.insert(&batch(all.clone())).await.expect("it is up");
    target.database.insert(&batch_of("other", all)).await.expect("it is up");

    let retired = target.database.retire("acme", before_us, 100).await.expect("it is up");
    assert_eq!(retired, Retired { sessions: 1, events: 251 + 3 + 1, reflections: 1 });
    assert_eq!(target.database.session("acme", &old.session).await.expect("it is up"), None);
    let left: Vec<i64> =
        events(&target, "acme", &across.session).await.iter().map(|event| event.at_us - before_us).collect();
    assert_eq!(left, [0, 1]);
    assert_eq!(events(&target, "acme", &young.session).await.len(), 5);
    assert_eq!(target.count("session_students").await, 3 + 4, "who was in the session that is gone is gone");
    assert!(target.database.reflection("acme", "r1").await.expect("it is up").is_none());
    assert!(target.database.reflection("acme", "r2").await.expect("it is up").is_some());
    assert_eq!(events(&target, "other", &old.session).await.len(), 251, "another tenant's stay");
    assert_eq!(target.database.retire("acme", before_us, 100).await.expect("it is up"), Retired::default());
}

pub async fn audit_entries_go_after_three_years_and_tombstones_after_a_month(target: Target) {
    let entry = AuditEntry {
        tenant: "acme".to_owned(),
        at_us: OPENED_US,
        actor: "ms-lee".to_owned(),
        action: "student_erased".to_owned(),
        subject: None,
        details: Value::Null,
    };
    target.database.erase_student("acme", "ada", OPENED_US, [1; 16], entry).await.expect("it is up");
    let after = |days: i64| target.database.retire_records(OPENED_US + days * DAY_US);
    assert_eq!(after(30).await.expect("it is up"), 0);
    assert_eq!((after(31).await.expect("it is up"), target.count("erasures").await), (1, 0));
    assert_eq!(after(3 * 365).await.expect("it is up"), 0);
    assert_eq!((after(3 * 365 + 1).await.expect("it is up"), target.count("audit_log").await), (1, 0));
}
