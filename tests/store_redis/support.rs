use std::time::Duration;

use downbeat::{
    redis_url::RedisUrl,
    store::{RedisStore, StoreError},
};

/// How long a session lives here without a renewal.
pub const TTL: Duration = Duration::from_secs(60);
/// Longer than any answer may take: the limit of 400 ms, that of replicas of 500 ms, and what the machine adds.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn try_connect(url: &str) -> Result<RedisStore, StoreError> {
    RedisStore::connect(&RedisUrl::parse(url).expect("a URL of Redis"), TTL).await
}

/// For tests in which every answer comes, however busy the machine.
pub async fn connect_patiently(url: &str) -> RedisStore {
    let url = RedisUrl::parse(url).expect("a URL of Redis");
    RedisStore::connect_within(&url, TTL, PATIENCE / 2).await.expect("it is there")
}

pub async fn connect(url: &str) -> RedisStore {
    try_connect(url).await.expect("it is there")
}

/// Repeats `attempt` until it succeeds: each failure takes a while, or says that the next try is not due yet.
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
    let done = tokio::time::timeout(PATIENCE, repeated).await.ok();
    done.unwrap_or_else(|| panic!("it does not recover: {last:?}"))
}
