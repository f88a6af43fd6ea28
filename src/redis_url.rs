//! Where Redis is: what `--redis-url` says, for the relay's client and the store's.
//!
//! PURE: it reads a text and connects to nothing.

use std::fmt;

use crate::auth::Secret;

mod parse;

pub use parse::BadRedisUrl;

/// A deployment of Redis, as its URL names it.
///
/// | URL | |
/// |---|---|
/// | `redis://[[user]:password@]host[:port][/database][?…]` | one server |
/// | `rediss://…` | the same over TLS |
/// | `redis-sentinel://[[user]:password@]host[:port],…/service[/database][?…]` | Sentinels, and the service they watch |
/// | `redis-cluster://[[user]:password@]host[:port],…[?…]` | some nodes of a Redis Cluster |
///
/// The port is 6379, a Sentinel's 26379; an IPv6 address stands in brackets. In user and password whatever is
/// neither letter nor digit may be, and `/ ? # %` must be, written as `%` and two hexadecimal digits.
///
/// The query: `prefix=` (see [`RedisUrl::prefix`]), `replicas=` (see [`RedisUrl::replicas`]), with Sentinel and
/// Cluster `tls=true`, with Sentinel `sentinel_username=` and `sentinel_password=`, if the Sentinels want their own.
///
/// `Debug` and `Display` show no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    pub deployment: Deployment,
    /// To the servers and to the Sentinels.
    pub tls: bool,
    /// None: Redis' `default` user.
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// 0 to 15; always 0 on a cluster, which has no others.
    pub database: u8,
    /// What every key and channel begins with; empty by default. So several services can share a Redis.
    /// At most 64 letters, digits, `.`, `_`, `-` and `:`: no brace, which would move keys to other slots of a cluster.
    pub prefix: String,
    /// How many replicas must have a takeover before the reign begins (`WAIT`), 0 to 8.
    /// By default 1 with Sentinel, else 0.
    pub replicas: u32,
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    Standalone(Address),
    /// `username` and `password` are for the Sentinels, and none unless the URL's query names them.
    Sentinel {
        /// Never empty.
        sentinels: Vec<Address>,
        service: String,
        username: Option<String>,
        password: Option<Secret>,
    },
    /// Where to ask for the cluster's nodes; never empty.
    Cluster(Vec<Address>),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address; an IPv6 address stands here without its brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for RedisUrl {
    /// The deployment for logs and errors: without users, passwords and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        match &self.deployment {
            Deployment::Standalone(address) => {
                write!(f, "redis{}://{address}/{}", if self.tls { "s" } else { "" }, self.database)
            }
            Deployment::Sentinel { sentinels, service, .. } => {
                write!(f, "redis-sentinel://{}/{service}/{}", list(sentinels), self.database)
            }
            Deployment::Cluster(nodes) => write!(f, "redis-cluster://{}", list(nodes)),
        }
    }
}
