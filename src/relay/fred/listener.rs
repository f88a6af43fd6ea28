//! The connection that hears.

use std::{collections::BTreeMap, sync::Arc};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, ClusterInterface, EventInterface, PubsubInterface},
    types::{Message, Value, cluster::ClusterRouting, config::Server},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use super::{
    super::BadEnvelope,
    line::{Life, Line, Pauses, timed_out},
    probe::Echoes,
    shared::Shared,
};

/// How many messages may wait between `fred` and the inbox. `fred`'s own 32 lose most of a burst.
const MESSAGES_MAX: usize = 32_768;
/// How many channels one command subscribes to.
const CHANNELS_PER_COMMAND: usize = 500;
/// How many subscriptions may be under way to a cluster, where each channel needs a command of its own.
const SUBSCRIPTIONS_IN_FLIGHT: usize = 256;
/// How many names are tried to find a probe's channel on each server of a cluster.
const PROBE_NAMES_MAX: u32 = 10_000;

/// The connection that hears, while it does.
pub struct Hearing {
    client: Client,
    sharded: bool,
    /// One channel on each server.
    pub probes: Vec<String>,
    /// Which server of a cluster has which slots; empty without a cluster.
    slots: Slots,
}

/// First and last slot of a range, and its primary.
type Slots = Vec<(u16, u16, Server)>;

impl Hearing {
    async fn new(client: Client, shared: &Shared) -> Result<Self, Error> {
        let sharded = shared.channels.sharded;
        let probe = |n| shared.channels.probe(shared.process, n);
        if !sharded {
            return Ok(Self { client, sharded, probes: vec![probe(0)], slots: Slots::new() });
        }
        let routing = routing(&client).await?;
        let mut probes = BTreeMap::new();
        let servers = routing.unique_primary_nodes().len();
        for channel in (0..PROBE_NAMES_MAX).map(probe) {
            if let Some(server) = routing.get_server(ClusterRouting::hash_key(channel.as_bytes())) {
                probes.entry(server.clone()).or_insert(channel);
            }
            if probes.len() == servers {
                break;
            }
        }
        Ok(Self { client, sharded, probes: probes.into_values().collect(), slots: slots(&routing) })
    }

    /// Sends subscriptions; on a cluster they hold when this resolves, else once they are confirmed.
    pub async fn send_subscriptions(&self, channels: Vec<String>) -> Result<(), Error> {
        if self.sharded {
            let each = stream::iter(channels).map(|channel| self.client.ssubscribe(channel));
            return each.buffer_unordered(SUBSCRIPTIONS_IN_FLIGHT).try_collect().await;
        }
        for some in channels.chunks(CHANNELS_PER_COMMAND) {
            self.client.subscribe(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Resolves once all subscriptions hold that were sent before. `fred` says that a subscription is done when it is
    /// written; but Redis answers in order, so when a ping is answered, what stood before it is done.
    pub async fn confirm(&self) -> Result<(), Error> {
        match self.sharded {
            true => Ok(()),
            false => self.client.ping(None).await,
        }
    }

    /// A failure needs no care: the connection is then replaced, by one that begins with what is wanted.
    pub async fn unsubscribe(&self, channel: &str) {
        let _ = match self.sharded {
            true => self.client.sunsubscribe(channel).await,
            false => self.client.unsubscribe(channel).await,
        };
    }

    /// Whether the slots of the cluster lie otherwise than when this connection began. A server that gives a slot away
    /// ends the subscriptions in it, and `fred` does not tell.
    pub async fn slots_have_moved(&self) -> bool {
        self.sharded && routing(&self.client).await.is_ok_and(|routing| slots(&routing) != self.slots)
    }
}

async fn routing(client: &Client) -> Result<ClusterRouting, Error> {
    let answer: Value = client.cluster_slots().await?;
    // The host stands in for a server that does not know its own address: only to tell the servers apart.
    ClusterRouting::from_cluster_slots(answer, "unknown")
}

fn slots(routing: &ClusterRouting) -> Slots {
    let mut slots: Slots =
        routing.slots().iter().map(|range| (range.start, range.end, range.primary.clone())).collect();
    slots.sort();
    slots
}

/// Keeps the connection that hears, and hands on what it hears.
pub struct Listener {
    shared: Arc<Shared>,
    echoes: Echoes,
    probe_channels: String,
}

impl Listener {
    pub fn new(shared: Arc<Shared>, echoes: Echoes) -> Self {
        let probe_channels = shared.channels.probes(shared.process);
        Self { shared, echoes, probe_channels }
    }

    pub async fn run(self) {
        let shared = &self.shared;
        let mut connected_before = false;
        loop {
            let (mut line, mut messages, life) = self.persist().await;
            if connected_before {
                tracing::info!("the other nodes are heard again");
                shared.inbox.lose_all();
            }
            connected_before = true;
            let error = self.hear(&mut line, &mut messages, &life).await;
            shared.listening.end();
            tracing::warn!(%error, "the other nodes are not heard: connecting again");
        }
    }

    async fn persist(&self) -> (Line, Receiver<Message>, Arc<Life<Hearing>>) {
        let mut pauses = Pauses::new();
        loop {
            match self.open().await {
                Ok(opened) => return opened,
                Err(error) => {
                    tracing::debug!(%error, "the connection that hears the other nodes cannot be opened yet");
                    self.shared.note_failure(&error);
                }
            }
            pauses.next().await;
        }
    }

    async fn open(&self) -> Result<(Line, Receiver<Message>, Arc<Life<Hearing>>), Error> {
        let shared = &self.shared;
        let (line, messages) =
            Line::open(&shared.servers, shared.open_patience, MESSAGES_MAX, EventInterface::message_rx).await?;
        let subscribed = async {
            let hearing = Hearing::new(line.client.clone(), shared).await?;
            let _order = shared.order.lock().await;
            let channels = hearing.probes.iter().cloned().chain(shared.wanted_channels()).collect();
            hearing.send_subscriptions(channels).await?;
            hearing.confirm().await?;
            Ok(shared.listening.start(hearing))
        };
        let life = timeout(shared.open_patience, subscribed).await.unwrap_or_else(|_| Err(timed_out()))?;
        Ok((line, messages, life))
    }

    /// Until the connection fails. It never waits for anything but the connection.
    async fn hear(&self, line: &mut Line, messages: &mut Receiver<Message>, life: &Life<Hearing>) -> Error {
        loop {
            tokio::select! {
                biased;
                error = life.given_up() => return error,
                error = line.ended() => return error,
                message = messages.recv() => match message {
                    Ok(message) => self.take(&message),
                    Err(RecvError::Lagged(messages)) => {
                        tracing::warn!(messages, "more messages came than could be taken");
                        self.shared.inbox.lose_all();
                    }
                    Err(RecvError::Closed) => return timed_out(),
                },
            }
        }
    }

    fn take(&self, message: &Message) {
        let frame = message.value.as_bytes().unwrap_or_default();
        if message.channel.starts_with(&self.probe_channels) {
            self.echoes.take(frame);
            return;
        }
        // What is no longer wanted may still come for a moment.
        let Some(topic) = self.shared.topic(&message.channel) else {
            return;
        };
        match self.shared.foreign(frame) {
            None => {}
            Some(Ok(envelope)) => self.shared.inbox.deliver(&topic, envelope),
            // A newer release may say what this one cannot use; nothing is lost by that.
            Some(Err(BadEnvelope::UnknownBody)) => {
                tracing::debug!(relay.topic = %topic, "a message of a newer release")
            }
            Some(Err(error)) => {
                tracing::debug!(relay.topic = %topic, %error, "a message that cannot be read");
                self.shared.inbox.lose(&topic);
            }
        }
    }
}
