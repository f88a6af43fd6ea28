//! Stores on real servers, which all rules of a run share: each has a prefix of its own.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use downbeat::{redis_url::RedisUrl, store::RedisStore};

use parking_lot::Mutex;

use super::redis_support::{RedisCluster, RedisServer, SentinelSet};

/// Servers that run until the tests end, and their URL.
type Running<T> = LazyLock<(String, Mutex<T>)>;

static SERVER: Running<RedisServer> = LazyLock::new(|| {
    let server = RedisServer::start();
    (server.url(), Mutex::new(server))
});
static CLUSTER: Running<RedisCluster> = LazyLock::new(|| {
    let cluster = RedisCluster::start();
    (cluster.url(), Mutex::new(cluster))
});
static SENTINEL: Running<SentinelSet> = LazyLock::new(|| {
    let set = SentinelSet::start();
    // The primary counts a replica only from its first acknowledgement on.
    assert_eq!(set.primary.command(&["WAIT", "1", "20000"]), "1");
    (set.url(), Mutex::new(set))
});

async fn store(url: &str) -> RedisStore {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let url = format!("{url}?prefix=rule{}:", NEXT.fetch_add(1, Ordering::Relaxed));
    // No rule waits for a session to end by itself, or for an answer that does not come.
    let url = RedisUrl::parse(&url).expect("a URL of Redis");
    RedisStore::connect_within(&url, Duration::from_secs(60), Duration::from_secs(10)).await.expect("it is there")
}

pub async fn on_one_server() -> RedisStore {
    store(&SERVER.0).await
}

pub async fn in_a_cluster() -> RedisStore {
    store(&CLUSTER.0).await
}

/// Its takeovers wait for the replica.
pub async fn behind_a_sentinel() -> RedisStore {
    store(&SENTINEL.0).await
}
