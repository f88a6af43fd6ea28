//! Fan-out: one encoding per serializer, shared by all of a room's or topic's sockets on this node.

mod encoding;
mod room;
mod topic;

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use prometheus_client::metrics::counter::Counter;

use super::{
    flusher::Flusher,
    frame::Frame,
    outbox::{COALESCE_US, LINGER_US, Outbox, Pushed},
};
use crate::{
    channels::realtime::{TopicAudience, TopicAudiences},
    conductor::{Audience, Audiences, Class},
    protocol::TopicKey,
    room::RoomKey,
    telemetry::{Kind, Metrics},
    time::Clock,
};

pub use room::{RoomAudience, Style, Subscriber};
pub use topic::{PresenceHearing, RealtimeAudience, RealtimeSubscriber};

/// The audiences of all rooms and topics with members on this node.
pub struct Hub {
    shared: Arc<Shared>,
    rooms: RwLock<HashMap<RoomKey, Arc<RoomAudience>>>,
    topics: RwLock<HashMap<TopicKey, Arc<RealtimeAudience>>>,
}

/// What all audiences send by and count with.
struct Shared {
    clock: Arc<dyn Clock>,
    flusher: Flusher,
    lingerer: Flusher,
    beats: Counter,
    notes: Counter,
    controls: Counter,
    presence: Counter,
    broadcasts: Counter,
    beats_coalesced: Counter,
    slow_readers: Counter,
}

impl Hub {
    pub fn new(clock: Arc<dyn Clock>, metrics: &Metrics) -> Self {
        let fan_out = |kind| metrics.fan_out.get_or_create(&Kind { kind }).clone();
        let drops = |kind| metrics.queue_drops.get_or_create(&Kind { kind }).clone();
        let shared = Shared {
            clock,
            flusher: Flusher::new(COALESCE_US),
            lingerer: Flusher::new(LINGER_US),
            beats: fan_out("beat"),
            notes: fan_out("note"),
            controls: fan_out("control"),
            presence: fan_out("presence"),
            broadcasts: fan_out("broadcast"),
            beats_coalesced: drops("beat_coalesced"),
            slow_readers: drops("slow_reader"),
        };
        Self { shared: Arc::new(shared), rooms: RwLock::default(), topics: RwLock::default() }
    }

    /// The audience of a room that the mirror holds.
    pub fn audience(&self, key: &RoomKey) -> Option<Arc<RoomAudience>> {
        self.rooms.read().get(key).cloned()
    }

    /// The audience of a topic that somebody on this node has joined, or is joining.
    pub fn topic(&self, key: &TopicKey) -> Option<Arc<RealtimeAudience>> {
        self.topics.read().get(key).cloned()
    }

    /// Sends a frame that nobody waits for to one socket.
    pub fn push_unhurried(&self, outbox: &Arc<Outbox>, frame: Frame) {
        outbox.push_unhurried(frame, self.shared.clock.boot_us(), &self.shared.lingerer);
    }

    /// Writes to busy sockets in turn. Runs for the node's life.
    pub async fn run(&self) {
        let clock = &*self.shared.clock;
        tokio::join!(self.shared.flusher.run(clock), self.shared.lingerer.run(clock));
    }
}

impl Audiences for Hub {
    fn audience_of(&self, key: &RoomKey, serial: u64) -> Arc<dyn Audience> {
        let audience = Arc::new(RoomAudience::new(self.shared.clone(), key, serial));
        self.rooms.write().insert(key.clone(), audience.clone());
        audience
    }

    fn dismiss(&self, key: &RoomKey) {
        self.rooms.write().remove(key);
    }
}

impl TopicAudiences for Hub {
    fn audience_of(&self, key: &TopicKey) -> Arc<dyn TopicAudience> {
        let audience = Arc::new(RealtimeAudience::new(self.shared.clone(), key));
        self.topics.write().insert(key.clone(), audience.clone());
        audience
    }

    fn dismiss(&self, key: &TopicKey) {
        self.topics.write().remove(key);
    }
}

impl Shared {
    /// Sends a frame of a fan-out to one socket; true when it was queued.
    fn push(&self, outbox: &Arc<Outbox>, frame: &Frame, beat_of: u64, boot_us: i64) -> bool {
        match outbox.push_shared(frame.clone(), beat_of, boot_us, &self.flusher) {
            Pushed::Queued => true,
            Pushed::Coalesced { dropped } => {
                self.beats_coalesced.inc_by(dropped as u64);
                true
            }
            Pushed::Overflowed => {
                self.slow_readers.inc();
                false
            }
            Pushed::Closing => false,
        }
    }

    fn count(&self, class: Class, sent: u64) {
        let counter = match class {
            Class::Beat => &self.beats,
            Class::Note => &self.notes,
            Class::Control => &self.controls,
            Class::Presence => &self.presence,
            Class::Broadcast => &self.broadcasts,
        };
        counter.inc_by(sent);
    }
}
