//! Nodes that can ask each other, on a bus whose losses the test chooses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use downbeat::relay::{
    Body, Calls, Envelope, INBOX_CAPACITY, Inbound, LocalBus, LocalRelay, NotPublished, Relay, RelayFigures,
    SubscribeError, Topic,
};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

/// What becomes of a message that a node publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    IsLost,
    IsRefused,
}

type Rule = Box<dyn FnMut(&Body) -> Fate + Send>;

/// A node's place on the bus, with a rule for what it publishes.
pub struct FaultyRelay {
    inner: LocalRelay,
    rule: Mutex<Rule>,
}

#[async_trait]
impl Relay for FaultyRelay {
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished> {
        let fate = (self.rule.lock())(&envelope.body);
        match fate {
            Fate::Arrives => self.inner.publish(topic, envelope),
            Fate::IsLost => Ok(()),
            Fate::IsRefused => Err(NotPublished::Unreachable),
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

/// A node as far as calls go.
pub struct Node {
    pub id: Arc<str>,
    pub calls: Arc<Calls>,
    relay: Arc<FaultyRelay>,
    inbox: JoinHandle<()>,
}

impl Node {
    pub fn join(bus: &LocalBus, id: &str) -> Self {
        let (inner, mut inbox) = bus.join(id, INBOX_CAPACITY);
        let relay = Arc::new(FaultyRelay { inner, rule: Mutex::new(Box::new(|_| Fate::Arrives)) });
        let calls = Arc::new(Calls::new(relay.clone(), id.into(), 1, || 7));
        let hearing = calls.clone();
        let inbox = tokio::spawn(async move {
            while let Some(inbound) = inbox.recv().await {
                if let Inbound::Message { envelope, .. } = inbound {
                    hearing.take_in(envelope);
                }
            }
        });
        Self { id: id.into(), calls, relay, inbox }
    }

    /// From now on `rule` says what becomes of what this node publishes.
    pub fn publishes(&self, rule: impl FnMut(&Body) -> Fate + Send + 'static) {
        *self.relay.rule.lock() = Box::new(rule);
    }

    /// Loses the next `count` messages of this node, and then no more.
    pub fn loses_next(&self, count: usize) {
        let left = AtomicUsize::new(count);
        self.publishes(move |_| {
            let lost = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if lost.is_ok() { Fate::IsLost } else { Fate::Arrives }
        });
    }

    /// Neither hears nor says anything any more.
    pub fn dies(&self) {
        self.inbox.abort();
        self.publishes(|_| Fate::IsLost);
    }
}

/// Lets the clock, which the test has paused, run on by `time`.
#[allow(dead_code, reason = "not every test that uses this module needs it")]
pub async fn pass(time: Duration) {
    let nothing = tokio::time::timeout(time, std::future::pending::<()>());
    nothing.await.expect_err("nothing ever comes");
}

/// How long `future` takes by tokio's clock, which a test that has paused it owns.
pub async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begun = tokio::time::Instant::now();
    let result = future.await;
    (result, begun.elapsed())
}
