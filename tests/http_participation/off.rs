//! Where nothing is recorded, and where the database does not answer.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::school::{School, teacher};

const READS: [&str; 8] = [
    "/rooms/MUSIC-0042/participation",
    "/rooms/MUSIC-0042/analytics",
    "/rooms/MUSIC-0042/reflections",
    "/rooms/MUSIC-0042/sessions",
    "/sessions",
    "/overview",
    "/students/ada",
    "/students/ada/trend",
];

#[tokio::test]
async fn a_school_that_is_not_recorded_is_told_so() {
    let school = School::open("off").await;
    let off = (409, "participation_off".to_owned(), None);
    for path in READS.into_iter().filter(|path| *path != "/students/ada") {
        assert_eq!(school.get(path, &teacher("silent")).await.failure(), off, "{path}");
    }
    let body = json!({ "room_id": "MUSIC-0042", "reflection_text": "a", "reflection_type": "exit_ticket" });
    assert_eq!(school.send(Method::POST, "/reflections", &teacher("silent"), &body).await.failure(), off);
    // What was recorded before can be asked for and erased still.
    assert_eq!(school.get("/students/ada", &teacher("silent")).await.status, 200);
    assert_eq!(school.send(Method::DELETE, "/students/ada", &teacher("silent"), &Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_503_within_seconds() {
    // Takes connections, and says nothing.
    let silence = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silence.local_addr().expect("an address");
    for (name, port) in [("mute", address.port()), ("refusing", 1)] {
        let url = format!("postgres://user:password@127.0.0.1:{port}/downbeat");
        let school = School::with_database(name, &url).await;
        let erasing = async || school.send(Method::DELETE, "/students/ada", &teacher("acme"), &Value::Null).await;
        let asking = futures_util::future::join_all(READS.map(async |path| {
            let began = Instant::now();
            (school.get(path, &teacher("acme")).await, began.elapsed(), path)
        }));
        let (answers, erased) = futures_util::join!(asking, erasing());
        for (answer, took, path) in answers {
            assert_eq!(answer.failure(), (503, "unavailable".into(), None), "{name}: {path}");
            assert_eq!(answer.header("retry-after"), "5");
            assert!(took < Duration::from_secs(5), "{name}: {path} took {took:?}");
            assert!(!answer.text.contains("password"), "{}", answer.text);
        }
        assert_eq!(erased.failure(), (503, "unavailable".into(), None));
        let code = school.new_room("Band").await;
        let body = json!({ "room_id": code, "reflection_text": "kept", "reflection_type": "exit_ticket" });
        let kept = school.send(Method::POST, "/reflections", &teacher("acme"), &body).await;
        assert_eq!(kept.status, 201, "a reflection waits for the database: {}", kept.text);
    }
}
