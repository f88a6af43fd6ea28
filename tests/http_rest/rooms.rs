//! Rooms over REST: their life, wrong values, limits, pages, controls.

use std::collections::BTreeSet;

use downbeat::room::TokenRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{ROOMS, Server, sent, token};

#[tokio::test]
async fn a_room_is_made_read_changed_and_closed() {
    let server = Server::serve("life").await;
    let made = server.teacher(Method::POST, ROOMS, &json!({"bpm": 96, "name": "Tuesday", "beats_per_bar": 3})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let room = made.json();
    let path = format!("{ROOMS}/{}", room["room_id"].as_str().expect("a code"));
    assert_eq!(made.header("location"), path);
    assert_eq!((&room["bpm"], &room["name"], &room["teacher_id"]), (&json!(96), &json!("Tuesday"), &json!("ada")));
    assert_eq!((&room["beats_per_bar"], &room["playing"], &room["members"]), (&json!(3), &json!(false), &json!(0)));
    assert_eq!(server.teacher(Method::GET, &path, &Value::Null).await.json()["room_id"], room["room_id"]);

    let changes = json!({"bpm": 120, "name": "Band", "autostart": false, "max_students": 9, "locked": true});
    let changed = server.teacher(Method::PATCH, &path, &changes).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let room = changed.json();
    assert_eq!(room["bpm"], 120);
    let settings = json!({"autostart": false, "max_students": 9, "locked": true, "name": "Band"});
    assert_eq!(room["settings"], settings);
    let unlocked = server.teacher(Method::PATCH, &path, &json!({"locked": false})).await.json();
    assert_eq!((&unlocked["settings"]["locked"], &unlocked["bpm"]), (&json!(false), &json!(120)));

    assert_eq!(server.teacher(Method::DELETE, &path, &Value::Null).await.status, 204);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let gone = server.teacher(method, &path, &Value::Null).await;
        assert_eq!(gone.failure(), (404, "room_not_found".into(), None));
        assert_eq!(gone.json()["error"]["message"], "Room not found");
    }
}

#[tokio::test]
async fn a_wrong_value_is_named_and_changes_nothing() {
    let server = Server::serve("values").await;
    let cases = [
        ("bpm", json!({"bpm": 0})),
        ("bpm", json!({"bpm": 300})),
        ("bpm", json!({"bpm": "fast"})),
        ("bpm", json!({"bpm": 90.5})),
        ("bpm", json!({"bpm": 1e300})),
        ("autostart", json!({"autostart": "yes"})),
        ("max_students", json!({"max_students": -1})),
        ("name", json!({"name": ["a"]})),
        ("name", json!({"name": "x".repeat(101)})),
    ];
    let room = format!("{ROOMS}/{}", server.new_room().await);
    let before = server.teacher(Method::GET, &room, &Value::Null).await.json();
    for (field, body) in cases {
        for (method, path) in [(Method::POST, ROOMS), (Method::PATCH, room.as_str())] {
            let refused = server.teacher(method, path, &body).await.failure();
            assert_eq!(refused, (422, "invalid_field".into(), Some(field.into())), "{body}");
        }
    }
    let refused = server.teacher(Method::PATCH, &room, &json!({"bpm": 90, "locked": 1})).await.failure();
    assert_eq!(refused, (422, "invalid_field".into(), Some("locked".into())));
    assert_eq!(server.teacher(Method::GET, &room, &Value::Null).await.json(), before);
    let rooms = server.teacher(Method::GET, ROOMS, &Value::Null).await.json();
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_body_that_is_broken_or_too_long_is_refused() {
    let server = Server::serve("bodies").await;
    let post = async |body: Vec<u8>| {
        let request = server.request(Method::POST, ROOMS).bearer_auth(token("acme", TokenRole::Teacher));
        sent(request.body(body)).await.failure()
    };
    for broken in [&b"{"[..], b"[1]", b"{\"bpm\": NaN}", b"\xff\xfe"] {
        assert_eq!(post(broken.to_vec()).await, (400, "invalid_json".into(), None));
    }
    let long = json!({"name": "x".repeat(65 * 1024)}).to_string();
    assert_eq!(post(long.into_bytes()).await, (413, "body_too_large".into(), None));
}

#[tokio::test]
async fn a_tenant_at_its_room_limit_is_told_when_to_come_back() {
    let server = Server::serve("limit").await;
    let mut codes = BTreeSet::new();
    for _ in 0..5 {
        codes.insert(server.new_room().await);
    }
    assert_eq!(codes.len(), 5);
    let refused = server.teacher(Method::POST, ROOMS, &Value::Null).await;
    assert_eq!(refused.failure(), (429, "too_many_rooms".into(), None));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));

    let mut listed = Vec::new();
    let mut path = format!("{ROOMS}?limit=2");
    loop {
        let page = server.teacher(Method::GET, &path, &Value::Null).await.json();
        let rooms = page["rooms"].as_array().expect("rooms").iter();
        listed.extend(rooms.map(|room| room["room_id"].as_str().expect("a code").to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("{ROOMS}?limit=2&cursor={next}");
    }
    assert_eq!(listed, codes.into_iter().collect::<Vec<_>>());
    let refused = server.teacher(Method::GET, &format!("{ROOMS}?limit=101"), &Value::Null).await.failure();
    assert_eq!(refused, (422, "invalid_field".into(), Some("limit".into())));
}

#[tokio::test]
async fn a_script_steers_a_room_by_its_controls() {
    let server = Server::serve("actions").await;
    let room = format!("{ROOMS}/{}", server.new_room().await);
    let act =
        async |event: &str, body: Value| server.teacher(Method::POST, &format!("{room}/actions/{event}"), &body).await;
    let done = act("set_tempo", json!({"bpm": 77})).await;
    assert_eq!((done.status, done.json()), (200, json!({})));
    assert_eq!(server.teacher(Method::GET, &room, &Value::Null).await.json()["bpm"], 77);
    assert_eq!(act("lock_room", Value::Null).await.status, 200);

    let wrong = act("set_tempo", json!({"bpm": 300})).await;
    assert_eq!(wrong.failure(), (422, "invalid_field".into(), Some("bpm".into())));
    assert_eq!(wrong.json()["error"]["message"], "BPM must be between 1 and 299");
    let unknown = act("mute_student", json!({"student_id": "nobody"})).await;
    assert_eq!(unknown.json()["error"]["message"], "unknown student");
    let none = act("play_note", json!({"midi": 60})).await;
    assert_eq!(none.failure(), (404, "unknown_event".into(), None));
    let message = none.json()["error"]["message"].to_string();
    assert!(message.contains("set_tempo") && message.contains("close_room"), "{message}");
    assert_eq!(act("close_room", Value::Null).await.status, 200);
    assert_eq!(act("lock_room", Value::Null).await.failure(), (404, "room_not_found".into(), None));
}
