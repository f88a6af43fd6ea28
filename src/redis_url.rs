//! Where Redis is: what `--redis-url` says, for the relay's client and the store's.
//!
//! PURE: it reads a text and connects to nothing.

use crate::auth::Secret;

/// A deployment of Redis, as its URL names it.
///
/// `redis://[user:password@]host[:port][/database][?prefix=…&replicas=…]`, `rediss://…` over TLS,
/// `redis-sentinel://[user:password@]host[:port],…/service[/database][?…&tls=true&sentinel_password=…]`,
/// `redis-cluster://[user:password@]host[:port],…[?…&tls=true]`.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    pub deployment: Deployment,
    pub tls: bool,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// 0 to 15; always 0 on a cluster, which has no others.
    pub database: u8,
    /// What every key and channel begins with; empty by default. So several services can share a Redis.
    pub prefix: String,
    /// How many replicas must have a takeover before the reign begins (`WAIT`). By default 1 with Sentinel, else 0.
    pub replicas: u32,
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    Standalone(Address),
    Sentinel { sentinels: Vec<Address>, service: String, username: Option<String>, password: Option<Secret> },
    Cluster(Vec<Address>),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}
