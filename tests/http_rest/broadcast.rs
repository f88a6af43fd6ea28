//! Broadcasts without a socket: who may send them, in which forms, and how they are refused.

use downbeat::room::TokenRole;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::server::{Answer, Server, sent, signed, token};

const BATCH: &str = "/api/broadcast";
const ONE: &str = "/api/broadcast/lobby/events/cursor";
const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

fn post(server: &Server, path: &str, tenant: &str) -> RequestBuilder {
    server.request(Method::POST, path).header("apikey", token(tenant, TokenRole::Student))
}

async fn post_one(server: &Server, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    sent(post(server, path, "acme").header("content-type", kind).body(body)).await
}

async fn post_batch(server: &Server, tenant: &str, messages: &Value) -> Answer {
    let body = json!({ "messages": messages }).to_string();
    sent(post(server, BATCH, tenant).header("content-type", JSON).body(body)).await
}

fn message(topic: &str) -> Value {
    json!({"topic": topic, "event": "cursor", "payload": {"x": 1}})
}

/// The status, and the message, which is all that there is.
fn said(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
    (answer.status, body["message"].as_str().unwrap_or_else(|| panic!("a sentence in {body}")).to_owned())
}

/// The complaints of a 422.
fn complaints(answer: &Answer) -> Value {
    assert_eq!(answer.status, 422, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
    body["errors"].clone()
}

#[tokio::test]
async fn json_and_octets_are_taken_under_both_mounts_with_an_empty_202() {
    let server = Server::serve("broadcast-forms").await;
    for mount in ["", "/realtime/v1"] {
        let one = format!("{mount}{ONE}");
        let cases: [(&str, &[u8]); 7] = [
            (JSON, b"{\"x\": 1}"),
            ("application/json; charset=utf-8", b"[1, 2]"),
            ("text/plain;charset=UTF-8", b"\"hello\""),
            (JSON, b"null"),
            (JSON, b" 1e400 "),
            (OCTETS, b"\x00\xff\xfe"),
            (OCTETS, b""),
        ];
        for (kind, body) in cases {
            let answer = post_one(&server, &one, kind, body).await;
            assert_eq!((answer.status, &*answer.text), (202, ""), "{kind} {body:?}");
        }
        let body = json!({"messages": [message("a"), message("realtime:b")]}).to_string();
        let answer = sent(post(&server, &format!("{mount}{BATCH}"), "acme").body(body)).await;
        assert_eq!((answer.status, &*answer.text), (202, ""));
    }
}

#[tokio::test]
async fn names_are_percent_decoded_and_stray_query_values_ignored() {
    let server = Server::serve("broadcast-names").await;
    let good = [
        "/api/broadcast/room%3Aa%2Fb/events/say%20%22hi%22",
        "/api/broadcast/realtime%3Alobby/events/%C3%A9",
        "/api/broadcast/lobby/events/e?private=false&persist=true&persist%5Bttl%5D=60&page=2&x",
    ];
    for path in good {
        assert_eq!(post_one(&server, path, JSON, "{}").await.status, 202, "{path}");
    }
    let long = format!("/api/broadcast/{}/events/e", "x".repeat(247));
    let blank = json!(["can't be blank"]);
    let bad = [
        ("/api/broadcast/%20/events/e", json!({"topic": blank})),
        ("/api/broadcast/lobby/events/", json!({"event": blank})),
        ("/api/broadcast//events/e", json!({"topic": blank})),
        (long.as_str(), json!({"topic": ["should be at most 246 byte(s)"]})),
        ("/api/broadcast/%ff/events/e", json!({"path": ["must be percent-encoded UTF-8"]})),
        ("/api/broadcast/lobby/events/e?private=yes", json!({"private": ["is invalid"]})),
    ];
    for (path, errors) in bad {
        assert_eq!(complaints(&post_one(&server, path, JSON, "{}").await), errors, "{path}");
    }
}

#[tokio::test]
async fn nothing_below_the_mounts_is_a_404() {
    let server = Server::serve("broadcast-astray").await;
    for path in
        ["/api/broadcast/", "/api/broadcast/lobby", "/realtime/v1/api/broadcast/a/b/events/e", "/api/broadcast/t/e/e"]
    {
        let errors = complaints(&post_one(&server, path, JSON, "{}").await);
        assert!(errors["path"].is_array(), "{path}: {errors}");
    }
    let read = server.get(BATCH).await;
    assert_eq!((said(&read).0, read.header("allow")), (405, "POST"));
    let (status, message) = said(&server.get("/realtime/v1/api/nothing").await);
    assert!(status == 400 && message.starts_with("BadAddress: "), "{status} {message}");
    assert_eq!(server.get("/api/broadcasts").await.failure(), (404, "no_such_route".into(), None));
}

#[tokio::test]
async fn any_valid_token_may_broadcast_and_no_other() {
    let server = Server::serve("broadcast-callers").await;
    let with = async |token: &str| sent(server.request(Method::POST, ONE).bearer_auth(token).body("{}")).await;
    for role in [TokenRole::Student, TokenRole::Teacher] {
        assert_eq!(with(&token("acme", role)).await.status, 202);
        assert_eq!(with(&token("zeta", role)).await.status, 202);
    }
    let nobody = sent(server.request(Method::POST, BATCH).header("apikey", "").body("{}")).await;
    assert_eq!((said(&nobody).0, nobody.header("www-authenticate")), (401, "Bearer"));
    let forged = signed("acme", "another secret, just as long as it must be", TokenRole::Teacher);
    assert!(said(&with(&forged).await).1.contains("signature"));
    let stranger = signed("nowhere", "another secret, just as long as it must be", TokenRole::Teacher);
    for token in ["garbage", forged.as_str(), stranger.as_str()] {
        assert_eq!(said(&with(token).await).0, 401);
    }
    assert_eq!(said(&with(&token("gone", TokenRole::Student)).await).0, 403, "suspended");
    let elsewhere = server.request(Method::POST, ONE).header("host", "zeta.example.net");
    let elsewhere = elsewhere.bearer_auth(token("acme", TokenRole::Student)).body("{}");
    assert_eq!(said(&sent(elsewhere).await).0, 403, "another tenant's host");
}

#[tokio::test]
async fn a_topic_that_the_token_does_not_open_is_refused_and_a_room_s_own_words_are() {
    let server = Server::serve("broadcast-topics").await;
    let private = async |topic: &str| {
        post_one(&server, &format!("/api/broadcast/{topic}/events/e?private=true"), JSON, "{}").await
    };
    assert_eq!(private("ada%3Anotes").await.status, 202, "below its own `sub`");
    let (status, reason) = said(&private("bob").await);
    assert!(status == 403 && reason.starts_with("Unauthorized: "), "{status} {reason}");

    let mut messages = json!([message("ada"), message("bob"), message("ada")]);
    messages[1]["private"] = json!("true");
    let (status, message) = said(&post_batch(&server, "acme", &messages).await);
    assert!(status == 403 && message.contains("(message 2 of 3: "), "{status} {message}");

    let room = format!("/api/broadcast/music_room%3A{}/events", server.new_room().await);
    let say = async |event: &str| server.teacher(Method::POST, &format!("{room}/{event}"), &json!({})).await;
    assert_eq!(say("well_done").await.status, 202);
    for event in ["beat", "play_note"] {
        assert!(complaints(&say(event).await)["event"].is_array(), "{event}");
    }
    assert_eq!(said(&post_one(&server, &format!("{room}/well_done"), JSON, "{}").await).0, 403, "a student");
}

#[tokio::test]
async fn what_cannot_be_read_or_is_incomplete_is_refused_as_a_whole() {
    let server = Server::serve("broadcast-bodies").await;
    for path in [BATCH, ONE] {
        for broken in ["{", "{'a': 1}", "{\"a\": NaN}"] {
            let (status, message) = said(&post_one(&server, path, JSON, broken).await);
            assert!(status == 400 && message.contains("line 1"), "{status} {message}");
        }
    }
    let blank = json!(["can't be blank"]);
    assert_eq!(complaints(&post_one(&server, ONE, JSON, " ").await), json!({"payload": blank}));
    assert_eq!(complaints(&post_one(&server, BATCH, JSON, "{}").await), json!({"messages": blank}));
    let messages = json!([message("a"), {"topic": "b", "event": "e"}, {"topic": "", "event": "e", "payload": {}}]);
    let errors = json!({"messages": [{}, {"payload": blank}, {"topic": blank}]});
    assert_eq!(complaints(&post_batch(&server, "acme", &messages).await), errors);
    let many = json!(vec![message("a"); 101]);
    assert_eq!(
        complaints(&post_batch(&server, "acme", &many).await),
        json!({"messages": ["should have at most 100 item(s)"]})
    );
    let zipped = post(&server, ONE, "acme").header("content-encoding", "gzip").body("{}");
    assert_eq!(said(&sent(zipped).await).0, 415);
}

#[tokio::test]
async fn a_payload_may_be_as_long_as_the_tenant_allows_and_no_longer() {
    let server = Server::serve("broadcast-sizes").await;
    let octets = async |tenant: &str, length: usize| {
        sent(post(&server, ONE, tenant).header("content-type", OCTETS).body(vec![0; length])).await
    };
    assert_eq!(octets("acme", 256 * 1024).await.status, 202, "far more than other routes take");
    assert_eq!(octets("tiny", 1024).await.status, 202);
    for (tenant, length) in [("acme", 256 * 1024 + 1), ("acme", 4 * 1024 * 1024), ("tiny", 1025)] {
        let (status, message) = said(&octets(tenant, length).await);
        assert!(status == 413 && message.starts_with("payload_size_exceeded"), "{status} {message}");
    }
    let payload = |length: usize| json!({"topic": "t", "event": "e", "payload": "x".repeat(length - 2)});
    assert_eq!(post_batch(&server, "tiny", &json!([payload(1024), payload(1024)])).await.status, 202);
    let (status, message) = said(&post_batch(&server, "tiny", &json!([payload(9), payload(1025)])).await);
    assert!(status == 413 && message.contains("message 2"), "{status} {message}");
    let whole = json!(vec![payload(256 * 1024); 40]);
    assert_eq!(said(&post_batch(&server, "acme", &whole).await).0, 413, "above 8 MiB");
}

#[tokio::test]
async fn a_tenant_that_says_too_much_is_told_so() {
    let server = Server::serve("broadcast-rate").await;
    let refused = post_batch(&server, "tiny", &json!(vec![message("a"); 6])).await;
    assert_eq!(said(&refused), (429, "Too many messages to broadcast, please reduce the batch size".into()));
    assert_eq!(post_batch(&server, "tiny", &json!(vec![message("a"); 5])).await.status, 202, "that took nothing");
    let refused = post_batch(&server, "tiny", &json!(vec![message("a"); 5])).await;
    assert_eq!(said(&refused), (429, "Too many messages per second".into()));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(post_batch(&server, "acme", &json!(vec![message("a"); 100])).await.status, 202);
}

#[tokio::test]
async fn a_page_of_the_tenant_may_broadcast_with_supabase_s_headers() {
    let server = Server::serve("broadcast-cors").await;
    let wanted = "apikey, authorization, content-type, x-client-info";
    let request = server.request(Method::OPTIONS, ONE).header("origin", "https://app.acme.org");
    let request = request.header("access-control-request-method", "POST");
    let allowed = sent(request.header("access-control-request-headers", wanted)).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-headers")), (204, wanted));
    let refused = post(&server, ONE, "acme").header("origin", "https://app.acme.org").body("{");
    let refused = sent(refused).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, "https://app.acme.org"));
}
