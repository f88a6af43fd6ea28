//! Realtime topics of a node that runs alone, within bounds: the topics that were written to last are kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    mem,
    sync::Arc,
};

use async_trait::async_trait;

use crate::protocol::{Broadcast, TopicKey};
use crate::store::{
    BROADCASTS_PER_TOPIC, EmbeddedStore, KEPT_BYTES_MAX, KEPT_TOPICS_MAX, PresenceRecord, PresenceWrite, StoreError,
    TopicStore,
};

/// How many topics' broadcasts are kept, of all tenants.
const TOPICS_MAX: usize = 10_000;
/// How much room the broadcasts of all topics take.
const BYTES_MAX: usize = 64 << 20;
/// What a broadcast takes beside its text, and a topic beside its name, about.
const OVERHEAD: usize = 128;
/// How many removals are remembered against late writes: more than are under way within one process.
const REMOVALS_MAX: usize = 4_096;

/// What is known of all topics.
#[derive(Default)]
pub struct Topics {
    /// Bounded by the connections that there are: each home removes what it wrote. No topic is without any.
    present: HashMap<TopicKey, HashMap<u64, PresenceRecord>>,
    removals: Removals,
    kept: Kept,
}

impl Topics {
    fn write(&mut self, key: &TopicKey, change: &PresenceWrite) {
        let PresenceWrite { connection, version, record } = change;
        let stored = self.present.get(key).and_then(|present| present.get(connection));
        let newer_stored = stored.is_some_and(|stored| stored.version > *version);
        if newer_stored || self.removals.cover(key, *connection, *version) {
            return;
        }
        if let Some(record) = record {
            self.present.entry(key.clone()).or_default().insert(*connection, record.clone());
            return;
        }
        self.removals.note(key, *connection, *version);
        if let Some(present) = self.present.get_mut(key) {
            present.remove(connection);
            if present.is_empty() {
                self.present.remove(key);
            }
        }
    }
}

/// The versions of the last removals. That of somebody who is present again says less than the presence, and goes in
/// its turn.
#[derive(Default)]
struct Removals {
    versions: HashMap<(TopicKey, u64), u64>,
    /// By when; those that a later one of the same connection has replaced are still in here.
    order: VecDeque<(TopicKey, u64, u64)>,
}

impl Removals {
    fn cover(&self, key: &TopicKey, connection: u64, version: u64) -> bool {
        self.versions.get(&(key.clone(), connection)).is_some_and(|removed| *removed >= version)
    }

    fn note(&mut self, key: &TopicKey, connection: u64, version: u64) {
        self.versions.insert((key.clone(), connection), version);
        self.order.push_back((key.clone(), connection, version));
        if self.order.len() > REMOVALS_MAX
            && let Some((key, connection, version)) = self.order.pop_front()
        {
            let place = (key, connection);
            if self.versions.get(&place) == Some(&version) {
                self.versions.remove(&place);
            }
        }
    }
}

/// The last broadcasts.
#[derive(Default)]
struct Kept {
    topics: HashMap<TopicKey, Ring>,
    /// The topics by the number of their last write.
    written: BTreeMap<u64, TopicKey>,
    /// Those numbers by tenant. No tenant is without any.
    of_tenants: HashMap<Arc<str>, BTreeSet<u64>>,
    writes: u64,
    bytes: usize,
}

#[derive(Default)]
struct Ring {
    /// The number of the last write.
    written: u64,
    bytes: usize,
    broadcasts: VecDeque<Broadcast>,
}

impl Kept {
    fn keep(&mut self, key: &TopicKey, broadcast: &Broadcast) {
        let ring = self.topics.entry(key.clone()).or_insert_with(|| {
            let bytes = OVERHEAD + key.tenant.len() + key.name.len();
            self.bytes += bytes;
            Ring { bytes, ..Ring::default() }
        });
        ring.broadcasts.push_back(broadcast.clone());
        let forgotten = if ring.broadcasts.len() > BROADCASTS_PER_TOPIC { ring.broadcasts.pop_front() } else { None };
        let before = ring.bytes;
        ring.bytes = before + size(broadcast) - forgotten.as_ref().map_or(0, size);
        self.bytes = self.bytes + ring.bytes - before;
        self.writes += 1;
        let last_written = mem::replace(&mut ring.written, self.writes);
        self.written.remove(&last_written);
        self.written.insert(self.writes, key.clone());
        let of_tenant = self.of_tenants.entry(key.tenant.clone()).or_default();
        of_tenant.remove(&last_written);
        of_tenant.insert(self.writes);
        if of_tenant.len() > KEPT_TOPICS_MAX
            && let Some(&longest_silent) = of_tenant.first()
        {
            self.forget(longest_silent);
        }
        while self.topics.len() > TOPICS_MAX || self.bytes > BYTES_MAX {
            let Some((&longest_silent, _)) = self.written.first_key_value() else { break };
            self.forget(longest_silent);
        }
    }

    /// Forgets the topic whose last write has this number.
    fn forget(&mut self, write: u64) {
        let Some(key) = self.written.remove(&write) else { return };
        self.bytes -= self.topics.remove(&key).map_or(0, |ring| ring.bytes);
        if let Some(of_tenant) = self.of_tenants.get_mut(&key.tenant) {
            of_tenant.remove(&write);
            if of_tenant.is_empty() {
                self.of_tenants.remove(&key.tenant);
            }
        }
    }
}

fn size(broadcast: &Broadcast) -> usize {
    OVERHEAD + broadcast.event.len() + broadcast.body.len() + broadcast.id.as_ref().map_or(0, String::len)
}

#[async_trait]
impl TopicStore for EmbeddedStore {
    async fn write_presences(&self, key: &TopicKey, changes: &[PresenceWrite]) -> Result<(), StoreError> {
        let mut topics = self.topics.lock();
        changes.iter().for_each(|change| topics.write(key, change));
        Ok(())
    }

    async fn presences(&self, key: &TopicKey) -> Result<Vec<PresenceRecord>, StoreError> {
        let topics = self.topics.lock();
        Ok(topics.present.get(key).into_iter().flat_map(HashMap::values).cloned().collect())
    }

    async fn keep_broadcast(&self, key: &TopicKey, broadcast: &Broadcast) -> Result<(), StoreError> {
        if broadcast.body.len() <= KEPT_BYTES_MAX {
            self.topics.lock().kept.keep(key, broadcast);
        }
        Ok(())
    }

    async fn broadcasts(&self, key: &TopicKey, since_ms: i64, limit: usize) -> Result<Vec<Broadcast>, StoreError> {
        let topics = self.topics.lock();
        let kept = topics.kept.topics.get(key).into_iter().flat_map(|ring| &ring.broadcasts);
        let mut found: Vec<_> = kept.filter(|broadcast| broadcast.at_ms >= since_ms).collect();
        found.sort_by_key(|broadcast| broadcast.at_ms);
        Ok(found[found.len().saturating_sub(limit)..].iter().copied().cloned().collect())
    }

    async fn forget_topics(&self, tenant: &str) -> Result<(), StoreError> {
        let mut topics = self.topics.lock();
        let writes: Vec<u64> = topics.kept.of_tenants.get(tenant).into_iter().flatten().copied().collect();
        writes.into_iter().for_each(|write| topics.kept.forget(write));
        Ok(())
    }
}
