//! Who may do what: teachers, students, guests, and whoever develops at the machine itself.

use std::time::{Duration, Instant};

use downbeat::room::TokenRole;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::server::{ROOMS, Server, sent, signed, token};

#[tokio::test]
async fn only_the_tenants_own_teachers_see_its_rooms() {
    let server = Server::serve("callers").await;
    let room = format!("{ROOMS}/{}", server.new_room().await);
    let of = async |token: &str| sent(server.request(Method::GET, &room).bearer_auth(token)).await;
    assert_eq!(of(&token("acme", TokenRole::Teacher)).await.status, 200);
    assert_eq!(of(&token("acme", TokenRole::Student)).await.failure(), (403, "forbidden".into(), None));
    assert_eq!(of(&token("zeta", TokenRole::Teacher)).await.failure(), (404, "room_not_found".into(), None));

    let nobody = server.get(&room).await;
    assert_eq!(nobody.failure(), (401, "token_missing".into(), None));
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    let forged = signed("acme", "another secret, just as long as it must be", TokenRole::Teacher);
    assert_eq!(of(&forged).await.failure(), (401, "token_signature_invalid".into(), None));
    assert_eq!(of("garbage").await.failure().0, 401);

    let foreign = sent(server.request(Method::GET, ROOMS).header("x-api-key", token("zeta", TokenRole::Teacher))).await;
    assert_eq!(foreign.json(), json!({"rooms": [], "next": null}));
    let in_query = server.get(&format!("{room}?access_token={}", token("acme", TokenRole::Teacher))).await;
    assert_eq!(in_query.status, 200);
}

#[tokio::test]
async fn a_publishable_key_gives_way_to_a_token_and_alone_is_refused_with_what_to_do() {
    let server = Server::serve("keys").await;
    let ask = || server.request(Method::GET, ROOMS).header("apikey", "sb_publishable_k");
    assert_eq!(sent(ask().bearer_auth(token("acme", TokenRole::Teacher))).await.status, 200);
    let as_header = server.request(Method::GET, ROOMS).header("apikey", token("acme", TokenRole::Teacher));
    assert_eq!(sent(as_header).await.status, 200);
    let alone = sent(ask().bearer_auth("sb_publishable_k")).await;
    assert_eq!(alone.failure(), (401, "token_malformed".into(), None));
    let says = "Supabase's publishable keys are opaque: pass a JWT of the tenant as the key";
    assert!(alone.json()["error"]["message"].as_str().is_some_and(|said| said.ends_with(says)), "{}", alone.text);
}

#[tokio::test]
async fn a_guest_gets_a_students_token_for_one_room() {
    let server = Server::serve("guests").await;
    let code = server.new_room().await;
    let enter = async |host: &str, code: &str, body: &str| {
        let request = server.request(Method::POST, &format!("{ROOMS}/{code}/guest"));
        sent(request.header("host", host).body(body.to_owned())).await
    };
    let host = "class.example.net";
    let entered = enter(host, &code, r#"{"name": "Bob"}"#).await;
    assert_eq!(entered.status, 201, "{}", entered.text);
    let pass = entered.json();
    assert_eq!(pass["room_id"], *code);
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970").as_millis();
    assert!(u128::from(pass["expires_at"].as_u64().expect("a time")) > now_ms);
    let other = enter(host, &code, r#"{"name": "Bob"}"#).await.json();
    assert_ne!(pass["student_id"], other["student_id"]);

    let guest = pass["token"].as_str().expect("a token");
    let refused = sent(server.request(Method::GET, ROOMS).bearer_auth(guest)).await;
    assert_eq!(refused.failure(), (403, "forbidden".into(), None));
    for nowhere in ["MUSIC-99", "nonsense", "%ff", "MUSIC-000000"] {
        assert_eq!(enter(host, nowhere, r#"{"name": "Bob"}"#).await.failure(), (404, "room_not_found".into(), None));
    }
    for name in ["{}", r#"{"name": ""}"#, r#"{"name": "a\nb"}"#, r#"{"name": 7}"#] {
        let refused = enter(host, &code, name).await.failure();
        assert_eq!(refused, (422, "invalid_field".into(), Some("name".into())), "{name}");
    }
    let off = enter("zeta.example.net", &code, r#"{"name": "Bob"}"#).await;
    assert_eq!(off.failure(), (403, "guests_off".into(), None));
}

#[tokio::test]
async fn whoever_guesses_codes_waits_ever_longer_and_so_do_right_codes_from_there() {
    let server = Server::serve("guesses").await;
    let code = server.new_room().await;
    let enter = async |code: String| {
        let request = server.request(Method::POST, &format!("{ROOMS}/{code}/guest"));
        sent(request.body(r#"{"name": "Bob"}"#)).await.status
    };
    let guesses = (0..75).map(|guess| enter(format!("MUSIC-{:06}", guess)));
    assert_eq!(join_all(guesses).await, [404; 75]);
    let before = Instant::now();
    assert_eq!(enter(code).await, 201, "slowed down, never refused");
    assert!(before.elapsed() > Duration::from_millis(300), "{:?}", before.elapsed());
}

#[tokio::test]
async fn dev_gives_tokens_to_its_own_machine_that_open_its_rooms() {
    let server = Server::start("dev", &["dev"]).await;
    let given = server.get("/dev/token?role=teacher&sub=ada").await;
    assert_eq!(given.status, 200, "{}", given.text);
    let given = given.json();
    assert_eq!((&given["role"], &given["sub"], &given["tenant"]), (&json!("teacher"), &json!("ada"), &json!("demo")));
    let bearer = given["token"].as_str().expect("a token");
    let made = sent(server.request(Method::POST, ROOMS).bearer_auth(bearer)).await;
    assert_eq!((made.status, &made.json()["teacher_id"]), (201, &json!("ada")));
    let code = made.json()["room_id"].as_str().expect("a code").to_owned();
    let guest = server.request(Method::POST, &format!("{ROOMS}/{code}/guest")).body(r#"{"name": "Bob"}"#);
    assert_eq!(sent(guest).await.status, 201, "dev allows guests");

    let student = server.get("/dev/token").await.json();
    assert_eq!(student["role"], "student");
    assert_eq!(server.get("/dev/token?role=admin").await.failure().2.as_deref(), Some("role"));
    let rebound = sent(server.request(Method::GET, "/dev/token").header("host", "evil.org")).await;
    assert_eq!(rebound.failure(), (403, "forbidden".into(), None));
    let from_evil = async |path: &str| {
        let answer = sent(server.request(Method::GET, path).header("origin", "https://evil.org")).await;
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(from_evil("/api/ping").await, "https://evil.org");
    assert_eq!(from_evil("/dev/token?role=teacher").await, "");
}
