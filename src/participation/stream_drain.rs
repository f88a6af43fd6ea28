//! From the tenants' streams into the database, in a cluster: every node takes part.
//!
//! A node takes entries, has their events inserted, and settles the entries: in that order, so that whatever fails in
//! between is done again, by this node or by another. The database knows each event by its id, and has it once.
//! While the database is away, a node keeps in hands what it has taken, and takes no more.

mod turns;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    store::{EventStream, StoreError, StreamEntry},
    telemetry::{Kind, Metrics},
    time::Clock,
};

use self::turns::Turn;
use super::{Batch, Event, InsertFailed, Keeper};

/// How many events one insert brings at most.
const BATCH_EVENTS: usize = 2_000;
/// How many entries are asked for at once: Redis does nothing else for a millisecond. An entry is what a node has heard
/// in a twentieth of a second.
const ENTRIES_AT_ONCE: usize = 128;
/// Who has not settled an entry for so long is taken for dead or stuck.
const RECLAIMED_AFTER: Duration = Duration::from_secs(10);

/// Why events are still where they were.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DrainError {
    #[error(transparent)]
    Insert(#[from] InsertFailed),
    #[error(transparent)]
    Stream(#[from] StoreError),
}

type Tenants = Arc<dyn Fn() -> Vec<Arc<str>> + Send + Sync>;
type IsPreferred = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// This node's part in emptying the streams.
pub struct StreamDrain {
    stream: Arc<dyn EventStream>,
    database: Arc<dyn Keeper>,
    /// The node's id.
    consumer: Arc<str>,
    tenants: Tenants,
    is_preferred: IsPreferred,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    turns: Mutex<HashMap<Arc<str>, Turn>>,
}

impl StreamDrain {
    /// `tenants` names all there are; `is_preferred` tells whether this node is the one that empties a tenant's stream
    /// first: if no node says so, or several do, that costs time alone.
    pub fn new(
        stream: Arc<dyn EventStream>,
        database: Arc<dyn Keeper>,
        consumer: Arc<str>,
        tenants: Tenants,
        is_preferred: IsPreferred,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { stream, database, consumer, tenants, is_preferred, clock, metrics, turns: Mutex::default() }
    }

    /// Takes what there is at this moment, some thousands of events at most, and answers how many events it has settled.
    ///
    /// # Errors
    /// The rest is kept in hands, and the next call begins with it.
    pub async fn drain_once(&self, tenant: &str) -> Result<usize, DrainError> {
        let drained = self.drain(tenant).await;
        if drained.is_err() {
            self.metrics.participation_drain_failures.inc();
        }
        drained
    }

    async fn drain(&self, tenant: &str) -> Result<usize, DrainError> {
        let mut entries = self.gather(tenant).await?;
        let mut settled = 0;
        while !entries.is_empty() {
            let rest = entries.split_off(one_batch(&entries));
            if let Err(error) = self.bring(tenant, &entries).await {
                entries.extend(rest);
                self.hold(tenant, entries);
                return Err(error);
            }
            settled += entries.iter().map(|entry| entry.count as usize).sum::<usize>();
            entries = rest;
        }
        Ok(settled)
    }

    /// What is in hands; else what others have left lying, when it is time to look for that; else what is new.
    async fn gather(&self, tenant: &str) -> Result<Vec<StreamEntry>, StoreError> {
        let held = self.held(tenant);
        if !held.is_empty() {
            return Ok(held);
        }
        let consumer = &*self.consumer;
        if self.reclaims(tenant) {
            let left = self.stream.reclaim_events(tenant, consumer, RECLAIMED_AFTER, ENTRIES_AT_ONCE).await?;
            if !left.is_empty() {
                tracing::info!(
                    tenant.id = tenant,
                    entries = left.len(),
                    "takes participation events up that nobody settled"
                );
                self.reclaims_again(tenant);
                return Ok(left);
            }
        }
        self.stream.take_events(tenant, consumer, ENTRIES_AT_ONCE).await
    }

    /// Inserts the events of some entries, and settles these.
    async fn bring(&self, tenant: &str, entries: &[StreamEntry]) -> Result<(), DrainError> {
        let mut lost = 0;
        let mut events = Vec::new();
        for entry in entries {
            let (read, unread) = events_of(tenant, entry);
            events.extend(read);
            lost += unread;
        }
        let mut stored = 0;
        let tenant: Arc<str> = tenant.into();
        while !events.is_empty() {
            let rest = events.split_off(BATCH_EVENTS.min(events.len()));
            stored += events.len() as u64;
            self.database.insert(&Batch { tenant: Arc::clone(&tenant), events }).await?;
            events = rest;
        }
        self.stream.settle_events(&tenant, entries).await?;
        self.metrics.participation_stored.inc_by(stored);
        self.metrics.participation_recorded.get_or_create(&Kind { kind: "unreadable" }).inc_by(lost);
        Ok(())
    }
}

/// How many of the first entries make one batch: at least one.
fn one_batch(entries: &[StreamEntry]) -> usize {
    let mut events = 0;
    let fits = |entry: &&StreamEntry| {
        events += entry.count as usize;
        events <= BATCH_EVENTS
    };
    entries.iter().take_while(fits).count().clamp(1, entries.len().max(1))
}

/// An entry's events, and how many of them cannot be read: those of another release, or damaged. They must not keep
/// the others from the database for ever.
fn events_of(tenant: &str, entry: &StreamEntry) -> (Vec<Event>, u64) {
    let error = match serde_json::from_str(&entry.events) {
        Ok(events) => return (events, 0),
        Err(error) => error,
    };
    let each: Vec<&RawValue> = serde_json::from_str(&entry.events).unwrap_or_default();
    let events: Vec<Event> = each.iter().filter_map(|event| serde_json::from_str(event.get()).ok()).collect();
    let lost = each.len().max(entry.count as usize) - events.len();
    tracing::error!(
        tenant.id = tenant, entry = entry.id, lost, %error,
        "participation events cannot be read, and are thrown away"
    );
    (events, lost as u64)
}
