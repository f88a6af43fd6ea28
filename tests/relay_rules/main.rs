//! The rules that every bus between nodes keeps; then the bytes on the wire, which a rolling upgrade relies on.

mod inbox;
mod rules;
mod samples;
mod topics;
mod wire;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use downbeat::{
    redis_url::RedisUrl,
    relay::{FredRelay, Inbox, LocalBus, Relay},
};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use redis_support::RedisServer;
use rules::*;

#[path = "../redis_support/mod.rs"]
mod redis_support;

/// A bus that nodes of one test join.
#[async_trait]
pub trait Bus: Sync {
    async fn join(&self, node: &str, capacity: usize) -> (Arc<dyn Relay>, Inbox);
}

#[async_trait]
impl Bus for LocalBus {
    async fn join(&self, node: &str, capacity: usize) -> (Arc<dyn Relay>, Inbox) {
        let (relay, inbox) = LocalBus::join(self, node, capacity);
        (Arc::new(relay), inbox)
    }
}

/// A bus through Redis: the server is the test binary's, the prefix the test's own.
pub struct RedisBus {
    url: RedisUrl,
    tasks: Mutex<Vec<JoinSet<()>>>,
}

impl RedisBus {
    fn new() -> Self {
        static SERVER: OnceLock<RedisServer> = OnceLock::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = SERVER.get_or_init(RedisServer::start).url();
        let url = format!("{server}/3?prefix=test-{}:", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { url: RedisUrl::parse(&url).unwrap(), tasks: Mutex::default() }
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn join(&self, node: &str, capacity: usize) -> (Arc<dyn Relay>, Inbox) {
        let (relay, inbox, tasks) = FredRelay::connect(&self.url, node, capacity).await.unwrap();
        self.tasks.lock().push(tasks);
        (Arc::new(relay), inbox)
    }
}

macro_rules! rules_of_every_bus {
    ($($rule:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::LocalBus::new()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::RedisBus::new()).await;
            })*
        }
    };
}

rules_of_every_bus! {
    every_kind_of_body_arrives_as_it_was_sent,
    a_node_hears_only_what_it_subscribed_to,
    a_node_never_hears_itself,
    a_node_hears_its_own_inbox_from_the_start,
    messages_of_a_node_arrive_in_order_and_once,
    rooms_of_different_tenants_never_meet,
    an_inbox_that_overflows_ends_in_a_gap_that_names_the_topics,
    an_envelope_that_is_too_long_is_refused_and_counted,
}
