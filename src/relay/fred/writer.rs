//! The connection that speaks.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use fred::{
    clients::{Client, Pipeline},
    error::Error,
    interfaces::{FredResult, PubsubInterface},
    types::Value,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    line::{Life, Line, Pauses, timed_out},
    shared::{Room, Shared},
};

/// How many messages may wait for their turn.
pub const QUEUE_MESSAGES_MAX: usize = 16_384;
/// How long a message may wait for its turn; one that is older is dropped.
const TURN_PATIENCE: Duration = Duration::from_millis(200);
/// How long Redis may take to acknowledge a message; then the connection is given up, with all that waits in it.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// How many messages go out together.
const BATCH_MESSAGES_MAX: usize = 128;
/// How many batches may be under way. More would only wait in buffers, where they grow old unseen.
const BATCHES_MAX: usize = 16;

/// A message on its way out.
pub struct Outgoing {
    pub channel: String,
    pub frame: Bytes,
    /// Its room in the queue, kept until it is written or dropped.
    pub room: Room,
    pub since: Instant,
}

/// Keeps the connection that speaks, and writes what is queued.
pub struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Outgoing>,
}

/// Messages that go out together.
struct Batch {
    pipeline: Pipeline<Client>,
    unacknowledged: Unacknowledged,
}

/// Messages that are under way. Those that are not acknowledged when this is dropped are counted as not published.
struct Unacknowledged {
    shared: Arc<Shared>,
    messages: usize,
    _rooms: Vec<Room>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>) -> Self {
        Self { shared, queue }
    }

    pub async fn run(mut self) {
        let mut connected_before = false;
        loop {
            let mut line = self.persist().await;
            if connected_before {
                tracing::info!("the other nodes can be told again");
            }
            connected_before = true;
            let life = self.shared.writing.start(line.client.clone());
            let error = self.write(&mut line, &life).await;
            self.shared.writing.end();
            // Whoever still takes this line for the present one finds the next line: age then tells.
            while let Ok(message) = self.queue.try_recv() {
                drop(Unacknowledged::new(&self.shared, vec![message]));
            }
            tracing::warn!(%error, "the other nodes cannot be told: connecting again");
        }
    }

    async fn persist(&self) -> Line {
        let mut pauses = Pauses::new();
        loop {
            match Line::open(&self.shared.servers, self.shared.open_patience, 1, |_| ()).await {
                Ok((line, ())) => return line,
                Err(error) => {
                    tracing::debug!(%error, "the connection to the other nodes cannot be opened yet");
                    self.shared.note_failure(&error);
                }
            }
            pauses.next().await;
        }
    }

    /// Leaves out what is too old.
    async fn queue_up(&self, client: &Client, messages: Vec<Outgoing>) -> Result<Batch, Error> {
        let (fresh, stale): (Vec<Outgoing>, Vec<Outgoing>) =
            messages.into_iter().partition(|message| message.since.elapsed() <= TURN_PATIENCE);
        drop(Unacknowledged::new(&self.shared, stale));
        let pipeline = client.pipeline();
        for Outgoing { channel, frame, .. } in &fresh {
            let (channel, frame) = (channel.as_str(), Value::Bytes(frame.clone()));
            // In a pipeline this only queues.
            let _: () = match self.shared.channels.sharded {
                true => pipeline.spublish(channel, frame).await?,
                false => pipeline.publish(channel, frame).await?,
            };
        }
        Ok(Batch { pipeline, unacknowledged: Unacknowledged::new(&self.shared, fresh) })
    }

    /// Until the connection fails, or a message is not acknowledged in time.
    async fn write(&mut self, line: &mut Line, life: &Life<Client>) -> Error {
        let mut under_way = FuturesUnordered::new();
        let mut batch = Vec::with_capacity(BATCH_MESSAGES_MAX);
        loop {
            tokio::select! {
                biased;
                error = life.given_up() => return error,
                error = line.ended() => return error,
                Some(result) = under_way.next() => if let Err(error) = result {
                    return error;
                },
                _ = self.queue.recv_many(&mut batch, BATCH_MESSAGES_MAX), if under_way.len() < BATCHES_MAX => {
                    let messages = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_MESSAGES_MAX));
                    // One after the other, so that they stay in order.
                    match self.queue_up(&life.value, messages).await {
                        Ok(batch) => under_way.push(batch.send()),
                        Err(error) => return error,
                    }
                }
            }
        }
    }
}

impl Batch {
    /// Resolves when all messages are answered. An error is one of the connection.
    async fn send(mut self) -> Result<(), Error> {
        let answers: Vec<FredResult<Value>> =
            timeout(ANSWER_PATIENCE, self.pipeline.try_all()).await.map_err(|_| timed_out())?;
        for answer in &answers {
            match answer {
                Ok(_) => self.unacknowledged.messages -= 1,
                Err(error) => tracing::debug!(%error, "a message was not published"),
            }
        }
        Ok(())
    }
}

impl Unacknowledged {
    fn new(shared: &Arc<Shared>, messages: Vec<Outgoing>) -> Self {
        let rooms: Vec<Room> = messages.into_iter().map(|message| message.room).collect();
        Self { shared: Arc::clone(shared), messages: rooms.len(), _rooms: rooms }
    }
}

impl Drop for Unacknowledged {
    fn drop(&mut self) {
        self.shared.not_published.fetch_add(self.messages as u64, Ordering::Relaxed);
    }
}
