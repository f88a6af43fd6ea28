use downbeat::participation::SessionHead;

use crate::{inserting::events, lessons::*, targets::Target};

fn ids(heads: Vec<SessionHead>) -> Vec<String> {
    heads.into_iter().map(|head| head.session.to_string()).collect()
}

pub async fn the_sessions_of_a_code_are_listed_newest_first_page_by_page(target: Target) {
    let mut expected = Vec::new();
    for day in 0..5 {
        let mut lesson = Lesson::of(session("MUSIC-1234", OPENED_US + day * 86_400 * SECOND_US));
        let events = lesson.notes("ada", OPENED_US + day * 86_400 * SECOND_US, 2);
        target.database.insert(&batch(events)).await.expect("it is up");
        expected.insert(0, lesson.session);
    }
    for neighbour in ["MUSIC-1233", "MUSIC-1235"] {
        let mut lesson = Lesson::of(session(neighbour, OPENED_US));
        target.database.insert(&batch(lesson.notes("ada", OPENED_US, 1))).await.expect("it is up");
    }
    let code = "MUSIC-1234".parse().expect("a code");
    let page = target.database.sessions_of_room("acme", &code, 3, None).await.expect("it is up");
    let rest = target.database.sessions_of_room("acme", &code, 3, Some(&page[2].session)).await.expect("it is up");
    let names: Vec<_> = expected.iter().map(ToString::to_string).collect();
    assert_eq!((ids(page), ids(rest)), (names[..3].to_vec(), names[3..].to_vec()));

    let (from, to) = (OPENED_US + 86_400 * SECOND_US, OPENED_US + 3 * 86_400 * SECOND_US);
    let some = target.database.sessions("acme", from, to, 10).await.expect("it is up");
    assert_eq!(ids(some), names[2..4], "from the first moment on, and before the last");
}

pub async fn a_student_s_sessions_and_events_are_found(target: Target) {
    let mut sessions = Vec::new();
    for (at, students) in [["ada", "bob"], ["bob", "cyd"], ["ada", "cyd"]].iter().enumerate() {
        let opened = OPENED_US + at as i64 * 3_600 * SECOND_US;
        let mut lesson = Lesson::of(session("MUSIC-1234", opened));
        for student in students {
            target.database.insert(&batch(lesson.notes(student, opened, 20))).await.expect("it is up");
        }
        sessions.push(lesson.session);
    }
    let of_ada = target.database.sessions_of_student("acme", "ada").await.expect("it is up");
    assert_eq!(ids(of_ada), [sessions[0].to_string(), sessions[2].to_string()]);
    let mut found = Vec::new();
    let count = target.database.events_of_student("acme", "ada", |event| found.push(event)).await.expect("it is up");
    let mut expected =
        [events(&target, "acme", &sessions[0]).await, events(&target, "acme", &sessions[2]).await].concat();
    expected.retain(|event| event.student.as_deref() == Some("ada"));
    assert_eq!((count, found), (40, expected));
}
