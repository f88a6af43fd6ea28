//! How fast the bus is on this machine: `cargo test --release --test relay_redis -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use downbeat::relay::Relay;

use crate::{
    node::{Heard, Node, room, until},
    redis_support::RedisServer,
};

const NOTE: &str = r#"{"midi":60,"velocity":0.8,"beat":1234.5,"instrument":"piano","duration":0.25}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and decides nothing"]
async fn messages_per_second() {
    const MESSAGES: u64 = 200_000;
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    let began = Instant::now();
    for _ in 0..MESSAGES {
        while a.say(&room(1), NOTE).is_err() {
            tokio::task::yield_now().await;
        }
    }
    let mut taken = 0;
    until(|| {
        let now = b.relay.figures().received;
        std::mem::replace(&mut taken, now) == now
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    println!("{taken} of {MESSAGES} in {seconds:.2} s: {:.0} a second", taken as f64 / seconds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and decides nothing"]
async fn latency() {
    const MESSAGES: usize = 5_000;
    let server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    let mut took = Vec::with_capacity(MESSAGES);
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    for _ in 0..MESSAGES {
        ticks.tick().await;
        let began = Instant::now();
        a.say(&room(1), NOTE).unwrap();
        assert_eq!(b.hear().await, Heard::Text(NOTE.to_owned()));
        took.push(began.elapsed());
    }
    took.sort();
    println!("p50 {:?}, p99 {:?}, longest {:?}", took[MESSAGES / 2], took[MESSAGES * 99 / 100], took[MESSAGES - 1]);
}
