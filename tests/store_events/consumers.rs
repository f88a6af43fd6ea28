//! Nodes come and go, and with them consumers.

use std::time::Duration;

use downbeat::store::EventStream;

use super::{
    redis_support::RedisServer,
    support::{add, one, texts},
};

fn consumers(server: &RedisServer) -> usize {
    server.command(&["XINFO", "CONSUMERS", "sel:{acme}", "database"]).lines().filter(|line| *line == "name").count()
}

#[tokio::test]
async fn a_consumer_that_is_idle_and_has_nothing_in_hands_is_forgotten() {
    let (server, store) = one().await;
    add(&store, "acme", &["one", "two"]).await;
    let taken = store.take_events("acme", "done", 1).await.unwrap();
    store.settle_events("acme", &taken).await.unwrap();
    store.take_events("acme", "stuck", 1).await.unwrap();
    assert_eq!(store.tidy_consumers("acme", Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(consumers(&server), 2);
    assert_eq!(store.tidy_consumers("acme", Duration::ZERO).await.unwrap(), 1);
    assert_eq!(consumers(&server), 1, "what the other has in hands is not lost");
    assert_eq!(texts(&store.reclaim_events("acme", "b", Duration::ZERO, 9).await.unwrap()), ["two"]);
}

#[tokio::test]
async fn a_consumer_that_was_forgotten_comes_back_by_asking() {
    let (server, store) = one().await;
    add(&store, "acme", &["one"]).await;
    let taken = store.take_events("acme", "a", 1).await.unwrap();
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(store.tidy_consumers("acme", Duration::ZERO).await.unwrap(), 1);
    assert_eq!(consumers(&server), 0);
    add(&store, "acme", &["two"]).await;
    assert_eq!(texts(&store.take_events("acme", "a", 1).await.unwrap()), ["two"]);
}
