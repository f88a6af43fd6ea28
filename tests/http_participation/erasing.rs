//! One person's file, and its erasure.

use downbeat::{
    participation::{Kind, digest_of},
    room::TokenRole,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    lesson::Lesson,
    pupil::Pupil,
    school::{School, student, teacher},
};

const CLASS: [&str; 6] = ["ada", "bob", "cy", "dee", "eve", "fay"];

#[tokio::test]
async fn a_file_holds_everything_of_one_person_and_nothing_of_others() {
    let school = School::open("file").await;
    let assigned = json!({ "assignments": { "1": ["ada", "bob"], "2": ["cy"] }, "beats_per_bar": 4 });
    let lesson = Lesson::days_ago("acme", "MUSIC-0042", 2).played_by(&CLASS).reflection("bob", "mine");
    school.remember(&lesson.and(20, Kind::BEATS_ASSIGNED, None, assigned).reflection("cy", "not his").batch()).await;
    let code = school.new_room("Band").await;
    let _bob = Pupil::join(&school, &code, TokenRole::Student, "bob").await;

    for asker in [teacher("acme"), student("bob")] {
        let file =
            school.until("/students/bob", &asker, |file| file["sessions"].as_array().is_some_and(|all| all.len() == 2));
        let file = file.await;
        assert_eq!((&file["sessions"][0]["student"]["notes"], &file["rooms"]), (&json!(2), &json!([code])));
        assert_eq!(file["reflections"][0]["reflection_text"], "mine");
        let notes = file["events"].as_array().expect("events").iter().filter(|event| event["kind"] == "note_played");
        assert_eq!(notes.count(), 2);
        let own = file["events"].as_array().expect("events").iter().find(|event| event["kind"] == "beats_assigned");
        assert_eq!(own.expect("the event")["details"]["assignments"], json!({ "1": ["bob"] }));
        for other in ["\"ada\"", "\"cy\"", "not his"] {
            assert!(!file.to_string().contains(other), "{other}");
        }
    }
    let log = school.database.audit_entries("acme", 100).await.expect("a database");
    assert_eq!((log[0].action.as_str(), log[0].actor.as_str()), ("student_exported", "student"));
    let salt = log[0].details["salt"].as_str().and_then(|salt| u128::from_str_radix(salt, 16).ok()).expect("a salt");
    assert_eq!(log[0].subject, Some(digest_of(&salt.to_be_bytes(), "bob")), "who knows the id can see whom it is of");
    assert!(log.iter().all(|entry| entry.actor != "bob"));
    assert!(log.iter().any(|entry| entry.actor == "mrs-lee" && !entry.details.to_string().contains("bob")));
    let nobody = school.get("/students/nobody", &teacher("acme")).await.json();
    assert_eq!((&nobody["sessions"], &nobody["events"], &nobody["rooms"]), (&json!([]), &json!([]), &json!([])));
}

#[tokio::test]
async fn of_an_erased_student_no_answer_knows_anything_and_the_room_has_forgotten_them() {
    let school = School::open("erase").await;
    let lesson = Lesson::days_ago("acme", "MUSIC-0042", 2).played_by(&CLASS).reflection("bob", "mine");
    school.remember(&lesson.batch()).await;
    school.remember(&Lesson::days_ago("zeta", "MUSIC-0042", 2).played_by(&["bob"]).batch()).await;
    let code = school.new_room("Band").await;
    let mut teaching = Pupil::join(&school, &code, TokenRole::Teacher, "mrs-lee").await;
    let mut bob = Pupil::join(&school, &code, TokenRole::Student, "bob").await;
    teaching.ask("assign_role", json!({ "student_id": "bob", "role": "soloist" })).await;
    teaching.ask("assign_beat", json!({ "student_id": "bob", "beat": 1 })).await;
    for _ in 0..5 {
        bob.ask("play_note", json!({ "midi": 60 })).await;
    }
    let _elsewhere = school.new_room("Empty").await;

    let refused = school.send(Method::DELETE, "/students/bob", &student("bob"), &Value::Null).await;
    assert_eq!(refused.failure(), (403, "forbidden".into(), None));
    let done = school.send(Method::DELETE, "/students/bob", &teacher("acme"), &Value::Null).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let done = done.json();
    assert_eq!((&done["erased"]["rooms"], &done["erased"]["reflections"]), (&json!(1), &json!(1)), "{done}");
    assert!(done["erased"]["events"].as_u64().is_some_and(|events| events >= 3), "{done}");
    assert_eq!(done["on_their_way"], 0, "{done}");

    bob.hear(|frame| frame[3] == "phx_close").await;
    let snapshot = teaching.ask("get_room", json!({})).await.to_string();
    assert!(!snapshot.contains("\"bob\""), "the room forgot: {snapshot}");
    for path in [
        "/students/bob",
        "/students/bob/trend",
        "/rooms/MUSIC-0042/participation",
        "/rooms/MUSIC-0042/analytics",
        "/rooms/MUSIC-0042/reflections",
        "/sessions",
        &format!("/rooms/{code}/participation"),
        &format!("/rooms/{code}/analytics"),
    ] {
        let answer = school.get(path, &teacher("acme")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let mut answer = answer.json();
        if let Some(answer) = answer.as_object_mut().filter(|_| path.starts_with("/students/")) {
            // The question itself.
            answer.remove("student_id");
        }
        assert!(!answer.to_string().contains("bob"), "{path}: {answer}");
    }
    let others = school.get("/rooms/MUSIC-0042/participation", &teacher("acme")).await.json();
    assert_eq!(others["students"].as_array().map(Vec::len), Some(5), "the others stay");
    let of_zeta = school.get("/students/bob", &teacher("zeta")).await.json();
    assert_eq!(of_zeta["sessions"].as_array().map(Vec::len), Some(1), "another school's bob is another");

    let log = school.database.audit_entries("acme", 100).await.expect("a database");
    let entry = log.iter().find(|entry| entry.action == "student_erased").expect("an entry");
    assert_eq!((entry.actor.as_str(), entry.subject.is_some()), ("mrs-lee", true));
    assert!(!entry.details.to_string().contains("bob"), "{}", entry.details);

    let again = school.send(Method::DELETE, "/students/bob", &teacher("acme"), &Value::Null).await.json();
    assert_eq!(again["erased"], json!({ "events": 0, "reflections": 0, "sessions": 0, "rooms": 0 }));
}

#[tokio::test]
async fn a_file_of_many_sessions_comes_in_pages_that_together_are_everything() {
    let school = School::open("pages").await;
    for at in 0..405 {
        let lesson = Lesson::opened_at("acme", "MUSIC-0042", crate::school::now_us() - 5_000_000_000 + at * 1_000_000);
        school.remember(&lesson.reflection("bob", &at.to_string()).batch()).await;
    }
    let (mut path, mut sessions, mut events, mut reflections) = ("/students/bob".to_owned(), vec![], 0, 0);
    let mut pages = 0;
    loop {
        let page = school.get(&path, &student("bob")).await.json();
        let own = page["sessions"].as_array().expect("sessions");
        assert!(!own.is_empty() && own.len() <= 400, "{}", own.len());
        sessions.extend(own.iter().map(|own| own["session"]["session_id"].to_string()));
        events += page["events"].as_array().map_or(0, Vec::len);
        reflections += page["reflections"].as_array().map_or(0, Vec::len);
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/students/bob?cursor={next}");
    }
    assert!(pages >= 2);
    let read = sessions.len();
    sessions.sort();
    sessions.dedup();
    assert_eq!((read, sessions.len(), events, reflections), (405, 405, 405, 405));
}
