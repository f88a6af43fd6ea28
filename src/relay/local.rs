//! The bus inside one process: for the node that runs alone, and for tests with several.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::RwLock;

use super::{Envelope, Inbox, InboxSender, NotPublished, Relay, RelayFigures, SubscribeError, Topic, inbox};

/// Joins any number of nodes. Between nodes, messages are encoded and decoded as they would be on a wire.
#[derive(Clone, Default)]
pub struct LocalBus {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Who hears what, by the number of their seat.
    topics: RwLock<HashMap<Topic, BTreeMap<u64, InboxSender>>>,
    nodes: AtomicUsize,
    next_seat: AtomicU64,
}

/// A node's place on a [`LocalBus`]; it leaves when this is dropped.
pub struct LocalRelay {
    shared: Arc<Shared>,
    seat: u64,
    inbox: InboxSender,
    published: AtomicU64,
    not_published: AtomicU64,
}

impl LocalBus {
    pub fn new() -> Self {
        Self::default()
    }

    /// A place for the node called `node`, and its inbox for `capacity` messages
    /// (see [`INBOX_CAPACITY`](super::INBOX_CAPACITY)).
    pub fn join(&self, node: impl Into<Arc<str>>, capacity: usize) -> (LocalRelay, Inbox) {
        let (sender, inbox) = inbox(capacity);
        let relay = LocalRelay {
            shared: Arc::clone(&self.shared),
            seat: self.shared.next_seat.fetch_add(1, Ordering::Relaxed),
            inbox: sender,
            published: AtomicU64::new(0),
            not_published: AtomicU64::new(0),
        };
        relay.listen(&Topic::node(node));
        self.shared.nodes.fetch_add(1, Ordering::Relaxed);
        (relay, inbox)
    }
}

impl LocalRelay {
    fn listen(&self, topic: &Topic) {
        self.shared.topics.write().entry(topic.clone()).or_default().insert(self.seat, self.inbox.clone());
    }

    /// Hands a message to all others that hear this topic; encodes it only if there are any.
    fn pass_on(&self, topic: &Topic, envelope: &Envelope) -> Result<(), NotPublished> {
        let topics = self.shared.topics.read();
        let Some(hearers) = topics.get(topic) else {
            return Ok(());
        };
        let mut others = hearers.iter().filter(|(seat, _)| **seat != self.seat).peekable();
        if others.peek().is_none() {
            return Ok(());
        }
        let bytes = envelope.encode()?;
        for (_, inbox) in others {
            match Envelope::decode(&bytes) {
                Ok(envelope) => inbox.deliver(topic, envelope),
                Err(error) => {
                    tracing::error!(relay.topic = %topic, %error, "a message cannot be read back");
                    inbox.lose(topic);
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Relay for LocalRelay {
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished> {
        // A node that is alone has nobody to tell: the way of every note on an embedded node.
        let alone = self.shared.nodes.load(Ordering::Relaxed) < 2;
        let result = if alone { Ok(()) } else { self.pass_on(topic, &envelope) };
        let count = match result {
            Ok(()) => &self.published,
            Err(_) => &self.not_published,
        };
        count.fetch_add(1, Ordering::Relaxed);
        result
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), SubscribeError> {
        self.listen(topic);
        Ok(())
    }

    async fn unsubscribe(&self, topic: &Topic) {
        let mut topics = self.shared.topics.write();
        if let Some(hearers) = topics.get_mut(topic) {
            hearers.remove(&self.seat);
            if hearers.is_empty() {
                topics.remove(topic);
            }
        }
    }

    fn figures(&self) -> RelayFigures {
        let (received, lost) = self.inbox.received_and_lost();
        RelayFigures {
            published: self.published.load(Ordering::Relaxed),
            not_published: self.not_published.load(Ordering::Relaxed),
            received,
            lost,
            probe_us: 0,
        }
    }

    fn is_reachable(&self) -> bool {
        true
    }
}

impl Drop for LocalRelay {
    fn drop(&mut self) {
        self.shared.topics.write().retain(|_, hearers| {
            hearers.remove(&self.seat);
            !hearers.is_empty()
        });
        self.shared.nodes.fetch_sub(1, Ordering::Relaxed);
    }
}
