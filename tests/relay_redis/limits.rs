//! What may wait for the bus, and for how long.

use std::time::Duration;

use downbeat::relay::{NotPublished, Relay};

use crate::{
    node::{Node, room, until},
    redis_support::RedisServer,
};

// On one thread nothing is written before the test waits.
#[tokio::test]
async fn no_more_than_16384_messages_wait() {
    let server = RedisServer::start();
    let a = Node::join(&server.url(), "a").await;
    for _ in 0..16_384 {
        a.say(&room(1), "waits").unwrap();
    }
    assert_eq!(a.say(&room(1), "one too many"), Err(NotPublished::QueueFull));
    assert_eq!((a.relay.figures().published, a.relay.figures().not_published), (16_384, 1));
}

#[tokio::test]
async fn no_more_than_16_mebibytes_wait_and_room_comes_back() {
    let server = RedisServer::start();
    let a = Node::join(&server.url(), "a").await;
    let half_a_mebibyte = "x".repeat((1 << 19) - 256);
    for _ in 0..32 {
        a.say(&room(1), &half_a_mebibyte).unwrap();
    }
    assert_eq!(a.say(&room(1), &half_a_mebibyte), Err(NotPublished::QueueFull));
    until(|| a.say(&room(1), &half_a_mebibyte).is_ok()).await;
}

#[tokio::test]
async fn a_message_that_had_to_wait_too_long_is_dropped_and_not_delivered_late() {
    const MESSAGES: u64 = 6_000;
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    server.freeze();
    for number in 0..MESSAGES {
        a.say(&room(1), &number.to_string()).unwrap();
    }
    let mut pause = tokio::time::interval(Duration::from_millis(300));
    pause.tick().await;
    pause.tick().await;
    server.thaw();
    until(|| b.relay.figures().received + a.relay.figures().not_published >= MESSAGES).await;
    // What was under way when the server stopped comes through; what was still waiting does not.
    assert!(a.relay.figures().not_published >= MESSAGES - 16 * 128, "{:?}", a.relay.figures());
}
