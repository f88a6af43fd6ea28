//! What was said on a private topic, told again to newcomers, and what ack means.

use serde_json::{Value, json};

use super::town::{Client, Heard, Node, World, is_ok, nodes, pass, settle};

const TOPIC: &str = "shared:log";

fn private(broadcast: Value) -> Value {
    json!({ "private": true, "broadcast": broadcast })
}

async fn speaker(node: &Node) -> Client {
    node.join(TOPIC, private(json!({ "ack": true }))).await.expect("let in")
}

async fn newcomer(node: &Node, limit: u32) -> Client {
    node.join(TOPIC, private(json!({ "replay": { "since": 0, "limit": limit } }))).await.expect("let in")
}

/// What was heard: the replayed ones, then the others.
fn told(client: &Client) -> (Vec<String>, Vec<String>) {
    let (mut again, mut live) = (Vec::new(), Vec::new());
    for heard in client.ear.take() {
        if let Heard::Broadcast { event, id, replayed } = heard {
            assert!(id.is_some(), "a private broadcast has an id");
            assert!(!replayed || live.is_empty(), "what was missed comes first");
            if replayed { again.push(event) } else { live.push(event) }
        }
    }
    (again, live)
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_on_any_node_is_told_the_last_broadcasts_in_order() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = speaker(&a).await;
    for at in 0..30 {
        assert!(is_ok(&ada.say(&at.to_string()).await));
        pass(&[&a, &b], 50).await;
    }
    let names = |from: usize| (from..30).map(|at| at.to_string()).collect::<Vec<_>>();
    assert_eq!(told(&newcomer(&b, 25).await).0, names(5));
    assert_eq!(told(&newcomer(&a, 3).await).0, names(27));
    let plain = b.join(TOPIC, private(json!({}))).await.expect("let in");
    assert_eq!(told(&plain), (vec![], vec![]));
}

/// Broadcasts come from both nodes before, while and after the newcomer's read is under way; none is missing, and none
/// comes twice, whether the store answers late or is asked late.
#[tokio::test(start_paused = true)]
async fn what_is_said_while_a_newcomer_reads_the_store_is_told_once() {
    for is_asked_late in [false, true] {
        let world = World::new();
        let [a, b] = nodes(&world).await;
        let (ada, bob) = (speaker(&a).await, speaker(&b).await);
        ada.say("a before").await;
        pass(&[&a, &b], 100).await;
        bob.say("b before").await;
        pass(&[&a, &b], 100).await;
        let held = if is_asked_late { b.link.hold_calls() } else { b.link.hold_answers() };
        let during = async {
            settle().await;
            // b's own broadcasts wait for the same store.
            let kept = bob.begin_say("b while");
            pass(&[&a, &b], 100).await;
            ada.say("a while").await;
            pass(&[&a, &b], 100).await;
            drop(held);
            assert!(is_ok(&kept.await.expect("answered")));
        };
        let (new, ()) = tokio::join!(newcomer(&b, 25), during);
        ada.say("a after").await;
        bob.say("b after").await;
        settle().await;
        let (again, live) = told(&new);
        let all: Vec<String> = again.into_iter().chain(live).collect();
        assert_eq!(all, ["a before", "b before", "b while", "a while", "a after", "b after"], "{is_asked_late}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_store_before_it_comes_from_its_node_is_heard_once_by_everybody() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, bob) = (speaker(&a).await, speaker(&b).await);
    pass(&[&a, &b], 100).await;
    let mut ms = 0;
    a.wire.rule(move |_| {
        ms += 300;
        Some(ms)
    });
    for name in ["1", "2"] {
        assert!(is_ok(&ada.say(name).await));
        pass(&[&a, &b], 100).await;
    }
    let new = newcomer(&b, 25).await;
    assert_eq!(told(&new), (vec!["1".into(), "2".into()], vec![]));
    let late = newcomer(&b, 1).await;
    assert_eq!(told(&late), (vec!["2".into()], vec![]));
    pass(&[&a, &b], 1_000).await;
    assert_eq!(told(&new), (vec![], vec![]), "not once more when it comes");
    assert_eq!(told(&late), (vec![], vec!["1".into()]), "of the first it has not been told");
    assert_eq!(told(&bob).1, ["1", "2"]);
    a.wire.heal();
    ada.say("3").await;
    pass(&[&a, &b], 100).await;
    for client in [&new, &late, &bob] {
        assert_eq!(told(client).1, ["3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_node_entered_or_long_ago_is_told_to_newcomers_alone() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = speaker(&a).await;
    ada.say("before").await;
    pass(&[&a, &b], 100).await;
    let bob = speaker(&b).await;
    let new = newcomer(&b, 25).await;
    assert_eq!((told(&new).0, told(&bob)), (vec!["before".to_owned()], (vec![], vec![])));
    // More than either keeps, and in another order than the store has them.
    for at in 0..40_i64 {
        a.wire.rule(move |_| Some(1 + (at % 3) * 60));
        ada.say(&at.to_string()).await;
        pass(&[&a, &b], 50).await;
    }
    pass(&[&a, &b], 1_000).await;
    let (heard, more) = (told(&bob).1.len(), newcomer(&b, 25).await);
    assert_eq!((heard, told(&more).0.len()), (40, 25));
    assert_eq!(told(&bob), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn ack_and_the_other_nodes_wait_for_the_store_and_who_is_here_does_not() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let (ada, eve, bob) = (speaker(&a).await, speaker(&a).await, speaker(&b).await);
    let held = a.link.hold_calls();
    let acked = ada.begin_say("slow");
    settle().await;
    assert_eq!((told(&eve).1, told(&bob).1), (vec!["slow".to_owned()], vec![]));
    assert!(!acked.is_finished(), "it is not kept yet");
    drop(held);
    assert!(is_ok(&acked.await.expect("answered")));
    settle().await;
    assert_eq!(told(&bob).1, ["slow"]);
    a.link.cut();
    let refused = ada.say("lost").await;
    assert!(!is_ok(&refused), "{refused:?}");
    assert_eq!(told(&bob).1, ["lost"], "heard nevertheless");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_the_store_has_not_yet_is_no_hole_in_what_a_newcomer_hears() {
    let world = World::new();
    let [a, b] = nodes(&world).await;
    let ada = speaker(&a).await;
    ada.say("1").await;
    pass(&[&a, &b], 100).await;
    let held = a.link.hold_calls();
    let kept = ada.begin_say("2");
    pass(&[&a, &b], 100).await;
    let new = newcomer(&b, 25).await;
    drop(held);
    assert!(is_ok(&kept.await.expect("answered")));
    pass(&[&a, &b], 100).await;
    ada.say("3").await;
    settle().await;
    let (again, live) = told(&new);
    let all: Vec<String> = again.into_iter().chain(live).collect();
    assert_eq!(all, ["1", "2", "3"]);
}
