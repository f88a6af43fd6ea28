//! Topics `realtime:*`: broadcasts and presences among whoever joins, as Supabase's clients speak them.
//!
//! A broadcast takes one hop: to everybody on this node at once, and over the relay to the other nodes' sockets; one of a
//! private topic goes by way of the store, which keeps it for replay (`saying.rs`). Presences are kept in the store, so
//! that a newcomer on any node reads them whole; each process tells the others what changes, and takes its own with it
//! when it dies (`presence.rs`, `tending.rs`). What is on the wire stands in `channel.rs`; what is pushed is read by
//! `message.rs` and `config.rs`.

mod channel;
mod config;
mod join;
mod keeper;
mod listeners;
mod message;
mod post;
mod presence;
mod roll;
mod saying;
mod seat;
mod tending;
mod topic;

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc, watch};

pub(super) use channel::{PRESENCE_TOO_FAST, TRACK_BYTES_MAX, TRACKS_PER_SECOND, is_too_large};
pub use channel::{RealtimeTopic, bytes_max};
pub use config::{BadConfig, JoinConfig, REPLAY_MAX, Replay};
pub use keeper::RealtimeWork;
pub use listeners::{TopicAudience, TopicAudiences};
pub use message::{BadMessage, PresenceMessage, Said};
pub use post::{Post, PostRefused, Sound};
pub use roll::{PRESENCES_MAX, SHOWN_BYTES_MAX, TopicIsFull};
pub use seat::TopicSeat;
pub use topic::{Topic, TopicState};

use self::{presence::Present, saying::Keep};
use crate::{
    conductor::Mirror,
    placement::{Directory, Membership},
    protocol::TopicKey,
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
    keeps: mpsc::UnboundedSender<Keep>,
    /// How many broadcasts of each tenant wait for the store.
    waiting: Mutex<HashMap<Arc<str>, usize>>,
    /// How much is still on its way to the store.
    under_way: watch::Sender<usize>,
    tended: Mutex<tending::Tended>,
    /// Presences that are read again at once.
    reads: Arc<Semaphore>,
}

/// A topic and how many joins on this node hold it, those still under way included.
struct Slot {
    seats: usize,
    topic: Arc<Topic>,
    is_heard: IsHeard,
}

impl Realtime {
    pub fn new(parts: RealtimeParts) -> (Self, RealtimeWork) {
        let (hearing, hearings) = Hearing::new();
        let (unwritten, unwritten_receiver) = mpsc::unbounded_channel();
        let (keeps, keeps_receiver) = mpsc::unbounded_channel();
        let tended = Mutex::new(tending::Tended::of(&parts));
        let realtime = Self {
            parts,
            hearing,
            slots: RwLock::default(),
            changed: Mutex::default(),
            unwritten,
            keeps,
            waiting: Mutex::default(),
            under_way: watch::Sender::new(0),
            tended,
            reads: Arc::new(Semaphore::new(tending::READS_AT_ONCE)),
        };
        (realtime, RealtimeWork { hearings, unwritten: unwritten_receiver, keeps: keeps_receiver })
    }

    fn topic(&self, key: &TopicKey) -> Option<Arc<Topic>> {
        self.slots.read().get(key).map(|slot| slot.topic.clone())
    }

    /// Tells the other nodes.
    fn publish(&self, key: &TopicKey, body: relay::Body) {
        let membership = &self.parts.membership;
        let (origin, incarnation) = (membership.node().clone(), membership.incarnation());
        let topic = relay::Topic::Realtime(key.clone());
        if let Err(error) = self.parts.relay.publish(&topic, Envelope { origin, incarnation, body }) {
            tracing::debug!(relay.topic = %topic, %error, "not published");
        }
    }

    /// Another node speaks about a topic.
    pub fn hear(&self, key: &TopicKey, envelope: Envelope) {
        let Some(topic) = self.topic(key) else { return };
        let boot_us = self.parts.clock.boot_us();
        match &envelope.body {
            relay::Body::Broadcast(broadcast) => topic.deliver(None, broadcast, false, boot_us),
            relay::Body::Presences(presences) => {
                let mut state = topic.lock();
                let told = state.hear(presences, &self.parts.membership.home(), boot_us);
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
}
