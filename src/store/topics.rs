//! What of realtime topics must be known beyond one node: who is present, and the last broadcasts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Home, StoreError};
use crate::protocol::{Broadcast, TopicKey};

/// How many broadcasts are kept of a private topic, the newest.
pub const BROADCASTS_PER_TOPIC: usize = 25;

/// How many bytes the body of a broadcast that is kept may have. A longer one is told to whoever is there, and no more:
/// what is kept is every client's to write, and stays for [`BROADCASTS_KEPT`].
pub const KEPT_BYTES_MAX: usize = 32 * 1024;

/// Of how many topics of one tenant broadcasts are kept, those that were written to last: their names are every client's
/// to choose. With the other two bounds, a tenant's broadcasts take 400 MiB at most.
pub const KEPT_TOPICS_MAX: usize = 500;

/// For how long after the last write a topic's presences are kept: a home that dies may leave some behind that nobody
/// removes. A home that has presences writes them anew well before.
pub const PRESENCES_KEPT: Duration = Duration::from_secs(3_600);

/// For how long after the last one a topic's broadcasts are kept: as long as Supabase keeps them.
pub const BROADCASTS_KEPT: Duration = Duration::from_secs(72 * 3_600);

/// One connection's presence on a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceRecord {
    /// A number that no other join in the cluster has.
    pub connection: u64,
    /// Counts this connection's changes; of two records the higher is the later one.
    pub version: u64,
    /// The version that this one replaces, if its meta was known to others.
    #[serde(default)]
    pub replaces: Option<u64>,
    /// The process that the connection ends on.
    pub home: Home,
    /// Under which key the clients see it.
    pub key: Arc<str>,
    /// The tracked payload: JSON text of an object.
    pub fields: Arc<str>,
}

/// One change of a topic's presences: what a connection's is now, or that it has none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceWrite {
    pub connection: u64,
    /// As in [`PresenceRecord`]; for a removal one more than what is removed.
    pub version: u64,
    /// None: it is gone.
    pub record: Option<PresenceRecord>,
}

/// Presences and last broadcasts of realtime topics. Both are live state: a topic that nobody writes to is forgotten
/// after a while.
#[async_trait]
pub trait TopicStore: Send + Sync {
    /// Stores changes of a topic's presences. Each says what is, so that it may be repeated; whoever writes about a
    /// connection is its home alone, and in order. One that comes late is left aside: of each connection the highest
    /// version counts, and of equals the removal.
    async fn write_presences(&self, key: &TopicKey, changes: &[PresenceWrite]) -> Result<(), StoreError>;

    /// Everybody's presence on a topic, in no order; those of dead nodes may be among them.
    async fn presences(&self, key: &TopicKey) -> Result<Vec<PresenceRecord>, StoreError>;

    /// Keeps a broadcast of a private topic, and of the older ones the last [`BROADCASTS_PER_TOPIC`] − 1. Where it is
    /// the tenant's first on this topic, those of the topic that was silent longest are forgotten, if there are more
    /// than [`KEPT_TOPICS_MAX`].
    ///
    /// One whose body is longer than [`KEPT_BYTES_MAX`] is not kept, which is no error: `Ok`, and nothing has changed.
    /// Whoever is to know that compares the length.
    async fn keep_broadcast(&self, key: &TopicKey, broadcast: &Broadcast) -> Result<(), StoreError>;

    /// The newest `limit` broadcasts kept of a topic that are at `since_ms` or later, oldest first. Exactly so where they
    /// came in by the order of their times, or nearly: not everything is read for the sake of one that came far too late.
    async fn broadcasts(&self, key: &TopicKey, since_ms: i64, limit: usize) -> Result<Vec<Broadcast>, StoreError>;

    /// Forgets the broadcasts that are kept of a tenant's topics: it is no more. Presences go with their connections.
    async fn forget_topics(&self, tenant: &str) -> Result<(), StoreError>;
}
