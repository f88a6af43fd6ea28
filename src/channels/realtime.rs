//! Topics `realtime:*`: broadcasts and presences among whoever joins, as Supabase's clients speak them.
//!
//! A broadcast takes one hop: to everybody on this node at once, and over the relay to the other nodes' sockets.
//! Presences are kept in the store, so that a newcomer on any node reads them whole; each process tells the others what
//! changes, and takes its own with it when it dies (see `tending.rs`). On the wire is `channel.rs`; what is pushed is read
//! by `message.rs` and `config.rs`.

mod channel;
mod config;
mod join;
mod keeper;
mod listeners;
mod message;
mod post;
mod roll;
mod tending;
mod topic;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};

pub use channel::{Followed, RealtimeTopic};
pub(super) use channel::{PRESENCE_TOO_FAST, TRACK_BYTES_MAX, is_too_large};

pub use config::{BadConfig, JoinConfig, REPLAY_MAX, Replay};
pub use keeper::RealtimeWork;
pub use listeners::{TopicAudience, TopicAudiences};
pub use message::{BadMessage, PresenceMessage, Said};
pub(super) use post::MUSIC_ROOM;
pub use post::{Post, PostRefused, Sound};
pub use topic::{Topic, TopicState};

use self::keeper::Keep;
use crate::{
    conductor::Mirror,
    placement::{Directory, Membership},
    protocol::{Broadcast, TopicKey, broadcast::Body},
    relay::{self, Envelope, Hearing, IsHeard, Relay},
    store::TopicStore,
    time::Clock,
};

/// What realtime topics stand on.
pub struct RealtimeParts {
    pub clock: Arc<dyn Clock>,
    pub relay: Arc<dyn Relay>,
    pub store: Arc<dyn TopicStore>,
    pub membership: Arc<Membership>,
    pub directory: Arc<Directory>,
    pub audiences: Arc<dyn TopicAudiences>,
    /// For broadcasts into rooms.
    pub mirror: Arc<Mirror>,
}

/// This node's realtime topics.
pub struct Realtime {
    parts: RealtimeParts,
    hearing: Hearing,
    slots: RwLock<HashMap<TopicKey, Slot>>,
    /// Topics that have a diff to send.
    changed: Mutex<Vec<Arc<Topic>>>,
    /// Topics whose presences the store has to learn.
    unwritten: mpsc::UnboundedSender<Arc<Topic>>,
    /// How much is still on its way to the store.
    under_way: watch::Sender<usize>,
    keeps: mpsc::Sender<Keep>,
    tended: Mutex<tending::Tended>,
}

/// A topic and how many joins on this node hold it, those still under way included.
struct Slot {
    seats: usize,
    topic: Arc<Topic>,
    is_heard: IsHeard,
}

/// One join's hold on a topic, which is forgotten here when the last is dropped.
pub struct TopicSeat {
    realtime: Arc<Realtime>,
    topic: Arc<Topic>,
    is_heard: IsHeard,
}

impl Realtime {
    pub fn new(parts: RealtimeParts) -> (Self, RealtimeWork) {
        let (hearing, hearings) = Hearing::new();
        let (unwritten, unwritten_receiver) = mpsc::unbounded_channel();
        let (keeps, keeps_receiver) = mpsc::channel(keeper::KEEPS_MAX);
        let tended = Mutex::new(tending::Tended::of(&parts));
        let realtime = Self {
            parts,
            hearing,
            slots: RwLock::default(),
            changed: Mutex::default(),
            unwritten,
            under_way: watch::Sender::new(0),
            keeps,
            tended,
        };
        (realtime, RealtimeWork { hearings, unwritten: unwritten_receiver, keeps: keeps_receiver })
    }

    /// Takes a seat before joining, so that nothing that happens meanwhile is missed.
    pub fn enter(self: &Arc<Self>, key: &TopicKey) -> TopicSeat {
        let mut slots = self.slots.write();
        let slot = slots.entry(key.clone()).or_insert_with(|| {
            let now_us = self.parts.clock.now_us();
            let topic = Arc::new(Topic::new(key.clone(), self.parts.audiences.audience_of(key), now_us));
            Slot { seats: 0, topic, is_heard: self.hearing.hear(relay::Topic::Realtime(key.clone())) }
        });
        slot.seats += 1;
        TopicSeat { realtime: self.clone(), topic: slot.topic.clone(), is_heard: slot.is_heard.clone() }
    }

    /// Sends a broadcast to everybody on the topic: on this node at once, then on the others.
    fn broadcast(&self, key: &TopicKey, from: Option<u64>, event: String, body: Body) -> Arc<Broadcast> {
        let now_us = self.parts.clock.now_us();
        let id = key.private.then(|| new_id(now_us));
        let broadcast = Arc::new(Broadcast { event, body, id, at_ms: now_us.div_euclid(1_000) });
        let topic = self.slots.read().get(key).map(|slot| slot.topic.clone());
        if let Some(topic) = topic {
            topic.deliver(from, &broadcast);
        }
        self.publish(relay::Topic::Realtime(key.clone()), relay::Body::Broadcast(broadcast.clone()));
        broadcast
    }

    /// Tells the other nodes.
    fn publish(&self, topic: relay::Topic, body: relay::Body) {
        let membership = &self.parts.membership;
        let (origin, incarnation) = (membership.node().clone(), membership.incarnation());
        if let Err(error) = self.parts.relay.publish(&topic, Envelope { origin, incarnation, body }) {
            tracing::debug!(relay.topic = %topic, %error, "not published");
        }
    }

    /// Another node speaks about a topic.
    pub fn hear(&self, key: &TopicKey, envelope: Envelope) {
        let Some(topic) = self.slots.read().get(key).map(|slot| slot.topic.clone()) else { return };
        match &envelope.body {
            relay::Body::Broadcast(broadcast) => topic.deliver(None, broadcast),
            relay::Body::Presences(presences) => {
                let mut state = topic.lock();
                let own = self.parts.membership.home();
                let told = state.hear(presences, &own, self.parts.clock.boot_us());
                self.spread(&topic, &mut state, told);
            }
            // A neighbouring release may say more than this one understands.
            _ => {}
        }
    }

    /// Messages of other nodes about these topics were lost, or about any (None).
    pub fn note_gap(&self, topics: Option<&[relay::Topic]>) {
        let slots = self.slots.read();
        let is_missed = |key: &TopicKey| topics.is_none_or(|t| t.contains(&relay::Topic::Realtime(key.clone())));
        slots.iter().filter(|(key, _)| is_missed(key)).for_each(|(_, slot)| slot.topic.lock().is_stale = true);
    }

    /// Sends what has changed among presences; to be called some twenty times a second.
    pub fn send_diffs(&self) {
        let changed = std::mem::take(&mut *self.changed.lock());
        changed.iter().for_each(|topic| topic.send_diff());
    }

    /// What a connection shows of itself is now this, or nothing.
    fn set_presence(&self, present: &Present, fields: Option<Arc<str>>) -> Result<(), TopicIsFull> {
        let Present { topic, connection, key, is_over } = present;
        let mut state = topic.lock();
        let is_track = fields.is_some();
        if is_track && is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let home = self.parts.membership.home();
        let Some(change) = state.roll.change(&home, *connection, key, fields) else {
            let is_refused = is_track && state.roll.is_full() && !state.roll.has(*connection);
            return if is_refused { Err(TopicIsFull) } else { Ok(()) };
        };
        state.roll.take_in(&change, self.parts.clock.boot_us());
        self.spread(topic, &mut state, [*connection]);
        Ok(())
    }

    /// Resolves once it is known who is present, or cannot be for now.
    async fn presences_known(&self, topic: &Arc<Topic>) {
        let _only_one = topic.reading.lock().await;
        if topic.lock().read_us.is_none() {
            self.read_presences(topic).await;
        }
    }

    /// The presences of these connections have changed: the audience hears of it, the store, and the other nodes.
    fn spread(&self, topic: &Arc<Topic>, state: &mut TopicState, connections: impl IntoIterator<Item = u64>) {
        if state.note_change() {
            self.changed.lock().push(topic.clone());
        }
        if state.queue(connections) {
            self.under_way.send_modify(|under_way| *under_way += 1);
            // Nobody writes any more only when the node is going down.
            let _ = self.unwritten.send(topic.clone());
        }
    }
}

/// A connection as others may see it on a topic.
struct Present {
    topic: Arc<Topic>,
    connection: u64,
    key: Arc<str>,
    /// It has left: nothing that it asked for before shows it again.
    is_over: AtomicBool,
}

/// There is no room for one more presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PresenceLimitReached: Too many presences on this topic")]
pub struct TopicIsFull;

impl TopicSeat {
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// Resolves once everything that other nodes say on the topic is heard here, or cannot be for now.
    async fn heard(&mut self) {
        // Nobody carries wishes out any more only when the node is going down.
        let _ = self.is_heard.wait_for(|heard| *heard).await;
    }
}

impl Drop for TopicSeat {
    fn drop(&mut self) {
        let mut slots = self.realtime.slots.write();
        let Some(slot) = slots.get_mut(self.topic.key()) else { return };
        slot.seats -= 1;
        if slot.seats == 0 {
            slots.remove(self.topic.key());
            self.realtime.hearing.ignore(relay::Topic::Realtime(self.topic.key().clone()));
            // Under the lock: whoever comes next opens the topic anew, and must not lose that audience to this goodbye.
            self.realtime.parts.audiences.dismiss(self.topic.key());
        }
    }
}

/// A broadcast's name: sorts by time, and is no other's.
fn new_id(now_us: i64) -> String {
    // Where the system gives no randomness, two of one microsecond may be taken for the same.
    format!("{now_us:x}-{:08x}", getrandom::u32().unwrap_or_default())
}
