//! A join's hold on a topic: as long as anybody has one, the topic is heard here.

use std::sync::Arc;

use super::{Realtime, Slot, Topic};
use crate::{
    protocol::TopicKey,
    relay::{self, IsHeard},
};

/// One join's hold on a topic, which is forgotten here when the last is dropped.
pub struct TopicSeat {
    realtime: Arc<Realtime>,
    topic: Arc<Topic>,
    is_heard: IsHeard,
}

impl Realtime {
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
}

impl TopicSeat {
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// Resolves once everything that other nodes say on the topic is heard here, or cannot be for now.
    pub(super) async fn heard(&mut self) {
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
