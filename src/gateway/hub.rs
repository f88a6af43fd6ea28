//! Fan-out: one encoding per serializer, shared by all of a room's sockets on this node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;

use super::{
    flusher::Flusher,
    frame::Frame,
    outbox::{Outbox, Pushed, Signal},
    session::Instance,
};
use crate::{
    conductor::{Audience, Audiences, Class, Recipients},
    protocol::{Ref, Vsn, encode_broadcast, encode_push},
    room::RoomKey,
    telemetry::{Kind, Metrics},
    time::Clock,
};

/// The audiences of all rooms with members on this node.
pub struct Hub {
    shared: Arc<Shared>,
    rooms: RwLock<HashMap<RoomKey, Arc<RoomAudience>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    flusher: Flusher,
    beats: Counter,
    notes: Counter,
    controls: Counter,
    presence: Counter,
    beats_coalesced: Counter,
    slow_readers: Counter,
}

/// One socket's place in a room's audience.
pub struct Subscriber {
    pub connection: u64,
    pub instance: Instance,
    pub outbox: Arc<Outbox>,
    pub vsn: Vsn,
    pub join_ref: Option<Ref>,
    pub student_id: Arc<str>,
    pub is_teacher: bool,
}

/// The sockets of one room on this node.
pub struct RoomAudience {
    shared: Arc<Shared>,
    topic: Arc<str>,
    /// Tells this room's beats from another's in a socket's queue; never 0.
    serial: u64,
    subscribers: Mutex<Vec<Subscriber>>,
    /// Their number, to be had without the lock, which is held for as long as a fan-out takes.
    size: AtomicUsize,
}

impl Hub {
    pub fn new(clock: Arc<dyn Clock>, metrics: &Metrics) -> Self {
        let fan_out = |kind| metrics.fan_out.get_or_create(&Kind { kind }).clone();
        let drops = |kind| metrics.queue_drops.get_or_create(&Kind { kind }).clone();
        let shared = Shared {
            clock,
            flusher: Flusher::default(),
            beats: fan_out("beat"),
            notes: fan_out("note"),
            controls: fan_out("control"),
            presence: fan_out("presence"),
            beats_coalesced: drops("beat_coalesced"),
            slow_readers: drops("slow_reader"),
        };
        Self { shared: Arc::new(shared), rooms: RwLock::default() }
    }

    /// The audience of a room that the mirror holds.
    pub fn audience(&self, key: &RoomKey) -> Option<Arc<RoomAudience>> {
        self.rooms.read().get(key).cloned()
    }

    /// Wakes busy sockets in turn. Runs for the node's life.
    pub async fn run(&self) {
        self.shared.flusher.run(&*self.shared.clock).await;
    }
}

impl Audiences for Hub {
    fn audience_of(&self, key: &RoomKey, serial: u64) -> Arc<dyn Audience> {
        let audience = Arc::new(RoomAudience {
            shared: self.shared.clone(),
            topic: format!("music_room:{}", key.code).into(),
            serial,
            subscribers: Mutex::default(),
            size: AtomicUsize::new(0),
        });
        self.rooms.write().insert(key.clone(), audience.clone());
        audience
    }

    fn dismiss(&self, key: &RoomKey) {
        self.rooms.write().remove(key);
    }
}

impl RoomAudience {
    /// Adds a socket; to be called under the room's lock, so that it misses nothing and hears nothing twice.
    pub fn add(&self, subscriber: Subscriber) {
        let mut subscribers = self.subscribers.lock();
        subscribers.push(subscriber);
        self.count_subscribers(&subscribers);
    }

    /// A fresh token has made a teacher of this connection, or none any longer.
    pub fn set_teacher(&self, connection: u64, is_teacher: bool) {
        let mut subscribers = self.subscribers.lock();
        if let Some(subscriber) = subscribers.iter_mut().find(|subscriber| subscriber.connection == connection) {
            subscriber.is_teacher = is_teacher;
        }
    }

    pub fn remove(&self, connection: u64) {
        let mut subscribers = self.subscribers.lock();
        if let Some(at) = subscribers.iter().position(|subscriber| subscriber.connection == connection) {
            subscribers.swap_remove(at);
        }
        if subscribers.capacity() > 4 * subscribers.len() + 8 {
            subscribers.shrink_to_fit();
        }
        self.count_subscribers(&subscribers);
    }

    fn count_subscribers(&self, subscribers: &[Subscriber]) {
        self.size.store(subscribers.len(), Ordering::Relaxed);
    }

    fn count(&self, class: Class, sent: u64) {
        let counter = match class {
            Class::Beat => &self.shared.beats,
            Class::Note => &self.shared.notes,
            Class::Control => &self.shared.controls,
            Class::Presence => &self.shared.presence,
        };
        counter.inc_by(sent);
    }

    fn end(&self, subscriber: &Subscriber, event: Option<(&str, &str)>, for_good: bool) {
        let Subscriber { vsn, join_ref, outbox, instance, .. } = subscriber;
        if let Some((event, payload)) = event {
            let frame = encode_push(*vsn, join_ref.as_ref(), &self.topic, event, payload);
            outbox.push(Frame::text(&frame), self.shared.clock.boot_us());
        }
        outbox.signal(Signal::ChannelEnded { topic: self.topic.clone(), instance: *instance, for_good });
    }
}

impl Audience for RoomAudience {
    fn send(&self, to: Recipients<'_>, class: Class, event: &str, payload: &str) {
        let boot_us = self.shared.clock.boot_us();
        let beat_of = if class == Class::Beat { self.serial } else { 0 };
        let encode = |vsn| Frame::text(&encode_broadcast(vsn, &self.topic, event, payload));
        let (mut v1, mut v2) = (None, None);
        let mut sent = 0;
        for subscriber in self.subscribers.lock().iter().filter(|subscriber| subscriber.is_among(to)) {
            let frame = match subscriber.vsn {
                Vsn::V1 => v1.get_or_insert_with(|| encode(Vsn::V1)),
                Vsn::V2 => v2.get_or_insert_with(|| encode(Vsn::V2)),
            };
            match subscriber.outbox.push_shared(frame.clone(), beat_of, boot_us, &self.shared.flusher) {
                Pushed::Queued => sent += 1,
                Pushed::Coalesced { dropped } => {
                    sent += 1;
                    self.shared.beats_coalesced.inc_by(dropped as u64);
                }
                Pushed::Overflowed => {
                    self.shared.slow_readers.inc();
                }
                Pushed::Closing => {}
            }
        }
        self.count(class, sent);
    }

    fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    fn eject(&self, connections: &[u64], event: Option<(&str, &str)>) {
        let mut subscribers = self.subscribers.lock();
        subscribers.retain(|subscriber| {
            let goes = connections.contains(&subscriber.connection);
            if goes {
                self.end(subscriber, event, true);
            }
            !goes
        });
        self.count_subscribers(&subscribers);
    }

    fn end_all(&self, for_good: bool) {
        let mut subscribers = self.subscribers.lock();
        for subscriber in subscribers.drain(..) {
            self.end(&subscriber, None, for_good);
        }
        self.count_subscribers(&subscribers);
    }
}

impl Subscriber {
    fn is_among(&self, recipients: Recipients<'_>) -> bool {
        match recipients {
            Recipients::All => true,
            Recipients::Teachers => self.is_teacher,
            Recipients::Student(student_id) => *self.student_id == *student_id,
        }
    }
}
