use async_trait::async_trait;
use thiserror::Error;

use super::{BadEnvelope, Envelope, Topic};

/// One node's place on the bus. What arrives comes out of the [`Inbox`](super::Inbox) that was handed out with it.
///
/// A node hears what others publish on the topics that it has subscribed to, and on its own inbox
/// ([`Topic::Node`] with its id) from the start. It never hears what it published itself.
/// Messages of one node on one topic arrive in order, once at most; what is lost is followed by a
/// [`Gap`](super::Gap).
#[async_trait]
pub trait Relay: Send + Sync {
    /// Hands a message to the bus, or fails at once: it never waits, and never tries again,
    /// because a beat or note that is late is worse than none. `Ok` does not say that anybody heard it.
    fn publish(&self, topic: &Topic, envelope: Envelope) -> Result<(), NotPublished>;

    /// Resolves once the subscription holds: what others publish from then on is heard.
    /// So read a room's record after this, not before. To subscribe again changes nothing.
    async fn subscribe(&self, topic: &Topic) -> Result<(), SubscribeError>;

    /// Ends a subscription; what is already in the inbox still comes out of it.
    async fn unsubscribe(&self, topic: &Topic);

    /// What this node has sent and lost so far.
    fn figures(&self) -> RelayFigures;

    /// Whether the other nodes can be told and heard, as far as is known.
    fn is_reachable(&self) -> bool;
}

/// Why a message was not handed over. Each is counted by the relay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotPublished {
    #[error("the bus between the nodes cannot be reached: nodes go on by themselves until it can")]
    Unreachable,
    #[error("too many messages wait for the bus: this one was dropped")]
    QueueFull,
    #[error(transparent)]
    BadEnvelope(#[from] BadEnvelope),
}

/// Why a topic is not heard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubscribeError {
    #[error("the bus between the nodes cannot be reached: try again")]
    Unreachable,
}

/// Counts since the node joined the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayFigures {
    /// Messages handed over.
    pub published: u64,
    /// Messages that [`Relay::publish`] refused, and of those handed over the ones that then could not be written in time.
    pub not_published: u64,
    /// Messages that came for this node.
    pub received: u64,
    /// Of those, the ones that found its inbox full, or could not be understood.
    pub lost: u64,
    /// How long the last probe took through the bus and back, in microseconds; 0 where nothing lies between the nodes.
    pub probe_us: u64,
}
