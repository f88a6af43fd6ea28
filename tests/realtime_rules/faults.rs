//! Presences through all that may happen to nodes, messages and the store.

use downbeat::relay::Body;
use serde_json::json;

use super::{
    presences::{enter, key, people},
    town::{World, is_ok, nodes, pass, settle},
};

#[tokio::test(start_paused = true)]
async fn a_lost_message_is_made_up_for_as_soon_as_the_next_one_shows_the_gap() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, eve) = (enter(&a, "chat", "ada").await, enter(&a, "chat", "eve").await);
    let bob = enter(&b, "chat", "bob").await;
    eve.track(json!({ "at": 0 })).await;
    pass(&[&a, &b], 1_000).await;
    a.wire.loses_all();
    ada.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.wire.heal();
    assert_eq!(bob.ear.people(), people([("eve", json!({ "at": 0 }))]), "nobody has told b");
    eve.track(json!({ "at": 1 })).await;
    pass(&[&a, &b], 1_500).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({})), ("eve", json!({ "at": 1 }))]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_first_message_shows_with_the_second() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, eve) = (enter(&a, "chat", "ada").await, enter(&a, "chat", "eve").await);
    let bob = enter(&b, "chat", "bob").await;
    a.wire.loses_all();
    ada.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.wire.heal();
    eve.track(json!({})).await;
    pass(&[&a, &b], 1_500).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({})), ("eve", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn lost_messages_show_though_their_node_has_left_the_topic_and_entered_it_again() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let bob = enter(&b, "chat", "bob").await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.wire.loses_all();
    ada.leave();
    pass(&[&a, &b], 150).await;
    let eve = enter(&a, "chat", "eve").await;
    eve.track(json!({ "at": 1 })).await;
    pass(&[&a, &b], 150).await;
    a.wire.heal();
    eve.track(json!({ "at": 2 })).await;
    pass(&[&a, &b], 1_500).await;
    assert_eq!(bob.ear.people(), people([("eve", json!({ "at": 2 }))]));
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_the_relay_reports_is_made_up_for_at_once() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    a.wire.loses_all();
    ada.track(json!({})).await;
    settle().await;
    b.realtime.note_gap(None);
    pass(&[&a, &b], 1_500).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({}))]));
    ada.untrack().await;
    settle().await;
    b.realtime.note_gap(Some(&[downbeat::relay::Topic::Realtime(key("chat"))]));
    pass(&[&a, &b], 1_500).await;
    assert_eq!(bob.ear.people(), people([]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_that_nothing_shows_is_made_up_for_in_time() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, eve) = (enter(&a, "chat", "ada").await, enter(&a, "chat", "eve").await);
    let bob = enter(&b, "chat", "bob").await;
    eve.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.wire.loses_all();
    ada.track(json!({})).await;
    eve.leave();
    pass(&[&a, &b], 35_000).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn a_node_s_death_takes_its_presences_from_all_others_and_from_the_store_within_five_seconds() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let (ada, bob, cleo) =
        (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await, enter(&c, "chat", "cleo").await);
    for client in [&ada, &bob, &cleo] {
        client.track(json!({})).await;
    }
    pass(&[&a, &b, &c], 1_000).await;
    a.die();
    pass(&[&b, &c], 5_000).await;
    let left = people([("bob", json!({})), ("cleo", json!({}))]);
    assert_eq!((bob.ear.people(), cleo.ear.people()), (left.clone(), left));
    assert_eq!(b.stored(&key("chat")).await, 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_enters_a_topic_whose_only_node_has_died_does_not_see_the_dead() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({})).await;
    settle().await;
    a.die();
    pass(&[&b], 5_000).await;
    let bob = enter(&b, "chat", "bob").await;
    settle().await;
    assert_eq!(bob.ear.people(), people([]));
    assert_eq!(b.stored(&key("chat")).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_only_frozen_brings_its_presences_back() {
    let world = World::new();
    let [a, b, c] = nodes(&world).await;
    let (ada, bob, cleo) =
        (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await, enter(&c, "chat", "cleo").await);
    ada.track(json!({})).await;
    bob.track(json!({})).await;
    pass(&[&a, &b, &c], 1_000).await;
    a.freeze();
    pass(&[&a, &b, &c], 6_000).await;
    assert_eq!(cleo.ear.people(), people([("bob", json!({}))]), "buried");
    a.thaw();
    pass(&[&a, &b, &c], 3_000).await;
    let both = people([("ada", json!({})), ("bob", json!({}))]);
    for client in [&ada, &bob, &cleo] {
        assert_eq!(client.ear.people(), both);
    }
    assert_eq!(b.stored(&key("chat")).await, 2);
    assert!(is_ok(&ada.track(json!({ "at": 2 })).await));
    pass(&[&a, &b, &c], 150).await;
    assert_eq!(cleo.ear.people(), people([("ada", json!({ "at": 2 })), ("bob", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_that_missed_its_own_burial_brings_its_presences_back_all_the_same() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    ada.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    b.wire.loses_all();
    a.freeze();
    pass(&[&a, &b], 6_000).await;
    a.thaw();
    b.wire.heal();
    pass(&[&a, &b], 3_000).await;
    let there = people([("ada", json!({}))]);
    assert_eq!((ada.ear.people(), bob.ear.people()), (there.clone(), there));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_were_all_frozen_lose_nobody() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    ada.track(json!({})).await;
    bob.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.freeze();
    b.freeze();
    pass(&[&a, &b], 20_000).await;
    a.thaw();
    pass(&[&a, &b], 500).await;
    b.thaw();
    pass(&[&a, &b], 5_000).await;
    let both = people([("ada", json!({})), ("bob", json!({}))]);
    assert_eq!((ada.ear.people(), bob.ear.people()), (both.clone(), both));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_lost_everything_gets_the_presences_back() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    ada.track(json!({})).await;
    bob.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    world.store.lose_everything();
    pass(&[&a, &b], 5_000).await;
    assert_eq!(a.stored(&key("chat")).await, 2);
    pass(&[&a, &b], 35_000).await;
    let both = people([("ada", json!({})), ("bob", json!({}))]);
    assert_eq!((ada.ear.people(), bob.ear.people()), (both.clone(), both.clone()));
    assert_eq!(enter(&b, "chat", "cleo").await.ear.people(), both);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_tracks_are_answered_and_all_is_known_once_it_is_back() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    let eve = enter(&a, "chat", "eve").await;
    eve.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.link.cut();
    assert!(is_ok(&ada.track(json!({ "at": 1 })).await));
    assert!(is_ok(&ada.track(json!({ "at": 2 })).await));
    assert!(is_ok(&eve.untrack().await));
    pass(&[&a, &b], 5_000).await;
    let now = people([("ada", json!({ "at": 2 }))]);
    assert_eq!(ada.ear.people(), now, "on its own node at once");
    assert_eq!(bob.ear.people(), people([("eve", json!({}))]));
    let late = enter(&a, "chat", "late").await;
    assert_eq!(late.ear.people(), now);
    a.link.mend();
    pass(&[&a, &b], 2_000).await;
    assert_eq!(bob.ear.people(), now);
    assert_eq!(enter(&b, "chat", "new").await.ear.people(), now);
}

#[tokio::test(start_paused = true)]
async fn however_much_the_store_and_the_others_have_to_learn_at_once_they_do() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let bob = enter(&b, "chat", "bob").await;
    pass(&[&a, &b], 1_000).await;
    a.link.cut();
    let mut crowd = Vec::new();
    for at in 0..100 {
        let client = enter(&a, "chat", &format!("{at}")).await;
        assert!(is_ok(&client.track(json!({ "x": "x".repeat(3_500) })).await));
        crowd.push(client);
    }
    pass(&[&a, &b], 1_000).await;
    a.link.mend();
    pass(&[&a, &b], 1_000).await;
    assert_eq!(bob.ear.people().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_minutes_makes_no_ghosts() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    let eve = enter(&a, "chat", "eve").await;
    ada.track(json!({})).await;
    eve.track(json!({})).await;
    pass(&[&a, &b], 1_000).await;
    a.link.cut();
    ada.leave();
    pass(&[&a, &b], 90_000).await;
    a.link.mend();
    pass(&[&a, &b], 3_000).await;
    assert_eq!(bob.ear.people(), people([("eve", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn who_joined_while_the_store_was_away_sees_the_others_once_it_is_back() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = enter(&a, "chat", "ada").await;
    ada.track(json!({})).await;
    settle().await;
    b.link.cut();
    let bob = enter(&b, "chat", "bob").await;
    assert_eq!(bob.ear.people(), people([]));
    b.link.mend();
    pass(&[&a, &b], 2_000).await;
    assert_eq!(bob.ear.people(), people([("ada", json!({}))]));
}

#[tokio::test(start_paused = true)]
async fn messages_that_overtake_each_other_end_in_the_truth() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (enter(&a, "chat", "ada").await, enter(&b, "chat", "bob").await);
    // Each message is faster than the one before.
    let mut ms = 2_000;
    a.wire.rule(move |body| {
        if matches!(body, Body::Presences(_)) {
            ms -= 400;
        }
        Some(ms)
    });
    for at in 1..=3 {
        ada.track(json!({ "at": at })).await;
        pass(&[&a, &b], 100).await;
    }
    ada.untrack().await;
    pass(&[&a, &b], 5_000).await;
    assert_eq!(bob.ear.people(), people([]));
}
