//! What happened in rooms, on its way to the database: one stream for each tenant, which all nodes empty together.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::StoreError;

/// What is taken or reclaimed at once, in bytes of text: the entry that reaches this is the last.
pub const TAKEN_BYTES_MAX: usize = 1 << 20;

/// A piece of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The store's own, later ones are greater: `1763829429123-0`, where the first number is milliseconds since 1970.
    pub id: String,
    /// As it was added. What somebody else has put there may be anything, an empty text too.
    pub events: String,
    /// How many events that is; at least 1.
    pub count: u32,
}

/// What a tenant's stream holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub events: u64,
    pub entries: u64,
    /// The ids of the first entry and of the last; none where nothing waits. Once the first one here is beyond the
    /// last one of an earlier look, everything that waited then is settled.
    pub ends: Option<(String, String)>,
    /// How long the first entry has waited.
    pub oldest: Duration,
}

/// Why events were not added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddRefused {
    #[error("more than {events_max} events of the tenant would wait for the database: see why nothing is drained")]
    Full { events_max: u64 },
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Streams of events. To the store an entry's text is opaque.
///
/// Each entry is handed to one consumer, and to another if the first does not settle it; so it may be handed out more
/// than once, but never to nobody. Consumers are named by the nodes' ids.
#[async_trait]
pub trait EventStream: Send + Sync {
    /// Adds an entry of `count` events, unless the stream would then hold more than `events_max` events. What failed
    /// with [`AddRefused::Unavailable`] may have been added. Of no events, nothing is added.
    async fn add_events(&self, tenant: &str, events: &str, count: u32, events_max: u64) -> Result<(), AddRefused>;

    /// Entries that were never handed out, oldest first, at most `entries_max` and about [`TAKEN_BYTES_MAX`].
    /// Does not wait for any.
    async fn take_events(
        &self,
        tenant: &str,
        consumer: &str,
        entries_max: usize,
    ) -> Result<Vec<StreamEntry>, StoreError>;

    /// Entries that were handed out at least `idle` ago, to whomever, and are not settled: those of dead nodes, and of
    /// this node's former process. Bounded like [`EventStream::take_events`].
    async fn reclaim_events(
        &self,
        tenant: &str,
        consumer: &str,
        idle: Duration,
        entries_max: usize,
    ) -> Result<Vec<StreamEntry>, StoreError>;

    /// Removes entries that were handed out, whoever has them now. Those that are settled already change nothing.
    async fn settle_events(&self, tenant: &str, entries: &[StreamEntry]) -> Result<(), StoreError>;

    /// What waits, handed out or not.
    async fn waiting_events(&self, tenant: &str) -> Result<Waiting, StoreError>;

    /// Removes all that waits. What consumers have in hands, they still have.
    async fn forget_events(&self, tenant: &str) -> Result<(), StoreError>;

    /// Forgets consumers that have nothing in hands and were handed nothing for `idle`; answers how many. Nodes' names
    /// come and go; whoever asks again is known again.
    async fn tidy_consumers(&self, tenant: &str, idle: Duration) -> Result<usize, StoreError>;
}
