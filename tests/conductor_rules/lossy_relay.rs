//! A node's place on the bus, which loses what its test says, and remembers what the node has said.

use async_trait::async_trait;
use downbeat::relay::{Body, Envelope, LocalRelay, NotPublished, Relay, RelayFigures, SubscribeError, Topic};
use parking_lot::Mutex;

type IsLost = Box<dyn FnMut(&Body) -> bool + Send>;

pub struct LossyRelay {
    inner: LocalRelay,
    is_lost: Mutex<IsLost>,
    said: Mutex<Vec<Envelope>>,
}

impl LossyRelay {
    pub fn over(inner: LocalRelay) -> Self {
        Self { inner, is_lost: Mutex::new(Box::new(|_| false)), said: Mutex::default() }
    }

    /// From now on the node's messages are lost of which this says so.
    pub fn loses(&self, is_lost: impl FnMut(&Body) -> bool + Send + 'static) {
        *self.is_lost.lock() = Box::new(is_lost);
    }

    pub fn heal(&self) {
        self.loses(|_| false);
    }

    /// All that the node has published since the last call, what was lost included.
    pub fn said(&self) -> Vec<Envelope> {
        std::mem::take(&mut self.said.lock())
    }
}

#[async_trait]
impl Relay for LossyRelay {
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished> {
        self.said.lock().push(envelope.clone());
        if (self.is_lost.lock())(&envelope.body) { Ok(()) } else { self.inner.publish(topic, envelope) }
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), SubscribeError> {
        self.inner.subscribe(topic).await
    }

    async fn unsubscribe(&self, topic: &Topic) {
        self.inner.unsubscribe(topic).await;
    }

    fn figures(&self) -> RelayFigures {
        self.inner.figures()
    }

    fn is_reachable(&self) -> bool {
        self.inner.is_reachable()
    }
}
