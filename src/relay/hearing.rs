//! What a node hears of the others: topics that it wishes to hear or to ignore, carried out one after the other.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Relay, Topic};

/// How long a subscription may hold up those behind it.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_millis(500);

enum Wish {
    Hear(Topic, watch::Sender<bool>),
    Ignore(Topic),
}

/// Says which topics are to be heard.
#[derive(Clone)]
pub struct Hearing(mpsc::UnboundedSender<Wish>);

/// What [`Hearing`] has said, to be carried out.
pub struct Hearings(mpsc::UnboundedReceiver<Wish>);

/// Turns true once a topic is heard, or cannot be for now.
pub type IsHeard = watch::Receiver<bool>;

impl Hearing {
    pub fn new() -> (Self, Hearings) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Hearings(receiver))
    }

    /// From now on this topic is to be heard.
    pub fn hear(&self, topic: Topic) -> IsHeard {
        let (heard, is_heard) = watch::channel(false);
        self.wish(Wish::Hear(topic, heard));
        is_heard
    }

    /// Nobody here wants to hear it any more.
    pub fn ignore(&self, topic: Topic) {
        self.wish(Wish::Ignore(topic));
    }

    fn wish(&self, wish: Wish) {
        // Nobody carries wishes out any more only when the node is going down.
        let _ = self.0.send(wish);
    }
}

impl Hearings {
    /// Keeps the relay's subscriptions as wished. Runs for the node's life.
    pub async fn carry_out(mut self, relay: &dyn Relay) {
        while let Some(wish) = self.0.recv().await {
            // The relay remembers the wish: once it can be reached again, the topic is heard, after a gap. Nobody waits
            // for that, nor the other topics behind this one.
            let patience = if relay.is_reachable() { SUBSCRIBE_PATIENCE } else { Duration::ZERO };
            match wish {
                Wish::Hear(topic, heard) => {
                    let subscribed = tokio::time::timeout(patience, relay.subscribe(&topic)).await;
                    if !matches!(subscribed, Ok(Ok(()))) {
                        tracing::warn!(relay.topic = %topic, "a topic is not heard from other nodes yet");
                    }
                    // Whoever waited may have gone.
                    let _ = heard.send(true);
                }
                // What is heard of it nevertheless is left aside.
                Wish::Ignore(topic) => drop(tokio::time::timeout(patience, relay.unsubscribe(&topic)).await),
            }
        }
    }
}
