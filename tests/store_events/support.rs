use std::time::Duration;

use downbeat::{
    redis_url::RedisUrl,
    store::{EventStream, RedisStore, StreamEntry},
};

use super::redis_support::RedisServer;

/// Longer than any answer may take, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// More than any test adds.
pub const MANY: u64 = 1_000_000;

pub async fn connect(url: &str) -> RedisStore {
    let url = RedisUrl::parse(url).expect("a URL of Redis");
    RedisStore::connect_within(&url, Duration::from_secs(60), PATIENCE).await.expect("it is there")
}

/// A server and a store on it.
pub async fn one() -> (RedisServer, RedisStore) {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    (server, store)
}

pub async fn add(store: &RedisStore, tenant: &str, events: &[&str]) {
    for events in events {
        store.add_events(tenant, events, 1, MANY).await.unwrap();
    }
}

pub fn texts(entries: &[StreamEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.events.as_str()).collect()
}

/// How many events wait, and in how many entries.
pub async fn waits(store: &RedisStore, tenant: &str) -> (u64, u64) {
    let waiting = store.waiting_events(tenant).await.unwrap();
    (waiting.events, waiting.entries)
}

/// Repeats `attempt` until it succeeds.
pub async fn until_ok<T, E: std::fmt::Debug>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let mut last = None;
    let repeated = async {
        let mut often = tokio::time::interval(Duration::from_millis(10));
        loop {
            often.tick().await;
            match attempt().await {
                Ok(done) => return done,
                Err(error) => last = Some(error),
            }
        }
    };
    let done = tokio::time::timeout(3 * PATIENCE, repeated).await.ok();
    done.unwrap_or_else(|| panic!("it does not recover: {last:?}"))
}
