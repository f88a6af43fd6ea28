//! The sockets of one room on this node.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::{Shared, encoding::Encoded};
use crate::{
    channels::MUSIC_ROOM,
    conductor::{Audience, Class, Recipients},
    gateway::{
        frame::Frame,
        outbox::{Outbox, Signal},
        session::Instance,
    },
    protocol::{Broadcast, Ref, Vsn, broadcast::as_broadcast, encode_broadcast, encode_push, event, topic::REALTIME},
    room::RoomKey,
};

/// How a connection hears the room's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// On `music_room:<CODE>`, as they are.
    Plain,
    /// On `realtime:music_room:<CODE>`, as broadcasts.
    Bridged {
        /// It hears its own broadcasts.
        hears_itself: bool,
        /// It hears who comes and goes.
        hears_presence: bool,
    },
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
    pub style: Style,
}

/// The sockets of one room on this node.
pub struct RoomAudience {
    shared: Arc<Shared>,
    /// The topic of those who speak to the room itself.
    plain: Arc<str>,
    /// The topic of those who speak to it over the bridge.
    bridged: Arc<str>,
    /// Tells this room's beats from another's in a socket's queue; never 0.
    serial: u64,
    subscribers: Mutex<Vec<Subscriber>>,
    /// Their number, to be had without the lock, which is held for as long as a fan-out takes.
    size: AtomicUsize,
}

impl RoomAudience {
    pub(super) fn new(shared: Arc<Shared>, key: &RoomKey, serial: u64) -> Self {
        Self {
            shared,
            plain: format!("{MUSIC_ROOM}{}", key.code).into(),
            bridged: format!("{REALTIME}{MUSIC_ROOM}{}", key.code).into(),
            serial,
            subscribers: Mutex::default(),
            size: AtomicUsize::new(0),
        }
    }

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

    fn end(&self, subscriber: &Subscriber, event: Option<(&str, &str)>, for_good: bool) {
        let Subscriber { vsn, join_ref, outbox, instance, style, .. } = subscriber;
        let topic = self.topic(*style);
        if let Some((event, payload)) = event {
            let frame = match style {
                Style::Plain => encode_push(*vsn, join_ref.as_ref(), topic, event, payload),
                Style::Bridged { .. } => self.bridge(*vsn, event, payload),
            };
            outbox.push(Frame::text(&frame), self.shared.clock.boot_us());
        }
        outbox.signal(Signal::ChannelEnded { topic: topic.clone(), instance: *instance, for_good });
    }

    fn topic(&self, style: Style) -> &Arc<str> {
        match style {
            Style::Plain => &self.plain,
            Style::Bridged { .. } => &self.bridged,
        }
    }

    /// An event of the room for those who hear it over the bridge.
    fn bridge(&self, vsn: Vsn, event: &str, payload: &str) -> String {
        if is_presence(event) {
            return encode_broadcast(vsn, &self.bridged, event, payload);
        }
        encode_broadcast(vsn, &self.bridged, event::BROADCAST, &as_broadcast(event, payload))
    }
}

impl Audience for RoomAudience {
    fn send(&self, to: Recipients<'_>, class: Class, event: &str, payload: &str) {
        let boot_us = self.shared.clock.boot_us();
        let beat_of = if class == Class::Beat { self.serial } else { 0 };
        // By serializer and style.
        let mut frames: [Option<Frame>; 4] = Default::default();
        let mut sent = 0;
        for subscriber in self.subscribers.lock().iter().filter(|subscriber| subscriber.hears(to, event)) {
            let (vsn, style) = (subscriber.vsn, subscriber.style);
            let place = usize::from(vsn == Vsn::V2) + if style == Style::Plain { 0 } else { 2 };
            let frame = frames[place].get_or_insert_with(|| {
                Frame::text(&match style {
                    Style::Plain => encode_broadcast(vsn, &self.plain, event, payload),
                    Style::Bridged { .. } => self.bridge(vsn, event, payload),
                })
            });
            sent += u64::from(self.shared.push(&subscriber.outbox, frame, beat_of, boot_us));
        }
        self.shared.count(class, sent);
    }

    fn broadcast(&self, from: Option<u64>, broadcast: &Broadcast) {
        let boot_us = self.shared.clock.boot_us();
        let mut encoded = Encoded::new(&self.bridged, broadcast, false);
        let mut sent = 0;
        for subscriber in &*self.subscribers.lock() {
            let Style::Bridged { hears_itself, .. } = subscriber.style else { continue };
            if !hears_itself && from == Some(subscriber.connection) {
                continue;
            }
            if let Some(frame) = encoded.frame(subscriber.vsn) {
                sent += u64::from(self.shared.push(&subscriber.outbox, frame, 0, boot_us));
            }
        }
        self.shared.count(Class::Broadcast, sent);
    }

    fn enable_presence(&self, connection: u64, state: &mut dyn FnMut() -> String) {
        let mut subscribers = self.subscribers.lock();
        let Some(subscriber) = subscribers.iter_mut().find(|subscriber| subscriber.connection == connection) else {
            return;
        };
        if let Style::Bridged { hears_presence, .. } = &mut subscriber.style
            && !std::mem::replace(hears_presence, true)
        {
            let frame = self.bridge(subscriber.vsn, event::PRESENCE_STATE, &state());
            subscriber.outbox.push(Frame::text(&frame), self.shared.clock.boot_us());
        }
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
    fn hears(&self, recipients: Recipients<'_>, event: &str) -> bool {
        if is_presence(event) && matches!(self.style, Style::Bridged { hears_presence: false, .. }) {
            return false;
        }
        match recipients {
            Recipients::All => true,
            Recipients::Teachers => self.is_teacher,
            Recipients::Student(student_id) => *self.student_id == *student_id,
        }
    }
}

/// Presence has events of its own on every topic.
fn is_presence(event: &str) -> bool {
    matches!(event, event::PRESENCE_STATE | event::PRESENCE_DIFF)
}
