//! A node's place on the bus, with a rule for what becomes of its messages.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use downbeat::{
    relay::{Body, Envelope, LocalRelay, NotPublished, Relay, RelayFigures, SubscribeError, Topic},
    time::{Clock, FakeClock},
};
use parking_lot::Mutex;

/// None: lost. Otherwise how many milliseconds it is under way.
type Rule = Box<dyn FnMut(&Body) -> Option<i64> + Send>;

pub struct Wire {
    inner: LocalRelay,
    clock: Arc<FakeClock>,
    rule: Mutex<Rule>,
    /// By when they arrive, and in the order in which they were sent.
    under_way: Mutex<BTreeMap<(i64, u64), (Topic, Envelope)>>,
    sent: AtomicU64,
}

impl Wire {
    pub fn over(inner: LocalRelay, clock: Arc<FakeClock>) -> Self {
        Self {
            inner,
            clock,
            rule: Mutex::new(Box::new(|_| Some(0))),
            under_way: Mutex::default(),
            sent: AtomicU64::new(0),
        }
    }

    pub fn rule(&self, rule: impl FnMut(&Body) -> Option<i64> + Send + 'static) {
        *self.rule.lock() = Box::new(rule);
    }

    pub fn loses_all(&self) {
        self.rule(|_| None);
    }

    pub fn heal(&self) {
        self.rule(|_| Some(0));
    }

    /// Hands over what has been under way for long enough.
    pub fn deliver(&self) {
        let mut under_way = self.under_way.lock();
        let later = under_way.split_off(&(self.clock.now_us() + 1, 0));
        for (topic, envelope) in std::mem::replace(&mut *under_way, later).into_values() {
            self.inner.publish(&topic, envelope).expect("a local bus takes what fits");
        }
    }
}

#[async_trait]
impl Relay for Wire {
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished> {
        match (self.rule.lock())(&envelope.body) {
            None => Ok(()),
            Some(0) => self.inner.publish(topic, envelope),
            Some(ms) => {
                let place = (self.clock.now_us() + ms * 1_000, self.sent.fetch_add(1, Ordering::Relaxed));
                self.under_way.lock().insert(place, (topic.clone(), envelope));
                Ok(())
            }
        }
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), SubscribeError> {
        self.inner.subscribe(topic).await
    }

    async fn unsubscribe(&self, topic: &Topic) {
        self.inner.unsubscribe(topic).await;
    }

    fn is_reachable(&self) -> bool {
        self.inner.is_reachable()
    }

    fn figures(&self) -> RelayFigures {
        self.inner.figures()
    }
}
