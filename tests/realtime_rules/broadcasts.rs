//! What is said: heard by everybody once, and by nobody else.

use serde_json::json;

use super::town::{World, is_ok, nodes, pass, peer, settle};

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_heard_once_by_everybody_on_all_nodes_but_its_sender() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let sender = a.join("chat", json!({})).await.expect("let in");
    let itself = a.join("chat", json!({ "broadcast": { "self": true, "ack": true } })).await.expect("let in");
    let mut others = Vec::new();
    for node in [&a, &b, &b, &c] {
        others.push(node.join("chat", json!({})).await.expect("let in"));
    }
    sender.say("one").await;
    assert!(is_ok(&itself.say("two").await));
    pass(&[&a, &b, &c], 1_000).await;
    assert_eq!(sender.ear.broadcasts(), ["two"], "not its own");
    assert_eq!(itself.ear.broadcasts(), ["one", "two"], "its own, because it asked for that");
    for other in &others {
        assert_eq!(other.ear.broadcasts(), ["one", "two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_script_posts_on_any_node_is_heard_on_all() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let on_a = a.join("chat", json!({})).await.expect("let in");
    let on_b = b.join("chat", json!({})).await.expect("let in");
    c.post("chat", false, "from a node where nobody is").await.expect("sent");
    settle().await;
    a.post("chat", false, "from a node where somebody is").await.expect("sent");
    settle().await;
    for client in [&on_a, &on_b] {
        let heard = client.ear.broadcasts();
        assert_eq!(heard, ["from a node where nobody is", "from a node where somebody is"]);
    }
}

#[tokio::test(start_paused = true)]
async fn topics_of_one_name_never_meet_public_and_private_and_of_two_tenants() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let mut sides = Vec::new();
    for (tenant, private) in [("acme", false), ("acme", true), ("other", false), ("other", true)] {
        let config = json!({ "private": private, "presence": { "key": format!("{tenant} {private}") } });
        let speaker = a.joining_as(peer(tenant), "shared", config.clone()).await.expect("let in");
        let hearers = [
            a.joining_as(peer(tenant), "shared", config.clone()).await.expect("let in"),
            b.joining_as(peer(tenant), "shared", config).await.expect("let in"),
        ];
        sides.push((format!("{tenant} {private}"), speaker, hearers));
    }
    for (name, speaker, _) in &sides {
        assert!(is_ok(&speaker.track(json!({})).await));
        speaker.say(name).await;
    }
    pass(&[&a, &b], 1_000).await;
    for (name, _, hearers) in &sides {
        for hearer in hearers {
            let there: Vec<String> = hearer.ear.people().into_iter().map(|(key, _)| key).collect();
            assert_eq!(there, [name.as_str()]);
            assert_eq!(hearer.ear.broadcasts(), [name.as_str()]);
        }
    }
}
