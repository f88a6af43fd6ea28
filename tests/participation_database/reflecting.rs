use crate::{inserting::events, lessons::*, targets::Target};

async fn text(target: &Target, id: &str) -> Option<(String, i64, i64)> {
    let stored = target.database.reflection("acme", id).await.expect("it is up")?;
    Some((stored.reflection.text, stored.submitted_at_us - OPENED_US, stored.updated_at_us - OPENED_US))
}

pub async fn an_edit_counts_if_it_is_newer_and_the_author_s_own(target: Target) {
    let mut lesson = Lesson::new();
    let mut elsewhere = Lesson::of(session("MUSIC-0001", OPENED_US));
    let version = |lesson: &mut Lesson, student, at, text| lesson.reflection(student, OPENED_US + at, "r1", text);
    let second = version(&mut lesson, "ada", 200, "second");
    target.database.insert(&batch(vec![second.clone()])).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, Some(("second".to_owned(), 200, 200)));

    let first = version(&mut lesson, "ada", 100, "first");
    target.database.insert(&batch(vec![first.clone()])).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, Some(("second".to_owned(), 100, 200)), "an older one that came late");

    let strange = [version(&mut lesson, "bob", 300, "bob's"), version(&mut elsewhere, "ada", 300, "elsewhere")];
    target.database.insert(&batch(strange.to_vec())).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, Some(("second".to_owned(), 100, 200)), "another's, and of another session");

    let third = version(&mut lesson, "ada", 400, "third");
    target.database.insert(&batch(vec![third, second, first])).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, Some(("third".to_owned(), 100, 400)));

    let stored = target.database.reflections("acme", &lesson.session).await.expect("it is up");
    assert_eq!((stored.len(), &*stored[0].student_id, &*stored[0].author_id), (1, "ada", "ada"));
    assert_eq!(stored[0].reflection.mood, Some(4));
    assert_eq!(target.database.reflections_of_student("acme", "ada").await.expect("it is up"), stored);
}

pub async fn a_withdrawn_reflection_keeps_no_content_and_never_returns(target: Target) {
    let mut lesson = Lesson::new();
    let written = lesson.reflection("ada", OPENED_US + 1, "r1", "zebrafish");
    target.database.insert(&batch(vec![written.clone()])).await.expect("it is up");
    let strange = lesson.withdrawal("bob", OPENED_US + 2, "r1");
    target.database.insert(&batch(vec![strange])).await.expect("it is up");
    assert!(text(&target, "r1").await.is_some(), "nobody withdraws another's");

    let withdrawn = lesson.withdrawal("ada", OPENED_US + 3, "r1");
    target.database.insert(&batch(vec![withdrawn.clone()])).await.expect("it is up");
    let late = lesson.reflection("ada", OPENED_US + 2, "r1", "zebrafish again");
    target.database.insert(&batch(vec![withdrawn, late, written])).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, None);
    assert_eq!(target.database.reflections("acme", &lesson.session).await.expect("it is up"), []);
    assert_eq!(target.count("student_reflections").await, 1, "its tombstone");

    // The withdrawal overtook what it withdraws.
    let (gone, late) =
        (lesson.withdrawal("ada", OPENED_US + 5, "r2"), lesson.reflection("ada", OPENED_US + 4, "r2", "zebrafish"));
    target.database.insert(&batch(vec![gone])).await.expect("it is up");
    target.database.insert(&batch(vec![late])).await.expect("it is up");
    assert_eq!(text(&target, "r2").await, None);
    let places = target.places_of("zebrafish").await;
    assert!(places.iter().all(|place| !place.contains('.') || place.contains('/')), "{places:?}");
}

pub async fn a_reflection_s_content_is_in_no_event(target: Target) {
    let mut lesson = Lesson::new();
    let written = lesson.reflection("ada", OPENED_US + 1, "r1", "zebra\0fish");
    target.database.insert(&batch(vec![written])).await.expect("it is up");
    assert_eq!(text(&target, "r1").await, Some(("zebrafish".to_owned(), 1, 1)));
    let events = events(&target, "acme", &lesson.session).await;
    let details = events[0].details.clone().expect("which reflection it was");
    assert_eq!(details, serde_json::json!({"reflection_id": "r1", "reflection_type": "exit_ticket"}));
}
