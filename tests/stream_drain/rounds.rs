//! Who looks when.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use downbeat::store::RedisStore;

use super::{
    keeper::{Kept, Node, add_events, ids, node},
    support::{one, until_ok, waits},
};

const MS: i64 = 1_000;

/// Whether a round after this much more time asks Redis for events.
async fn looks(node: &Node, store: &RedisStore, after_ms: i64) -> bool {
    node.clock.advance(after_ms * MS);
    let before = store.commands_sent();
    node.drain.round().await;
    store.commands_sent() > before
}

#[tokio::test]
async fn a_preferred_node_looks_often_while_events_come_and_less_often_while_none_do() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "");
    add_events(&store, "acme", 0..10, 5).await;
    add_events(&store, "other", 10..20, 5).await;
    assert_eq!(a.drain.round().await, 20);
    for pause_ms in [500, 1_000, 2_000, 2_000] {
        assert!(!looks(&a, &store, pause_ms - 1).await, "{pause_ms}");
        assert!(looks(&a, &store, 1).await, "{pause_ms}");
    }
    add_events(&store, "acme", 20..30, 5).await;
    a.clock.advance(2_000 * MS);
    assert_eq!(a.drain.round().await, 10);
    assert!(looks(&a, &store, 500).await, "where something came more may come soon");
    assert_eq!(kept.of("acme").len() + kept.of("other").len(), 30);
}

#[tokio::test]
async fn the_other_nodes_look_every_five_seconds() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let b = node(&store, &kept, "b", "nobody's");
    assert!(looks(&b, &store, 0).await);
    add_events(&store, "acme", 0..10, 5).await;
    assert!(!looks(&b, &store, 4_999).await);
    assert!(looks(&b, &store, 1).await);
    assert_eq!(kept.of("acme"), ids(0..10), "the preferred one was stuck");
    assert!(!looks(&b, &store, 4_999).await);
}

#[tokio::test]
async fn a_database_that_is_down_is_asked_less_and_less_and_then_every_five_seconds() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "acme");
    add_events(&store, "acme", 0..10, 5).await;
    kept.refusals.store(8, Ordering::SeqCst);
    let offered = || kept.offered.lock().len();
    a.drain.round().await;
    for (tries, pause_ms) in [500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000].into_iter().enumerate() {
        a.clock.advance((pause_ms - 1) * MS);
        a.drain.round().await;
        assert_eq!(offered(), tries + 1);
        a.clock.advance(MS);
        a.drain.round().await;
        assert_eq!(offered(), tries + 2);
    }
    a.clock.advance(5_000 * MS);
    assert_eq!(a.drain.round().await, 10);
    assert_eq!(kept.of("acme"), ids(0..10));
}

#[tokio::test]
async fn it_is_told_how_much_waits_and_for_how_long() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "acme");
    add_events(&store, "acme", 0..10, 5).await;
    add_events(&store, "other", 0..7, 7).await;
    kept.refusals.store(i64::MAX, Ordering::SeqCst);
    until_ok(async || {
        a.clock.advance(5_000 * MS);
        a.drain.round().await;
        match a.metrics.participation_oldest_waiting_seconds.get() {
            0.0 => Err(()),
            _ => Ok(()),
        }
    })
    .await;
    assert_eq!(a.metrics.participation_waiting.get(), 10, "the other tenant's are another node's to tell");
    kept.refusals.store(0, Ordering::SeqCst);
    a.clock.advance(5_000 * MS);
    a.drain.round().await;
    assert_eq!(a.metrics.participation_waiting.get(), 0);
    assert!(a.metrics.participation_oldest_waiting_seconds.get() <= 0.0);
}

#[tokio::test]
async fn a_node_that_ends_brings_what_is_its_own_first() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "acme");
    add_events(&store, "acme", 0..5_000, 10).await;
    add_events(&store, "other", 0..10, 5).await;
    assert!(a.drain.last_round(Duration::from_secs(60)).await);
    assert_eq!((kept.of("acme"), kept.of("other").len()), (ids(0..5_000), 0));
    kept.refusals.store(1, Ordering::SeqCst);
    assert!(a.drain.drain_once("other").await.is_err());
    assert!(a.drain.last_round(Duration::from_secs(60)).await);
    assert_eq!(kept.of("other"), ids(0..10), "and what it has in hands, whoever's it is");
    add_events(&store, "acme", 5_000..5_010, 5).await;
    kept.refusals.store(i64::MAX, Ordering::SeqCst);
    assert!(!a.drain.last_round(Duration::from_secs(60)).await);
    assert_eq!(waits(&store, "acme").await, (10, 2), "another node's, then");
    kept.gate.forget_permits(kept.gate.available_permits());
    assert!(!a.drain.last_round(Duration::from_millis(50)).await, "it does not wait for long");
}

#[tokio::test]
async fn two_nodes_at_work_bring_every_event() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let nodes = [node(&store, &kept, "a", "acme"), node(&store, &kept, "b", "other")];
    let running: Vec<_> = nodes.iter().map(|node| node.drain.clone()).collect();
    let running: Vec<_> = running.into_iter().map(|drain| tokio::spawn(async move { drain.run().await })).collect();
    add_events(&store, "acme", 0..500, 5).await;
    add_events(&store, "other", 500..900, 5).await;
    until_ok(async || {
        nodes.iter().for_each(|node| node.clock.advance(250 * MS));
        if kept.of("acme").len() + kept.of("other").len() == 900 { Ok(()) } else { Err(()) }
    })
    .await;
    assert_eq!((kept.of("acme"), kept.of("other")), (ids(0..500), ids(500..900)));
    running.iter().for_each(tokio::task::JoinHandle::abort);
}
