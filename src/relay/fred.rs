//! The bus between the nodes of a cluster: Redis pub/sub, through the `fred` client.
//!
//! Two connections, which never wait for each other: a [`writer`] and a [`listener`]. Each lives until it fails and is
//! then replaced by a new one, for ever, a second at most between tries. `fred` could reconnect by itself, but it would
//! then also keep what was queued for the dead connection and deliver it late, wait behind a full socket of a server
//! that stands still, and not say when the last subscription holds again. So a connection of `fred`'s is used up here
//! and thrown away, with all that waits in it.
//!
//! No client notices that a server stands still, or that a connection is dead only one way: a [`probe`] goes round
//! through both connections each second.
//!
//! On the wire a message is the number of the process that sent it (8 bytes, most significant first; drawn anew at
//! each start), then the [`Envelope`]. A node drops its own echo by that number and not by the envelope's origin,
//! because a node that comes back under its old name must hear what its former self still had under way.

mod channel;
mod config;
mod line;
mod listener;
mod probe;
mod shared;
mod writer;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use thiserror::Error;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use self::{
    listener::Listener,
    probe::Probe,
    shared::Shared,
    writer::{Outgoing, QUEUE_MESSAGES_MAX, Writer},
};
use super::{Envelope, Inbox, NotPublished, Relay, RelayFigures, SubscribeError, Topic, inbox};
use crate::redis_url::RedisUrl;

/// How long [`FredRelay::connect`] tries: a Redis that starts at the same time as the node is waited for.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a subscription may take until it is reported as failed; it is remembered all the same.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(2);

/// A node's place on the bus. It leaves when this and the tasks that came with it are dropped.
pub struct FredRelay {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Outgoing>,
}

/// Why a node could not join the bus.
#[derive(Debug, Error)]
pub enum RelayError {
    #[error("{url} could not be reached within {} s ({reason}): see that Redis runs and that redis_url is right", CONNECT_PATIENCE.as_secs())]
    Unreachable {
        /// Without users and passwords.
        url: String,
        reason: String,
    },
    #[error(
        "the certificates that Redis' must be checked with cannot be read ({reason}): install the system's root \
         certificates, or name a file in SSL_CERT_FILE"
    )]
    Certificates { reason: String },
    #[error("the system has no randomness to give: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

impl FredRelay {
    /// Joins the bus as the node called `node`, with an inbox for `capacity` messages
    /// (see [`INBOX_CAPACITY`](super::INBOX_CAPACITY)). The node hears its own inbox once this resolves.
    ///
    /// The tasks keep the connections; they never end by themselves. Drop them with the relay.
    ///
    /// # Errors
    /// When Redis cannot be reached within 10 s; when TLS finds no certificates.
    pub async fn connect(
        url: &RedisUrl,
        node: impl Into<Arc<str>>,
        capacity: usize,
    ) -> Result<(Self, Inbox, JoinSet<()>), RelayError> {
        let (sender, inbox) = inbox(capacity);
        let shared = Arc::new(Shared::new(url, sender)?);
        shared.want(&Topic::node(node));
        let (queue, queued) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let (echoes, heard) = probe::echoes();
        let mut tasks = JoinSet::new();
        tasks.spawn(Listener::new(Arc::clone(&shared), echoes).run());
        tasks.spawn(Writer::new(Arc::clone(&shared), queued).run());
        tasks.spawn(Probe::new(Arc::clone(&shared), heard).run());
        let joined = async {
            shared.listening.up().await;
            shared.writing.up().await;
        };
        if timeout(CONNECT_PATIENCE, joined).await.is_err() {
            return Err(RelayError::Unreachable { url: url.to_string(), reason: shared.last_failure() });
        }
        Ok((Self { shared, queue }, inbox, tasks))
    }

    fn enqueue(&self, topic: &Topic, envelope: &Envelope) -> Result<(), NotPublished> {
        if !self.shared.writing.is_up() {
            return Err(NotPublished::Unreachable);
        }
        let frame = self.shared.frame(envelope)?;
        let room = self.shared.reserve(frame.len()).ok_or(NotPublished::QueueFull)?;
        let message = Outgoing { channel: self.shared.channels.of(topic), frame, room, since: Instant::now() };
        self.queue.try_send(message).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotPublished::QueueFull,
            mpsc::error::TrySendError::Closed(_) => NotPublished::Unreachable,
        })
    }
}

#[async_trait]
impl Relay for FredRelay {
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished> {
        let result = self.enqueue(topic, &envelope);
        let count = match result {
            Ok(()) => &self.shared.published,
            Err(_) => &self.shared.not_published,
        };
        count.fetch_add(1, Ordering::Relaxed);
        result
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), SubscribeError> {
        // Remembered first: whatever becomes of this, the next connection has it.
        let channel = self.shared.want(topic);
        timeout(SUBSCRIBE_PATIENCE, self.shared.subscribe(&channel)).await.map_err(|_| SubscribeError::Unreachable)
    }

    async fn unsubscribe(&self, topic: &Topic) {
        let channel = self.shared.forget(topic);
        // What is still heard after that is left aside, and the next connection does not have it.
        let _ = timeout(SUBSCRIBE_PATIENCE, self.shared.unsubscribe(&channel)).await;
    }

    fn figures(&self) -> RelayFigures {
        let (received, lost) = self.shared.inbox.received_and_lost();
        RelayFigures {
            published: self.shared.published.load(Ordering::Relaxed),
            not_published: self.shared.not_published.load(Ordering::Relaxed),
            received,
            lost,
            probe_us: self.shared.probe_us.load(Ordering::Relaxed),
        }
    }

    fn is_reachable(&self) -> bool {
        self.shared.writing.is_up() && self.shared.listening.is_up()
    }
}
