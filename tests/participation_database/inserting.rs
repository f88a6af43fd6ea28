use std::collections::BTreeSet;

use downbeat::participation::{Event, Kind, SessionHead, SessionId};
use serde_json::{Value, json};

use crate::{lessons::*, targets::Target};

pub async fn events(target: &Target, tenant: &str, session: &SessionId) -> Vec<Event> {
    let mut events = Vec::new();
    let count = target.database.session_events(tenant, session, |event| events.push(event)).await.expect("it is up");
    assert_eq!(count, events.len() as u64);
    events
}

pub async fn the_same_batch_twice_is_there_once(target: Target) {
    let mut lesson = Lesson::new();
    let batch = batch(lesson.notes("ada", OPENED_US, 200));
    let (first, second) = (
        target.database.insert(&batch).await.expect("it is up"),
        target.database.insert(&batch).await.expect("it is up"),
    );
    assert_eq!((first.events, second.events), (200, 0));
    assert_eq!(events(&target, "acme", &lesson.session).await, batch.events);
}

pub async fn overlapping_batches_at_once_leave_each_event_once(target: Target) {
    let mut lesson = Lesson::new();
    let mut other = Lesson::of(session("MUSIC-0001", OPENED_US));
    let mut all = lesson.notes("ada", OPENED_US, 400);
    all.extend(other.notes("bob", OPENED_US, 400));
    let mut running = Vec::new();
    for node in 0..8 {
        let mut part: Vec<Event> = all[node * 50..node * 50 + 450].to_vec();
        // Each in an order of its own, as different nodes may have them.
        part.rotate_left(node * 37);
        if node % 2 == 0 {
            part.reverse();
        }
        let database = target.database.clone();
        running.push(tokio::spawn(async move { database.insert(&batch(part)).await.expect("it is up").events }));
    }
    let mut inserted = 0;
    for task in running {
        inserted += task.await.expect("no insertion panics");
    }
    assert_eq!(inserted, 800);
    let mut ids = BTreeSet::new();
    for session in [&lesson.session, &other.session] {
        let events = events(&target, "acme", session).await;
        assert!(events.is_sorted_by_key(|event| event.id));
        ids.extend(events.iter().map(|event| event.id));
    }
    assert_eq!(ids, all.iter().map(|event| event.id).collect());
}

pub async fn an_event_comes_back_as_it_was(target: Target) {
    let mut lesson = Lesson::new();
    let mut muted = lesson.event(Kind::STUDENT_MUTED, OPENED_US + 1, Some("ada"), Some(json!({"why": "noise \"é\""})));
    muted.actor = Some("ms-lee".into());
    muted.run = 3;
    muted.beat_ub = Some(-250_000);
    let mut quiet = lesson.note("bob", OPENED_US + 2);
    quiet.note.as_mut().expect("a note").offset_us = None;
    let later = lesson.event(Kind::named("note_bent".to_owned()), OPENED_US + 3, None, None);
    let events_in = vec![muted, quiet, later];
    target.database.insert(&batch(events_in.clone())).await.expect("it is up");
    let mut out = events(&target, "acme", &lesson.session).await;
    out.sort_by_key(|event| event.at_us);
    assert_eq!(out, events_in);
}

pub async fn tenants_never_mix(target: Target) {
    let mut lesson = Lesson::new();
    let events_in = lesson.notes("ada", OPENED_US, 10);
    let with_reflection =
        [events_in.clone(), vec![lesson.reflection("ada", OPENED_US + SECOND_US, "r1", "hm")]].concat();
    target.database.insert(&batch_of("acme", with_reflection)).await.expect("it is up");
    let again = target.database.insert(&batch_of("other", events_in.clone())).await.expect("it is up");
    assert_eq!(again.events, 10, "the same numbers of another tenant are other events");
    assert_eq!(events(&target, "other", &lesson.session).await, events_in);
    assert_eq!(events(&target, "nobody", &lesson.session).await, []);
    assert_eq!(target.database.reflections("other", &lesson.session).await.expect("it is up"), []);
    assert_eq!(target.database.reflection("other", "r1").await.expect("it is up"), None);
    assert_eq!(target.database.session("nobody", &lesson.session).await.expect("it is up"), None);
    assert_eq!(target.database.sessions_of_student("nobody", "ada").await.expect("it is up"), []);
    assert_eq!(target.database.tenants().await.expect("it is up"), ["acme", "other"]);
    let erased = target.database.erase_tenant("other", OPENED_US + 2 * SECOND_US).await.expect("it is up");
    assert_eq!((erased.events, erased.reflections, erased.sessions), (10, 0, 1));
    assert_eq!(events(&target, "acme", &lesson.session).await.len(), 11);
}

pub async fn a_session_is_known_by_what_its_events_say_in_any_order(target: Target) {
    let mut lesson = Lesson::new();
    let opened = lesson.event(
        Kind::ROOM_OPENED,
        OPENED_US,
        None,
        Some(json!({"name": "Choir", "teacher_id": "ms-lee", "bpm": 90, "beats_per_bar": 4})),
    );
    let named = |lesson: &mut Lesson, at_us, name: &str| {
        lesson.event(Kind::SETTINGS_CHANGED, at_us, None, Some(json!({ "settings": { "name": name } })))
    };
    let renamed = named(&mut lesson, OPENED_US + SECOND_US, "Big choir");
    let again = named(&mut lesson, OPENED_US + 2 * SECOND_US, "Choir of all");
    let other = lesson.event(Kind::SETTINGS_CHANGED, OPENED_US + 3 * SECOND_US, None, Some(json!({"settings": {}})));
    let closed = lesson.event(Kind::ROOM_CLOSED, OPENED_US + 9 * SECOND_US, None, Some(Value::Null));
    for event in [again, closed, renamed.clone(), opened.clone(), other, renamed, opened] {
        target.database.insert(&batch(vec![event])).await.expect("it is up");
    }
    let head = target.database.session("acme", &lesson.session).await.expect("it is up");
    let expected = SessionHead {
        session: lesson.session,
        name: "Choir of all".to_owned(),
        teacher_id: Some("ms-lee".to_owned()),
        opened_at_us: OPENED_US,
        closed_at_us: Some(OPENED_US + 9 * SECOND_US),
        last_event_at_us: OPENED_US + 9 * SECOND_US,
    };
    assert_eq!(head, Some(expected));
}

pub async fn a_session_whose_opening_was_lost_is_known_by_its_rolls(target: Target) {
    let mut lesson = Lesson::new();
    let mut roll = |after_s: i64, name: &str, teacher_id: Value| {
        let details = json!({"name": name, "teacher_id": teacher_id, "students": ["ada"], "muted": []});
        lesson.event(Kind::ROLL, OPENED_US + after_s * SECOND_US, None, Some(details))
    };
    // The last one is of a teacher who was erased.
    let rolls = [roll(5, "Choir", json!("ms-lee")), roll(3, "Older", json!("ms-lee")), roll(6, "Choir", Value::Null)];
    let named = |lesson: &mut Lesson, after_s: i64, name: &str| {
        let details = json!({ "settings": { "name": name } });
        lesson.event(Kind::SETTINGS_CHANGED, OPENED_US + after_s * SECOND_US, None, Some(details))
    };
    let (before, after) = (named(&mut lesson, 2, "Before"), named(&mut lesson, 9, "After"));
    let database = &target.database;
    let head = async || {
        let head = database.session("acme", &lesson.session).await.expect("it is up").expect("it is there");
        (head.name, head.teacher_id)
    };
    database.insert(&batch(rolls.to_vec())).await.expect("it is up");
    assert_eq!(head().await, ("Choir".to_owned(), Some("ms-lee".to_owned())));
    database.insert(&batch(vec![before])).await.expect("it is up");
    assert_eq!(head().await, ("Choir".to_owned(), Some("ms-lee".to_owned())));
    database.insert(&batch(vec![after])).await.expect("it is up");
    assert_eq!(head().await, ("After".to_owned(), Some("ms-lee".to_owned())));
}

pub async fn an_event_that_no_database_takes_keeps_nothing_else_out(target: Target) {
    let mut lesson = Lesson::new();
    let mut all = lesson.notes("ada", OPENED_US, 100);
    // A reflection without an author, which no database can keep.
    let mut orphan = lesson.reflection("ada", OPENED_US, "r1", "whose?");
    orphan.student = None;
    all.insert(40, orphan.clone());
    // No session's id, as another version may have sent it.
    let mut lost = lesson.note("ada", OPENED_US);
    lost.session = serde_json::from_value(json!("nowhere")).expect("any text");
    all.insert(70, lost.clone());
    let inserted = target.database.insert(&batch(all)).await.expect("the rest goes in");
    assert_eq!(inserted.events, 100);
    let mut rejected: Vec<_> = inserted.rejected.iter().map(|rejected| rejected.event).collect();
    rejected.sort();
    let mut expected = [orphan.id, lost.id];
    expected.sort();
    assert_eq!(rejected, expected, "{:?}", inserted.rejected);
    assert_eq!(events(&target, "acme", &lesson.session).await.len(), 100);

    // PostgreSQL alone refuses NUL, within a transaction that it then gives up.
    let mut nul = lesson.notes("bob", OPENED_US + SECOND_US, 10);
    nul[3].student = Some("b\0b".into());
    let inserted = target.database.insert(&batch(nul)).await.expect("the rest goes in");
    assert_eq!(inserted.events + inserted.rejected.len(), 10);
    assert_eq!(inserted.rejected.len(), usize::from(!target.is_sqlite()));
}
