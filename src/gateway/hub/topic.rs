//! The sockets of one realtime topic on this node.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Shared, encoding::Encoded};
use crate::{
    channels::realtime::TopicAudience,
    conductor::Class,
    gateway::{frame::Frame, outbox::Outbox},
    protocol::{Broadcast, Ref, TopicKey, Vsn, encode_broadcast, encode_push, event},
};

/// One socket's place in a topic's audience.
pub struct RealtimeSubscriber {
    pub connection: u64,
    pub outbox: Arc<Outbox>,
    pub vsn: Vsn,
    pub join_ref: Option<Ref>,
    /// It hears its own broadcasts.
    pub hears_itself: bool,
    pub presence: PresenceHearing,
}

/// Whether a socket hears who comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceHearing {
    Off,
    /// It waits for the state.
    Awaits,
    On,
}

/// The sockets of one realtime topic on this node.
pub struct RealtimeAudience {
    shared: Arc<Shared>,
    topic: String,
    subscribers: Mutex<Vec<RealtimeSubscriber>>,
}

impl RealtimeAudience {
    pub(super) fn new(shared: Arc<Shared>, key: &TopicKey) -> Self {
        Self { shared, topic: key.on_the_wire(), subscribers: Mutex::default() }
    }

    /// Adds a socket; to be called under the topic's lock, so that it misses nothing and hears nothing twice.
    pub fn add(&self, subscriber: RealtimeSubscriber) {
        self.subscribers.lock().push(subscriber);
    }

    pub fn remove(&self, connection: u64) {
        let mut subscribers = self.subscribers.lock();
        if let Some(at) = subscribers.iter().position(|subscriber| subscriber.connection == connection) {
            subscribers.swap_remove(at);
        }
        if subscribers.capacity() > 4 * subscribers.len() + 8 {
            subscribers.shrink_to_fit();
        }
    }

    /// The frame of a broadcast for one socket that missed it; none where its serializer cannot carry it.
    pub fn replay(&self, vsn: Vsn, broadcast: &Broadcast) -> Option<Frame> {
        Encoded::new(&self.topic, broadcast, true).frame(vsn).cloned()
    }
}

impl TopicAudience for RealtimeAudience {
    fn broadcast(&self, from: Option<u64>, told: &[u64], broadcast: &Broadcast) {
        let boot_us = self.shared.clock.boot_us();
        let mut encoded = Encoded::new(&self.topic, broadcast, false);
        let mut sent = 0;
        for subscriber in &*self.subscribers.lock() {
            let is_its_own = !subscriber.hears_itself && from == Some(subscriber.connection);
            if is_its_own || told.contains(&subscriber.connection) {
                continue;
            }
            if let Some(frame) = encoded.frame(subscriber.vsn) {
                sent += u64::from(self.shared.push(&subscriber.outbox, frame, 0, boot_us));
            }
        }
        self.shared.count(Class::Broadcast, sent);
    }

    fn presence_diff(&self, diff: &str) {
        let boot_us = self.shared.clock.boot_us();
        let encode = |vsn| Frame::text(&encode_broadcast(vsn, &self.topic, event::PRESENCE_DIFF, diff));
        let (mut v1, mut v2) = (None, None);
        let mut sent = 0;
        for subscriber in self.subscribers.lock().iter().filter(|subscriber| subscriber.presence == PresenceHearing::On)
        {
            let frame = match subscriber.vsn {
                Vsn::V1 => v1.get_or_insert_with(|| encode(Vsn::V1)),
                Vsn::V2 => v2.get_or_insert_with(|| encode(Vsn::V2)),
            };
            sent += u64::from(self.shared.push(&subscriber.outbox, frame, 0, boot_us));
        }
        self.shared.count(Class::Presence, sent);
    }

    fn presence_state(&self, state: &mut dyn FnMut() -> String) {
        let boot_us = self.shared.clock.boot_us();
        let mut payload: Option<String> = None;
        let mut subscribers = self.subscribers.lock();
        let waiting = subscribers.iter_mut().filter(|subscriber| subscriber.presence == PresenceHearing::Awaits);
        for RealtimeSubscriber { vsn, join_ref, outbox, presence, .. } in waiting {
            let payload = payload.get_or_insert_with(&mut *state);
            let frame = encode_push(*vsn, join_ref.as_ref(), &self.topic, event::PRESENCE_STATE, payload);
            outbox.push(Frame::text(&frame), boot_us);
            *presence = PresenceHearing::On;
        }
    }

    fn enable_presence(&self, connection: u64) {
        let mut subscribers = self.subscribers.lock();
        let found = subscribers.iter_mut().find(|subscriber| subscriber.connection == connection);
        if let Some(subscriber) = found.filter(|subscriber| subscriber.presence == PresenceHearing::Off) {
            subscriber.presence = PresenceHearing::Awaits;
        }
    }
}
