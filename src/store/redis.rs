//! The store of many nodes: Redis 7.0 or newer, or Valkey; one server, one that Sentinels watch, or a Redis Cluster.
//!
//! What stands there can be read with `redis-cli` alone: see `keys.rs` for the names, `record.rs` for a room's fields.
//! Each operation on a room is one script on keys of one slot (`scripts/*.lua`). What touches the list of a tenant's
//! rooms too is one script still on one server; in a Cluster, where that list has another slot, see `rooms.rs`.
//!
//! Nothing waits for Redis longer than its limit, and nothing is repeated here: what failed may have happened.
//! A takeover counts only once enough replicas have it, because a primary that dies can lose what they do not have.

mod dial;
mod events;
mod index;
mod inspect;
mod keys;
mod link;
mod record;
mod rooms;
mod script;
mod sessions;
mod tenants;
mod topics;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{FromRedisValue, Value as Answer};

use crate::{
    redis_url::RedisUrl,
    room::{Controls, RoomKey},
};

use super::{
    CreateRefused, Done, Fence, Lineage, Look, MemberWrite, Owned, Restoration, Restored, RoomCursor, RoomRecord,
    SessionInfo, Store, StoreError, StoredMembers, TakeOver, TakeOverRefused, TakenOver, WriteRefused,
};
use dial::Dialer;
use events::EVENTS_LIMIT;
use keys::Keys;
use link::Link;
use script::Call;
use topics::TOPICS_LIMIT;

/// What an answer may take: less than the margin by which a node gives its session up before others take it for dead.
const ANSWER_LIMIT: Duration = Duration::from_millis(400);
/// What replicas may take beyond that to acknowledge.
const REPLICAS_EXTRA: Duration = Duration::from_millis(100);

/// Rooms and sessions in Redis.
pub struct RedisStore {
    keys: Keys,
    dialer: Arc<Dialer>,
    /// How long a session lives without a renewal.
    ttl_ms: u64,
    replicas: u32,
    answer_limit: Duration,
    /// Apart from the others, so that a renewal never waits behind rooms.
    sessions: Arc<Link>,
    rooms: Arc<Link>,
    /// What must be replicated before it counts: nothing else may wait behind `WAIT`.
    reigns: Arc<Link>,
    /// Long answers.
    lists: Arc<Link>,
    /// Long answers too, for which nothing but a client waits.
    topics: Arc<Link>,
    /// Entries of a megabyte.
    events: Arc<Link>,
    sent: Arc<AtomicU64>,
}

impl RedisStore {
    /// Connects, and sees to it that the server is new enough. A session lives for `ttl` after each renewal.
    ///
    /// # Errors
    /// With a sentence for the operator, which names no password: the server cannot be reached, refuses the user or
    /// the password, or is too old.
    pub async fn connect(url: &RedisUrl, ttl: Duration) -> Result<Self, StoreError> {
        Self::connect_within(url, ttl, ANSWER_LIMIT).await
    }

    /// The same, with another limit than 400 ms for an answer: a longer one where nothing depends on the time.
    ///
    /// # Errors
    /// As [`RedisStore::connect`].
    pub async fn connect_within(url: &RedisUrl, ttl: Duration, answer_limit: Duration) -> Result<Self, StoreError> {
        let dialer = Arc::new(Dialer::new(url));
        let link = || Link::new(Arc::clone(&dialer), answer_limit);
        let (sessions, rooms, lists) = (link(), link(), link());
        let topics = Link::new(Arc::clone(&dialer), answer_limit.max(TOPICS_LIMIT));
        let events = Link::new(Arc::clone(&dialer), answer_limit.max(EVENTS_LIMIT));
        // Without replicas nothing is waited for.
        let reigns = if url.replicas > 0 { link() } else { Arc::clone(&rooms) };
        let store = Self {
            keys: Keys::new(&url.prefix, !dialer.is_cluster()),
            sent: dialer.sent(),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            replicas: url.replicas,
            answer_limit,
            dialer,
            sessions,
            rooms,
            reigns,
            lists,
            topics,
            events,
        };
        for link in [&store.sessions, &store.rooms, &store.reigns, &store.lists, &store.topics, &store.events] {
            link.open().await?;
        }
        Ok(store)
    }

    /// Commands sent since the start, those of new connections included.
    pub fn commands_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why Redis did not answer the last call about sessions, of which there are several a second; none while it does.
    pub fn outage(&self) -> Option<StoreError> {
        self.sessions.trouble()
    }

    async fn run(&self, call: Call) -> Result<Answer, StoreError> {
        self.rooms.ask(|mut wire| async move { wire.run(&call).await }).await
    }

    /// Runs what counts only once enough replicas have it.
    async fn run_replicated(&self, call: Call) -> Result<Answer, StoreError> {
        if self.replicas == 0 {
            return self.run(call).await;
        }
        let replicas = self.replicas;
        let limit = self.answer_limit + REPLICAS_EXTRA;
        let ask = self.reigns.ask_within(self.answer_limit + limit, |mut wire| async move {
            wire.run_and_wait(&call, replicas, limit).await
        });
        let (answer, acknowledged) = ask.await?;
        if acknowledged < replicas {
            return Err(StoreError::Unavailable {
                reason: format!(
                    "only {acknowledged} of {replicas} replicas have acknowledged a write that would be lost with the \
                     primary: see to the replicas, or lower `replicas` in redis_url"
                ),
            });
        }
        Ok(answer)
    }

    /// When Redis is lost to the sessions, which ask it all the time, the other connections are as good as dead:
    /// better that they are made anew before somebody's command fails on them.
    fn watched<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_err() {
            for link in [&self.rooms, &self.reigns, &self.lists, &self.topics, &self.events] {
                link.give_up();
            }
        }
        answer
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create_room(&self, record: RoomRecord, max_rooms: usize) -> Result<(), CreateRefused> {
        self.make_room(&record, max_rooms).await
    }

    async fn live_rooms(&self, tenant: &str) -> Result<usize, StoreError> {
        self.count_rooms(tenant).await
    }

    async fn load_room(&self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError> {
        self.read_room(key).await
    }

    async fn take_over(&self, key: &RoomKey, claim: TakeOver) -> Result<RoomRecord, TakeOverRefused> {
        Ok(self.claim(key, &claim).await?.record)
    }

    async fn take_over_whole(&self, key: &RoomKey, claim: TakeOver) -> Result<TakenOver, TakeOverRefused> {
        self.claim(key, &claim).await
    }

    async fn write_room(
        &self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<Done>,
        lineage: Option<&Lineage>,
    ) -> Result<(), WriteRefused> {
        self.store_controls(key, fence, controls, done.as_ref(), lineage).await
    }

    async fn recent_done(&self, key: &RoomKey) -> Result<Vec<Done>, StoreError> {
        self.read_done(key).await
    }

    async fn close_room(&self, key: &RoomKey, fence: &Fence) -> Result<(), WriteRefused> {
        self.end_room(key, fence).await
    }

    async fn list_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> Result<(Vec<RoomRecord>, Option<RoomCursor>), StoreError> {
        self.page_of_rooms(tenant, cursor, limit).await
    }

    async fn owners(&self) -> Result<Vec<Owned>, StoreError> {
        self.all_owners().await
    }

    async fn write_members(
        &self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        changes: &[MemberWrite],
    ) -> Result<(), WriteRefused> {
        self.store_members(key, fence, members_rev, changes).await
    }

    async fn members(&self, key: &RoomKey) -> Result<StoredMembers, StoreError> {
        self.read_members(key).await
    }

    async fn occupancies(&self, keys: &[RoomKey]) -> Result<Vec<usize>, StoreError> {
        self.count_members(keys).await
    }

    async fn restore_room(&self, restoration: &Restoration) -> Result<Restored, StoreError> {
        self.give_back(restoration).await
    }

    async fn bury_room(&self, key: &RoomKey, epoch: u64) -> Result<(), StoreError> {
        self.bury(key, epoch).await
    }

    async fn open_session(&self, node: &str, info: &SessionInfo, at_least: u64) -> Result<u64, StoreError> {
        self.watched(self.begin_session(node, info, at_least).await)
    }

    async fn renew_session(&self, node: &str, incarnation: u64, info: &SessionInfo) -> Result<bool, StoreError> {
        self.watched(self.renew(node, incarnation, info).await)
    }

    async fn close_session(&self, node: &str, incarnation: u64) -> Result<bool, StoreError> {
        self.end(node, incarnation, None).await
    }

    async fn end_session(&self, node: &str, incarnation: u64, renewals: u64) -> Result<bool, StoreError> {
        self.end(node, incarnation, Some(renewals)).await
    }

    async fn look(&self) -> Result<Look, StoreError> {
        self.watched(self.look_around().await)
    }

    async fn name_generation(&self, proposal: &str) -> Result<String, StoreError> {
        self.name_life(proposal).await
    }

    async fn agree_clock(&self, run_id: &str, expected: Option<i64>, offset_us: i64) -> Result<i64, StoreError> {
        self.agree(run_id, expected, offset_us).await
    }

    async fn shared_secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.secret(name, proposal).await
    }

    /// None while Redis is merely away, which passes by itself: [`RedisStore::outage`] tells of that.
    fn failure(&self) -> Option<StoreError> {
        self.dialer.refused()
    }
}

/// An answer as what it should be.
fn read<T: FromRedisValue>(answer: Answer) -> Result<T, StoreError> {
    redis::from_redis_value(answer).map_err(|error| StoreError::Unavailable {
        reason: format!("Redis answers what no script of Downbeat says ({error}): is another release at work?"),
    })
}

/// An answer that no script gives.
fn odd(answer: &Answer) -> StoreError {
    StoreError::Unavailable {
        reason: format!("Redis answers what no script of Downbeat says ({answer:?}): is another release at work?"),
    }
}
