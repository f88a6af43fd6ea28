//! How much a client and a topic may.

use serde_json::json;

use super::{
    presences::{enter, people},
    town::{World, is_ok, nodes, pass, reason, settle},
};

#[tokio::test(start_paused = true)]
async fn a_thousand_are_present_on_a_topic_wherever_they_are_and_no_more() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let mut crowd = Vec::new();
    for at in 0..1_000 {
        let node = if at % 2 == 0 { &a } else { &b };
        let client = node.join("crowd", json!({ "presence": { "enabled": false } })).await.expect("let in");
        assert!(is_ok(&client.track(json!({ "at": at })).await), "{at}");
        crowd.push(client);
    }
    pass(&[&a, &b], 100).await;
    let late = b.join("crowd", json!({ "presence": { "enabled": false } })).await.expect("let in");
    let refused = late.track(json!({})).await;
    assert_eq!(reason(&refused), "PresenceLimitReached: Too many presences on this topic");
    assert!(is_ok(&crowd[0].track(json!({ "at": "elsewhere" })).await), "whoever is there may move");
    assert!(is_ok(&crowd[1].untrack().await));
    settle().await;
    assert!(is_ok(&late.track(json!({})).await), "a place is free");
}

#[tokio::test(start_paused = true)]
async fn ten_presence_messages_a_second_are_taken_from_one_channel() {
    let world = World::new();
    let [a] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&a, "chat", "bob").await);
    for at in 0..10 {
        assert!(is_ok(&ada.track(json!({ "at": at })).await));
    }
    let too_fast = "ClientPresenceRateLimitReached: Client presence rate limit exceeded";
    assert_eq!(reason(&ada.track(json!({ "at": 10 })).await), too_fast);
    assert_eq!(reason(&ada.untrack().await), too_fast);
    assert!(is_ok(&bob.track(json!({})).await), "each channel for itself");
    pass(&[&a], 1_000).await;
    assert!(is_ok(&ada.track(json!({ "at": 11 })).await));
    pass(&[&a], 100).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({ "at": 11 })), ("bob", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_and_changes_nothing() {
    let world = World::new();
    let [a] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&a, "chat", "bob").await);
    let fits = "x".repeat(16 * 1024 - r#"{"x":""}"#.len());
    assert!(is_ok(&ada.track(json!({ "x": fits })).await));
    assert_eq!(reason(&ada.track(json!({ "x": format!("{fits}x") })).await), "payload_size_exceeded");
    pass(&[&a], 100).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({ "x": fits }))]));
    let shout = |bytes: usize| json!({ "type": "broadcast", "event": "shout", "payload": "x".repeat(bytes - 2) });
    ada.push("broadcast", shout(256 * 1024)).await;
    assert_eq!(reason(&ada.push("broadcast", shout(256 * 1024 + 1)).await), "payload_size_exceeded");
    assert_eq!(bob.ear.broadcasts(), ["shout"]);
}

#[tokio::test(start_paused = true)]
async fn what_means_nothing_is_answered_and_the_channel_lives() {
    let world = World::new();
    let [a] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    let track = |payload| json!({ "type": "presence", "event": "track", "payload": payload });
    assert_eq!(reason(&ada.push("presence", track(json!([1]))).await), "Presence track payload must be a map");
    assert_eq!(reason(&ada.push("broadcast", json!({ "event": 7 })).await), "event must be a string");
    let unknown = reason(&ada.push("dance", json!({})).await);
    assert!(["broadcast", "presence", "access_token"].iter().all(|event| unknown.contains(event)), "{unknown}");
    assert!(is_ok(&ada.track(json!({})).await));
}
