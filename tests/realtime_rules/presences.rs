//! Who is there: seen whole and alike from every node.

use serde_json::{Value, json};

use super::town::{Node, People, World, is_ok, nodes, pass, settle};

pub fn people<const N: usize>(people: [(&str, Value); N]) -> People {
    let mut people: People = people.into_iter().map(|(key, meta)| (key.to_owned(), meta)).collect();
    people.sort_by_key(|(key, meta)| (key.clone(), meta.to_string()));
    people
}

/// Somebody whose presence is shown under this name.
pub async fn enter(node: &Node, topic: &str, key: &str) -> super::town::Client {
    node.join(topic, json!({ "presence": { "key": key } })).await.expect("let in")
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_on_any_node_sees_everybody_whole_wherever_they_are() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    assert!(is_ok(&ada.track(json!({ "at": 1 })).await) && is_ok(&bob.track(json!({ "at": 2 })).await));
    pass(&[&a, &b, &c], 100).await;
    let there = people([("ada", json!({ "at": 1 })), ("bob", json!({ "at": 2 }))]);
    let cleo = enter(&c, "chat", "cleo").await;
    assert_eq!(cleo.ear.people(), there);
    let again = enter(&a, "chat", "ada").await;
    assert_eq!(again.ear.people(), there);
    pass(&[&a, &b, &c], 100).await;
    for client in [&ada, &bob, &cleo, &again] {
        assert_eq!(client.ear.people(), there);
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_diff_is_about_to_go_out_a_newcomer_is_told_the_state_after_it_and_of_nobody_twice() {
    let world = World::new();
    let [a] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({ "at": 1 })).await;
    let bob = enter(&a, "chat", "bob").await;
    assert_eq!(bob.ear.people(), []);
    pass(&[&a], 100).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({ "at": 1 }))]));
    assert!(bob.ear.diffs().is_empty(), "the state has said it");
    assert_eq!(ada.ear.diffs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tracks_changes_untracks_and_leaves_reach_all_nodes_each_in_one_diff() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    let watchers = [enter(&a, "chat", "x").await, enter(&b, "chat", "y").await, enter(&c, "chat", "z").await];
    let news = async || {
        pass(&[&a, &b, &c], 150).await;
        let diffs: Vec<_> = watchers.iter().map(|watcher| watcher.ear.diffs()).collect();
        assert!(diffs.iter().all(|diff| *diff == diffs[0]), "alike on every node: {diffs:?}");
        assert_eq!(diffs[0].len(), 1, "{diffs:?}");
        (diffs[0][0]["joins"]["ada"]["metas"][0].clone(), diffs[0][0]["leaves"]["ada"]["metas"][0].clone())
    };
    watchers.iter().for_each(|watcher| drop(watcher.ear.take()));
    ada.track(json!({ "at": 1 })).await;
    let (first, gone) = news().await;
    assert_eq!((&first["at"], &first["phx_ref_prev"], &gone), (&json!(1), &Value::Null, &Value::Null));
    ada.track(json!({ "at": 2 })).await;
    let (second, gone) = news().await;
    assert_eq!((&second["at"], &second["phx_ref_prev"], &gone), (&json!(2), &first["phx_ref"], &first));
    assert_ne!(second["phx_ref"], first["phx_ref"]);
    assert!(is_ok(&ada.untrack().await));
    assert_eq!(news().await, (Value::Null, second));
    ada.track(json!({ "at": 3 })).await;
    let (third, _) = news().await;
    assert_eq!(third["phx_ref_prev"], Value::Null, "nobody knows what it would replace");
    ada.leave();
    assert_eq!(news().await, (Value::Null, third));
    assert_eq!(a.stored(&key("chat")).await, 0);
}

#[tokio::test(start_paused = true)]
async fn changes_in_quick_succession_are_one_diff_that_every_client_understands() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    ada.track(json!({ "at": 0 })).await;
    pass(&[&a, &b], 150).await;
    bob.ear.take();
    for at in 1..=5 {
        ada.track(json!({ "at": at })).await;
    }
    pass(&[&a, &b], 150).await;
    assert_eq!(bob.ear.diffs().len(), 1);
    assert_eq!(bob.ear.people(), people([("ada", json!({ "at": 5 }))]));
}

#[tokio::test(start_paused = true)]
async fn whoever_tracks_sees_who_is_there_though_it_had_not_asked_for_that() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({})).await;
    let shy = json!({ "presence": { "key": "bob", "enabled": false } });
    let (bob, mute) = (b.join("chat", shy.clone()).await.expect("let in"), b.join("chat", shy).await.expect("let in"));
    pass(&[&a, &b], 150).await;
    assert_eq!(bob.ear.take(), []);
    bob.track(json!({})).await;
    pass(&[&a, &b], 150).await;
    let both = people([("ada", json!({})), ("bob", json!({}))]);
    assert_eq!((bob.ear.people(), ada.ear.people()), (both.clone(), both));
    assert_eq!(mute.ear.take(), []);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_left_and_entered_again_shows_no_ghosts() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({ "life": 1 })).await;
    settle().await;
    // The goodbye is still on its way to the store when somebody enters the same topic here.
    let held = a.link.hold_calls();
    ada.leave();
    settle().await;
    let second = {
        let (joining, letting_go) = (enter(&a, "chat", "ada"), async {
            settle().await;
            drop(held);
        });
        tokio::join!(joining, letting_go).0
    };
    assert_eq!(second.ear.people(), people([]));
    second.track(json!({ "life": 2 })).await;
    pass(&[&a, &b], 1_000).await;
    let bob = enter(&b, "chat", "bob").await;
    let there = people([("ada", json!({ "life": 2 }))]);
    assert_eq!((bob.ear.people(), second.ear.people()), (there.clone(), there));
    assert_eq!(a.stored(&key("chat")).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_enters_a_topic_anew_is_heard_by_those_who_knew_it_before() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let bob = enter(&b, "chat", "bob").await;
    for life in 0..5 {
        let ada = enter(&a, "chat", "ada").await;
        ada.track(json!({ "life": life })).await;
        pass(&[&a, &b], 150).await;
        assert_eq!(bob.ear.people(), people([("ada", json!({ "life": life }))]));
        ada.leave();
        pass(&[&a, &b], 150).await;
        assert_eq!(bob.ear.people(), people([]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_leaves_while_its_track_is_under_way_does_not_come_back() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let bob = enter(&b, "chat", "bob").await;
    // It has not asked for presence, so its track has to read the store first.
    let ada = a.join("chat", json!({ "presence": { "key": "ada", "enabled": false } })).await.expect("let in");
    let held = a.link.hold_answers();
    let tracking = ada.begin_track(json!({}));
    settle().await;
    assert!(!tracking.is_finished(), "the track waits for the store");
    ada.leave();
    drop(held);
    tracking.await.expect("answered");
    pass(&[&a, &b], 2_000).await;
    assert_eq!(bob.ear.people(), people([]));
    assert_eq!(enter(&a, "chat", "cleo").await.ear.people(), people([]));
    assert_eq!(a.stored(&key("chat")).await, 0);
}

pub fn key(name: &str) -> downbeat::protocol::TopicKey {
    downbeat::protocol::TopicKey { tenant: "acme".into(), name: name.into(), private: false }
}
