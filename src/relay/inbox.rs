use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::{Envelope, Topic};

/// How many messages may wait for a node; a slow moment of a busy node stays within it.
pub const INBOX_CAPACITY: usize = 16_384;
/// From this many topics with losses on, a gap is in all of them.
const GAP_TOPICS_MAX: usize = 1_024;

/// What reaches a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    Message {
        topic: Topic,
        envelope: Envelope,
    },
    /// Messages were lost. It may overtake messages from before the loss, never one from after it.
    Gap(Gap),
}

/// Where messages were lost: read those rooms' records again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Ascending, never empty.
    Topics(Vec<Topic>),
    All,
}

/// The receiving end of a node's place on the bus.
pub struct Inbox {
    queue: mpsc::Receiver<(Topic, Envelope)>,
    losses: Arc<Losses>,
}

/// The end that a bus delivers to. It never waits: what finds the inbox full is lost, and reported as a gap.
#[derive(Clone)]
pub struct InboxSender {
    queue: mpsc::Sender<(Topic, Envelope)>,
    losses: Arc<Losses>,
}

#[derive(Default)]
struct Losses {
    gap: Mutex<Option<LostIn>>,
    arrived: Notify,
    received: AtomicU64,
    lost: AtomicU64,
}

enum LostIn {
    Topics(BTreeSet<Topic>),
    All,
}

/// An inbox for `capacity` messages (at least 1), and its sending end.
pub fn inbox(capacity: usize) -> (InboxSender, Inbox) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let losses = Arc::new(Losses::default());
    (InboxSender { queue: sender, losses: Arc::clone(&losses) }, Inbox { queue: receiver, losses })
}

impl InboxSender {
    /// Puts a message into the inbox, or counts it as lost.
    pub fn deliver(&self, topic: &Topic, envelope: Envelope) {
        self.losses.received.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send((topic.clone(), envelope)) {
            // Nobody listens any more, so nobody misses it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.record_loss(topic),
        }
    }

    /// Counts a message on `topic` that came, but could not be understood.
    pub fn lose(&self, topic: &Topic) {
        self.losses.received.fetch_add(1, Ordering::Relaxed);
        self.record_loss(topic);
    }

    /// Reports that any number of messages may have been lost on any topic: after a broken connection.
    pub fn lose_all(&self) {
        *self.losses.gap.lock() = Some(LostIn::All);
        self.losses.arrived.notify_one();
    }

    /// How many messages came, and how many of them were lost.
    pub fn received_and_lost(&self) -> (u64, u64) {
        (self.losses.received.load(Ordering::Relaxed), self.losses.lost.load(Ordering::Relaxed))
    }

    fn record_loss(&self, topic: &Topic) {
        self.losses.lost.fetch_add(1, Ordering::Relaxed);
        let mut gap = self.losses.gap.lock();
        match gap.get_or_insert_with(|| LostIn::Topics(BTreeSet::new())) {
            LostIn::All => {}
            LostIn::Topics(topics) => {
                topics.insert(topic.clone());
                if topics.len() >= GAP_TOPICS_MAX {
                    *gap = Some(LostIn::All);
                }
            }
        }
        drop(gap);
        self.losses.arrived.notify_one();
    }
}

impl Inbox {
    /// The next message or gap; none once the node has left the bus and all is read.
    /// Nothing is lost when the returned future is dropped.
    pub async fn recv(&mut self) -> Option<Inbound> {
        loop {
            if let Some(gap) = self.losses.gap.lock().take() {
                return Some(Inbound::Gap(gap.into()));
            }
            tokio::select! {
                biased;
                () = self.losses.arrived.notified() => {}
                message = self.queue.recv() => {
                    return message.map(|(topic, envelope)| Inbound::Message { topic, envelope });
                }
            }
        }
    }
}

impl From<LostIn> for Gap {
    fn from(lost: LostIn) -> Self {
        match lost {
            LostIn::Topics(topics) => Self::Topics(topics.into_iter().collect()),
            LostIn::All => Self::All,
        }
    }
}
