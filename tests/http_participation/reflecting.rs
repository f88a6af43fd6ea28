//! Reflections: a student's own, until the room closes.

use downbeat::room::TokenRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    pupil::Pupil,
    school::{School, student, teacher, token},
};

fn reflection(code: &str, text: &str) -> Value {
    json!({ "room_id": code, "reflection_text": text, "reflection_type": "exit_ticket", "mood": 4,
        "competency": "self_awareness", "metadata": { "question": 1 } })
}

/// The reflections as the teacher reads them, once what is under way has arrived.
async fn read(school: &School, code: &str, enough: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/rooms/{code}/reflections");
    school.until(&path, &teacher("acme"), |answer| enough(&answer["reflections"])).await["reflections"].clone()
}

#[tokio::test]
async fn a_reflection_is_submitted_changed_and_withdrawn_until_the_room_closes() {
    let school = School::open("life").await;
    let code = school.new_room("Band").await;
    let submit = async |method: Method, path: &str, who: &str, body: &Value| school.send(method, path, who, body).await;
    let made = submit(Method::POST, "/reflections", &student("ada"), &reflection(&code, "I waited for Bob")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["student_id"], &made["room_id"]), (&json!("ada"), &json!(code)));
    assert!(made["session"].as_str().is_some_and(|session| session.starts_with(&format!("{code}."))), "{made}");
    let shown = read(&school, &code, |list| list[0].is_object()).await;
    assert_eq!((&shown[0]["reflection_text"], &shown[0]["mood"]), (&json!("I waited for Bob"), &json!(4)));
    assert_eq!((&shown[0]["id"], &shown[0]["metadata"]), (&made["id"], &json!({ "question": 1 })));

    let path = format!("/reflections/{}", made["id"].as_str().expect("an id"));
    let changed = submit(Method::PUT, &path, &student("ada"), &reflection(&code, "He waited for me")).await;
    assert_eq!((changed.status, changed.json()), (200, made.clone()), "{}", changed.text);
    let shown = read(&school, &code, |list| list[0]["reflection_text"] == "He waited for me").await;
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "in place of the first: {shown}");

    let gone = submit(Method::DELETE, &format!("{path}?room_id={code}"), &student("ada"), &Value::Null).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    read(&school, &code, |list| list.as_array().is_some_and(Vec::is_empty)).await;

    let kept = submit(Method::POST, "/reflections", &student("ada"), &reflection(&code, "Once more")).await.json();
    let kept = format!("/reflections/{}", kept["id"].as_str().expect("an id"));
    read(&school, &code, |list| list[0].is_object()).await;
    assert_eq!(
        school.send(Method::DELETE, &format!("/rooms/{code}"), &teacher("acme"), &Value::Null).await.status,
        204
    );
    for (method, path) in [
        (Method::POST, "/reflections".to_owned()),
        (Method::PUT, kept.clone()),
        (Method::DELETE, format!("{kept}?room_id={code}")),
    ] {
        let late = submit(method, &path, &student("ada"), &reflection(&code, "Too late")).await;
        assert_eq!(late.failure(), (404, "room_not_found".into(), None), "{path}");
    }
    let shown = read(&school, &code, |list| list[0].is_object()).await;
    assert_eq!(shown[0]["reflection_text"], "Once more", "it can be read when the room has closed");
}

#[tokio::test]
async fn one_over_a_socket_is_changed_over_rest() {
    let school = School::open("socket").await;
    let code = school.new_room("Band").await;
    let mut ada = Pupil::join(&school, &code, TokenRole::Student, "ada").await;
    let answer =
        ada.ask("submit_reflection", json!({ "reflection_text": "a", "reflection_type": "pre_session" })).await;
    let id = answer["id"].as_str().expect("an id").to_owned();
    let changed =
        school.send(Method::PUT, &format!("/reflections/{id}"), &student("ada"), &reflection(&code, "b")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let shown = read(&school, &code, |list| list[0]["reflection_text"] == "b").await;
    assert_eq!((shown[0]["id"].as_str(), shown.as_array().map(Vec::len)), (Some(&*id), Some(1)));
}

#[tokio::test]
async fn a_student_writes_only_for_themself_and_a_teacher_for_anybody() {
    let school = School::open("whose").await;
    let code = school.new_room("Band").await;
    let for_bob = json!({ "room_id": code, "student_id": "bob", "reflection_text": "said to me", "reflection_type": "post_session" });
    let refused = school.send(Method::POST, "/reflections", &student("ada"), &for_bob).await;
    assert_eq!(refused.failure(), (403, "forbidden".into(), None));
    let nameless = token("acme", TokenRole::Student, None, None);
    let refused = school.send(Method::POST, "/reflections", &nameless, &reflection(&code, "who?")).await;
    assert_eq!(refused.failure(), (403, "forbidden".into(), None));

    let made = school.send(Method::POST, "/reflections", &teacher("acme"), &for_bob).await.json();
    assert_eq!(made["student_id"], "bob");
    let shown = read(&school, &code, |list| list[0].is_object()).await;
    assert_eq!((&shown[0]["student_id"], &shown[0]["author_id"]), (&json!("bob"), &json!("mrs-lee")));

    let path = format!("/reflections/{}", made["id"].as_str().expect("an id"));
    let stolen = school.send(Method::PUT, &path, &student("ada"), &reflection(&code, "mine now")).await;
    assert_eq!(stolen.failure(), (404, "reflection_not_found".into(), None));
    let stolen = school.send(Method::DELETE, &format!("{path}?room_id={code}"), &student("ada"), &Value::Null).await;
    assert_eq!(stolen.failure(), (404, "reflection_not_found".into(), None));
    let elsewhere = school.new_room("Other").await;
    let moved = school.send(Method::PUT, &path, &student("bob"), &reflection(&elsewhere, "moved")).await;
    assert_eq!(moved.failure(), (404, "reflection_not_found".into(), None));
    let own = school.send(Method::DELETE, &format!("{path}?room_id={code}"), &teacher("acme"), &Value::Null).await;
    assert_eq!(own.status, 204, "{}", own.text);
    read(&school, &code, |list| list.as_array().is_some_and(Vec::is_empty)).await;

    let guest = |room: &str| token("acme", TokenRole::Student, Some("guest-1"), Some(room));
    assert_eq!(school.send(Method::POST, "/reflections", &guest(&code), &reflection(&code, "hi")).await.status, 201);
    let outside = school.send(Method::POST, "/reflections", &guest(&elsewhere), &reflection(&code, "hi")).await;
    assert_eq!(outside.failure(), (404, "room_not_found".into(), None));
    let foreign = school.send(Method::POST, "/reflections", &teacher("zeta"), &reflection(&code, "hi")).await;
    assert_eq!(foreign.failure(), (404, "room_not_found".into(), None));
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let school = School::open("fields").await;
    let code = school.new_room("Band").await;
    let wrong = |field: &str, value: Value| {
        let mut body = reflection(&code, "fine");
        body[field] = value;
        (field.to_owned(), body)
    };
    let cases = [
        wrong("room_id", Value::Null),
        wrong("room_id", json!("MUSIC")),
        wrong("reflection_text", json!("")),
        wrong("reflection_text", json!("x".repeat(2_001))),
        wrong("reflection_type", json!("grade")),
        wrong("competency", json!("obedience")),
        wrong("mood", json!(6)),
        wrong("metadata", json!({ "long": "x".repeat(4_096) })),
        wrong("student_id", json!(7)),
        wrong("id", json!("7")),
    ];
    for (field, body) in cases {
        let refused = school.send(Method::POST, "/reflections", &student("ada"), &body).await;
        assert_eq!(refused.failure(), (422, "invalid_field".into(), Some(field)), "{body}");
    }
    let id = "0643f1c2a5b900c0ffee00c0ffee0001";
    let (_, other_id) = wrong("id", json!("0643f1c2a5b900c0ffee00c0ffee0002"));
    let refused = school.send(Method::PUT, &format!("/reflections/{id}"), &student("ada"), &other_id).await;
    assert_eq!(refused.failure(), (422, "invalid_field".into(), Some("id".into())));
    let refused = school.send(Method::DELETE, &format!("/reflections/{id}"), &student("ada"), &Value::Null).await;
    assert_eq!(refused.failure(), (422, "invalid_field".into(), Some("room_id".into())));
    let refused = school.send(Method::PUT, "/reflections/7", &student("ada"), &reflection(&code, "a")).await;
    assert_eq!(refused.failure(), (404, "reflection_not_found".into(), None));
}

#[tokio::test]
async fn who_reads_reflections_is_written_down_without_what_they_say() {
    let school = School::open("audit").await;
    let code = school.new_room("Band").await;
    school.send(Method::POST, "/reflections", &student("ada"), &reflection(&code, "a secret")).await;
    let path = format!("/rooms/{code}/reflections");
    let read = school.until(&path, &teacher("acme"), |answer| answer["reflections"][0].is_object()).await;
    let log = school.database.audit_entries("acme", 100).await.expect("a database");
    let newest = &log[0];
    assert_eq!((newest.action.as_str(), newest.actor.as_str()), ("reflections_read", "mrs-lee"));
    assert_eq!(newest.details, json!({ "session": read["session_id"], "reflections": 1 }));
    assert!(log.iter().all(|entry| !entry.details.to_string().contains("secret")));
}

#[tokio::test]
async fn an_author_writes_ten_reflections_a_minute_and_they_are_read_in_pages() {
    let school = School::open("rate").await;
    let code = school.new_room("Band").await;
    for at in 0..10 {
        let made =
            school.send(Method::POST, "/reflections", &student("ada"), &reflection(&code, &at.to_string())).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let refused = school.send(Method::POST, "/reflections", &student("ada"), &reflection(&code, "more")).await;
    assert_eq!(refused.failure(), (429, "too_many_requests".into(), None));
    assert_eq!(refused.header("retry-after"), "6");
    assert_eq!(
        school.send(Method::POST, "/reflections", &student("bob"), &reflection(&code, "10")).await.status,
        201,
        "another's are their own"
    );

    read(&school, &code, |list| list.as_array().is_some_and(|list| list.len() == 11)).await;
    let (mut texts, mut cursor) = (Vec::new(), String::new());
    for expected in [4, 4, 3] {
        let path = format!("/rooms/{code}/reflections?limit=4&cursor={cursor}");
        let page = school.get(&path, &teacher("acme")).await.json();
        let list = page["reflections"].as_array().expect("a list").clone();
        assert_eq!(list.len(), expected, "{page}");
        texts.extend(list.iter().map(|one| one["reflection_text"].as_str().expect("text").to_owned()));
        cursor = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((texts, cursor.as_str()), ((0..11).map(|at| at.to_string()).collect(), ""));

    let sheet = school.get(&format!("/rooms/{code}/reflections?format=csv&limit=10"), &teacher("acme")).await;
    let link =
        sheet.header("link").strip_prefix("<").and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link");
    let rest = school.get(&format!("/rooms/{code}/reflections{link}"), &teacher("acme")).await;
    assert_eq!((sheet.text.trim().lines().count(), rest.text.trim().lines().count()), (11, 2));
    assert_eq!(rest.header("link"), "");
    let wrong = school.get(&format!("/rooms/{code}/reflections?limit=501"), &teacher("acme")).await;
    assert_eq!(wrong.failure(), (422, "invalid_field".into(), Some("limit".into())));
}
