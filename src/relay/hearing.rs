//! What a node hears of the others: topics that it wishes to hear or to ignore, each topic's wishes in their order.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::{mpsc, watch};

use super::{Relay, Topic};

/// How long anybody waits for a subscription.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_millis(500);
/// Topics whose subscriptions are changed at once.
const AT_ONCE: usize = 64;

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
    /// Keeps the relay's subscriptions as wished: of one topic one after the other, of different ones side by side. Runs
    /// for the node's life.
    pub async fn carry_out(mut self, relay: &dyn Relay) {
        let mut under_way = FuturesUnordered::new();
        // What was wished of a topic while its last wish was being carried out.
        let mut waiting: HashMap<Topic, Option<Wish>> = HashMap::new();
        loop {
            tokio::select! {
                biased;
                Some(topic) = under_way.next() => match waiting.get_mut(&topic).and_then(Option::take) {
                    Some(next) => under_way.push(next.carry_out(relay)),
                    None => drop(waiting.remove(&topic)),
                },
                wish = self.0.recv(), if under_way.len() < AT_ONCE => match wish {
                    None => return,
                    Some(wish) => match waiting.entry(wish.topic().clone()) {
                        // Of what waits the last alone counts: whoever waited for an earlier one has gone.
                        Entry::Occupied(mut busy) => *busy.get_mut() = Some(wish),
                        Entry::Vacant(free) => {
                            free.insert(None);
                            under_way.push(wish.carry_out(relay));
                        }
                    },
                },
            }
        }
    }
}

impl Wish {
    fn topic(&self) -> &Topic {
        match self {
            Self::Hear(topic, _) | Self::Ignore(topic) => topic,
        }
    }

    /// Answers the topic.
    async fn carry_out(self, relay: &dyn Relay) -> Topic {
        // The relay remembers the wish: once it can be reached again, the topic is heard, after a gap. Nobody waits for
        // that.
        let patience = if relay.is_reachable() { SUBSCRIBE_PATIENCE } else { Duration::ZERO };
        match self {
            Self::Hear(topic, heard) => {
                let subscribed = tokio::time::timeout(patience, relay.subscribe(&topic)).await;
                if !matches!(subscribed, Ok(Ok(()))) {
                    tracing::warn!(relay.topic = %topic, "a topic is not heard from other nodes yet");
                }
                // Whoever waited may have gone.
                let _ = heard.send(true);
                topic
            }
            Self::Ignore(topic) => {
                // What is heard of it nevertheless is left aside.
                let _ = tokio::time::timeout(patience, relay.unsubscribe(&topic)).await;
                topic
            }
        }
    }
}
