//! Whatever fails, the events that were added are the events that arrive.

use std::sync::{Arc, atomic::Ordering};

use downbeat::{
    participation::{DrainError, InsertFailed},
    store::EventStream,
};

use super::{
    keeper::{Kept, add_events, event, ids, node},
    redis_support::RedisServer,
    support::{MANY, connect, one, until_ok, waits},
};

/// As if it were handed out long ago.
fn age(server: &RedisServer, tenant: &str, consumer: &str) {
    let stream = format!("sel:{{{tenant}}}");
    let pending = server.command(&["XPENDING", &stream, "database", "-", "+", "1000", consumer]);
    let ids = pending.lines().filter(|line| line.contains('-'));
    for id in ids {
        server.command(&["XCLAIM", &stream, "database", consumer, "0", id, "IDLE", "11000", "JUSTID"]);
    }
}

#[tokio::test]
async fn a_database_that_fails_now_and_then_has_every_event_in_the_end() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let (a, b) = (node(&store, &kept, "a", ""), node(&store, &kept, "b", ""));
    kept.refuses_every.store(3, Ordering::SeqCst);
    let adding = async {
        add_events(&store, "acme", 0..9_000, 45).await;
        add_events(&store, "other", 9_000..9_500, 7).await;
    };
    let draining = async {
        for _ in 0..10 {
            for tenant in ["acme", "other"] {
                let _both = tokio::join!(a.drain.drain_once(tenant), b.drain.drain_once(tenant));
            }
        }
    };
    tokio::join!(adding, draining);
    until_ok(async || {
        for tenant in ["acme", "other"] {
            let _both = tokio::join!(a.drain.drain_once(tenant), b.drain.drain_once(tenant));
        }
        match (waits(&store, "acme").await.0, waits(&store, "other").await.0) {
            (0, 0) => Ok(()),
            left => Err(left),
        }
    })
    .await;
    assert_eq!(kept.of("acme"), ids(0..9_000));
    assert_eq!(kept.of("other"), ids(9_000..9_500), "nothing is mixed up");
    let failures = [&a, &b].map(|node| node.metrics.participation_drain_failures.get());
    assert!(failures.iter().sum::<u64>() > 0, "the database did fail, whoever asked it");
    let stored = [&a, &b].map(|node| node.metrics.participation_stored.get());
    assert_eq!(stored.iter().sum::<u64>(), 9_500, "each was settled by one node");
}

#[tokio::test]
async fn what_the_database_refuses_stays_in_hands_and_no_more_is_taken() {
    let (server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "");
    add_events(&store, "acme", 0..600, 1).await;
    kept.refusals.store(5, Ordering::SeqCst);
    for _ in 0..5 {
        let failed = a.drain.drain_once("acme").await;
        assert!(matches!(failed, Err(DrainError::Insert(InsertFailed::Unavailable(_)))), "{failed:?}");
        assert_eq!(server.command(&["XPENDING", "sel:{acme}", "database"]).lines().next(), Some("128"));
        assert_eq!(waits(&store, "acme").await, (600, 600), "nothing is settled");
    }
    for settled in [128, 128, 128, 128, 88, 0] {
        assert_eq!(a.drain.drain_once("acme").await, Ok(settled));
    }
    assert_eq!(kept.of("acme"), ids(0..600));
}

#[tokio::test]
async fn a_node_that_dies_between_insert_and_settlement_leaves_its_entries_to_another() {
    let (server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    add_events(&store, "acme", 0..50, 5).await;
    {
        let dying = node(&store, &kept, "dying", "");
        // Inserted, but Redis does not answer when it comes to settle: and then the node is gone.
        kept.gate.forget_permits(kept.gate.available_permits());
        let drain = dying.drain.clone();
        let under_way = tokio::spawn(async move { drain.drain_once("acme").await });
        until_ok(async || {
            let taken = server.command(&["XPENDING", "sel:{acme}", "database"]);
            if taken.starts_with("10") { Ok(()) } else { Err(taken) }
        })
        .await;
        under_way.abort();
        assert!(under_way.await.is_err());
        kept.gate.add_permits(100);
    }
    let next = node(&store, &kept, "next", "");
    assert_eq!(next.drain.drain_once("acme").await, Ok(0), "it may be at work yet");
    age(&server, "acme", "dying");
    assert_eq!(next.drain.drain_once("acme").await, Ok(0), "others' entries are looked for now and then");
    next.clock.advance(5_000_000);
    assert_eq!(next.drain.drain_once("acme").await, Ok(50));
    assert_eq!(kept.of("acme"), ids(0..50));
    assert_eq!(waits(&store, "acme").await, (0, 0));
}

#[tokio::test]
async fn entries_that_cannot_be_settled_are_inserted_again_and_kept_once() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = Arc::new(connect(&server.url()).await);
    let kept = Kept::new();
    let a = node(&store, &kept, "a", "");
    add_events(&store, "acme", 0..50, 5).await;
    kept.gate.forget_permits(kept.gate.available_permits());
    let drain = a.drain.clone();
    let under_way = tokio::spawn(async move { drain.drain_once("acme").await });
    until_ok(async || {
        let taken = server.command(&["XPENDING", "sel:{acme}", "database"]);
        if taken.starts_with("10") { Ok(()) } else { Err(taken) }
    })
    .await;
    server.kill();
    kept.gate.add_permits(100);
    let failed = under_way.await.expect("it does not panic");
    assert!(matches!(failed, Err(DrainError::Stream(_))), "{failed:?}");
    assert_eq!(kept.of("acme"), ids(0..50), "they are there, but Redis does not know");
    server.restart();
    assert_eq!(until_ok(async || a.drain.drain_once("acme").await).await, 50);
    assert_eq!((kept.of("acme"), waits(&store, "acme").await), (ids(0..50), (0, 0)));
    assert_eq!(kept.offered.lock().len(), 2);
}

#[tokio::test]
async fn what_is_in_hands_outlives_a_redis_that_loses_everything() {
    let mut server = RedisServer::start();
    let store = Arc::new(connect(&server.url()).await);
    let kept = Kept::new();
    let a = node(&store, &kept, "a", "");
    add_events(&store, "acme", 0..50, 5).await;
    kept.refusals.store(1, Ordering::SeqCst);
    a.drain.drain_once("acme").await.unwrap_err();
    server.restart();
    until_ok(async || a.drain.drain_once("acme").await).await;
    assert_eq!(kept.of("acme"), ids(0..50));
    add_events(&store, "acme", 50..60, 5).await;
    assert_eq!(a.drain.drain_once("acme").await, Ok(10));
    assert_eq!(kept.of("acme"), ids(0..60));
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_holds_nothing_up() {
    let (server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "");
    let one = |number| serde_json::to_string(&event(number)).expect("plain data");
    store.add_events("acme", &format!("[{},{}", one(0), one(1)), 2, MANY).await.unwrap();
    store.add_events("acme", &format!(r#"[{},{{"id":"?"}}]"#, one(2)), 2, MANY).await.unwrap();
    let later = one(3).replace(r#""run""#, r#""mood":{"of":"a later release"},"run""#);
    store.add_events("acme", &format!("[{later}]"), 1, MANY).await.unwrap();
    server.command(&["XADD", "sel:{acme}", "*", "something", "else"]);
    assert_eq!(a.drain.drain_once("acme").await, Ok(6));
    assert_eq!(kept.of("acme"), ids(2..4), "one spoils no other, and what is new is ignored");
    assert_eq!(waits(&store, "acme").await, (0, 0));
    let told = a.metrics.exposition();
    assert!(told.contains(r#"downbeat_participation_recorded_total{kind="unreadable"} 4"#), "{told}");
}

#[tokio::test]
async fn no_batch_is_larger_than_two_thousand_events() {
    let (_server, store) = one().await;
    let (store, kept) = (Arc::new(store), Kept::new());
    let a = node(&store, &kept, "a", "");
    add_events(&store, "acme", 0..3_000, 300).await;
    add_events(&store, "acme", 3_000..7_500, 4_500).await;
    until_ok(async || {
        if a.drain.drain_once("acme").await? == 0 {
            Ok(())
        } else {
            Err(DrainError::from(InsertFailed::Unavailable("more".into())))
        }
    })
    .await;
    assert_eq!(*kept.offered.lock(), [1_800, 1_200, 2_000, 2_000, 500]);
    assert_eq!(kept.of("acme"), ids(0..7_500));
}
