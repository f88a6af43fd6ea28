//! One server that dies, stands still, or cuts a connection.

use std::time::{Duration, Instant};

use downbeat::relay::{NotPublished, Relay, SubscribeError};

use crate::{
    node::{Heard, Node, room},
    redis_support::RedisServer,
};

#[tokio::test]
async fn a_server_that_comes_back_empty_is_a_gap_and_all_is_heard_again() {
    let mut server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    b.relay.subscribe(&room(2)).await.unwrap();
    b.relay.unsubscribe(&room(2)).await;
    server.kill();
    a.is_unreachable().await;
    b.is_unreachable().await;
    assert_eq!(a.say(&room(1), "lost"), Err(NotPublished::Unreachable));
    let began = Instant::now();
    assert_eq!(b.relay.subscribe(&room(3)).await, Err(SubscribeError::Unreachable));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    server.restart();
    assert_eq!(b.loses_all().await, [""; 0]);
    a.is_reachable().await;
    b.is_reachable().await;
    for (number, text) in [(2, "left"), (1, "kept"), (3, "wished while it was away")] {
        a.say(&room(number), text).unwrap();
    }
    b.hears("kept").await;
    b.hears("wished while it was away").await;
    assert_eq!(a.relay.figures().not_published, 1);
}

#[tokio::test]
async fn a_cut_subscription_is_a_gap_and_is_renewed() {
    let server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    assert_eq!(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]), "2");
    b.loses_all().await;
    a.say(&room(1), "again").unwrap();
    b.hears("again").await;
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed_and_nothing_comes_late() {
    let server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    a.say(&room(1), "before").unwrap();
    b.hears("before").await;
    server.freeze();
    let mut said = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let began = Instant::now();
    while a.relay.is_reachable() {
        let asked = Instant::now();
        let _ = a.say(&room(1), "during");
        assert!(asked.elapsed() < Duration::from_millis(50), "it must answer at once: {:?}", asked.elapsed());
        said += 1;
        ticks.tick().await;
    }
    assert!(began.elapsed() < Duration::from_millis(1_500), "noticed after {:?}", began.elapsed());
    assert_eq!(a.say(&room(1), "during"), Err(NotPublished::Unreachable));
    assert_eq!(b.loses_all().await, [""; 0]);
    assert!(began.elapsed() < Duration::from_secs(5), "reported after {:?}", began.elapsed());
    assert_eq!(a.relay.figures().not_published, said + 1, "what was under way is counted");
    server.thaw();
    b.loses_all().await;
    a.is_reachable().await;
    b.is_reachable().await;
    a.say(&room(1), "after").unwrap();
    b.hears("after").await;
}

#[tokio::test]
async fn a_short_standstill_is_nobodys_loss_when_nothing_is_said() {
    let server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    server.command(&["DEBUG", "SLEEP", "0.3"]);
    a.say(&room(1), "after").unwrap();
    assert_eq!(b.hear().await, Heard::Text("after".to_owned()));
}

#[tokio::test]
async fn probes_measure_the_way_round() {
    let server = RedisServer::start();
    let a = Node::join(&server.url(), "a").await;
    crate::node::until(|| a.relay.figures().probe_us > 0).await;
    assert!(a.relay.figures().probe_us < 1_000_000, "{:?}", a.relay.figures());
}
