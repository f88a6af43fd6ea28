//! What classes notice of what the operator does, over their sockets.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    node::{Folder, Node, ONE, TWO, sent, student, teacher},
    pupil::{Ended, Pupil, refused},
};

fn words(ended: &Ended, event: &str) -> Value {
    let found = ended.events.iter().find(|(name, _)| name == event);
    found.unwrap_or_else(|| panic!("no {event} in {ended:?}")).1.clone()
}

#[tokio::test]
async fn a_suspended_class_is_told_why_goes_and_comes_back_when_it_ends() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let class = [Pupil::join(&node, &teacher(ONE), &code).await, Pupil::join(&node, &student(ONE), &code).await];
    node.patch_acme(&json!({"suspended": true})).await;
    for pupil in class {
        let ended = pupil.ended().await;
        assert_eq!(ended.code, 1001);
        let told = words(&ended, "system");
        assert_eq!((&told["status"], &told["extension"]), (&json!("error"), &json!("system")));
        assert_eq!(told["message"], "tenant_suspended: tenant `acme` is suspended");
        assert_eq!(words(&ended, "phx_error"), json!({"reason": "tenant_suspended"}));
    }
    let (status, body) = refused(&node, &student(ONE)).await;
    assert_eq!((status, body.contains("TenantSuspended: tenant `acme` is suspended")), (403, true), "{body}");
    assert_eq!(node.rooms(&teacher(ONE)).await.failure(), (403, "tenant_suspended".into(), None));
    node.patch_acme(&json!({"suspended": false})).await;
    Pupil::join(&node, &student(ONE), &code).await;
}

#[tokio::test]
async fn a_disconnected_class_may_come_back_at_once() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let pupil = Pupil::join(&node, &student(ONE), &code).await;
    let answer = node.operate(Method::POST, "/acme/disconnect", &Value::Null).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"disconnected": 1, "pending_nodes": []})));
    assert_eq!(pupil.ended().await.code, 1001);
    Pupil::join(&node, &student(ONE), &code).await;
    assert_eq!(node.operate(Method::POST, "/zeta/disconnect", &Value::Null).await.failure().0, 404);
}

#[tokio::test]
async fn a_deleted_class_goes_for_good() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let pupil = Pupil::join(&node, &student(ONE), &code).await;
    assert_eq!(node.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204);
    let ended = pupil.ended().await;
    assert_eq!((ended.code, words(&ended, "phx_close")), (1001, json!({})));
    let (status, body) = refused(&node, &student(ONE)).await;
    assert_eq!((status, body.contains("TenantUnknown")), (404, true), "{body}");
}

#[tokio::test]
async fn limits_count_for_connected_sockets_from_the_next_message_on() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let mut pupil = Pupil::join(&node, &student(ONE), &code).await;
    let note = json!({"midi": 60, "padding": "x".repeat(2_000)});
    assert_eq!(pupil.ask("play_note", note.clone()).await["status"], "ok");

    node.patch_acme(&json!({"limits": {"max_payload_bytes": 1024}})).await;
    pupil.until("play_note", &note, |reply| reply["response"]["reason"] == "payload_too_large").await;
    node.patch_acme(&json!({"limits": {"max_payload_bytes": null, "notes_per_second": 1}})).await;
    pupil.until("play_note", &json!({"midi": 60}), |reply| reply["response"]["reason"] == "rate_limit_exceeded").await;

    node.patch_acme(&json!({"limits": {"max_channels_per_client": 1}})).await;
    let joined = pupil.ask_of("realtime:other", "phx_join", json!({})).await;
    assert_eq!(joined["response"]["reason"], "ChannelRateLimitReached: Too many channels", "{joined}");
    node.patch_acme(&json!({"limits": {"max_channels_per_client": null}})).await;
    let joined = pupil.ask_of("realtime:other", "phx_join", json!({})).await;
    assert_eq!(joined["status"], "ok", "{joined}");

    node.patch_acme(&json!({"limits": {"max_concurrent_users": 1}})).await;
    let (status, body) = refused(&node, &student(ONE)).await;
    assert_eq!((status, body.contains("Too many connected users")), (429, true), "{body}");
}

#[tokio::test]
async fn a_socket_of_a_revoked_secret_joins_nothing_more_until_it_shows_a_token_of_the_new_one() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let mut pupil = Pupil::join(&node, &student(ONE), &code).await;

    node.patch_acme(&json!({"jwt_secret": TWO})).await;
    assert_eq!(pupil.ask_of("realtime:a", "phx_join", json!({})).await["status"], "ok", "both are good");
    node.patch_acme(&json!({"previous_jwt_secret": null})).await;
    let refused = pupil.ask_of("realtime:b", "phx_join", json!({})).await;
    let reason = refused["response"]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("TokenSignatureInvalid: "), "{refused}");
    let refused = pupil.ask("access_token", json!({"access_token": student(ONE)})).await;
    assert_eq!(refused["status"], "error", "{refused}");
    let renewed = pupil.ask("access_token", json!({"access_token": student(TWO)})).await;
    assert_eq!(renewed["status"], "ok", "{renewed}");
    assert_eq!(pupil.ask_of("realtime:b", "phx_join", json!({})).await["status"], "ok");
}

#[tokio::test]
async fn a_suspended_tenants_long_polls_end_too() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    let poll = async |query: String| {
        sent(node.request(Method::GET, &format!("/socket/longpoll?vsn=2.0.0&token={query}"))).await.json()
    };
    let opened = poll(student(ONE)).await;
    assert_eq!(opened["status"], 410, "{opened}");
    let session = opened["token"].as_str().expect("a session").to_owned();
    node.patch_acme(&json!({"suspended": true})).await;
    assert_eq!(poll(session).await["status"], 410, "it is gone");
    assert_eq!(poll(student(ONE)).await["status"], 403);
}
