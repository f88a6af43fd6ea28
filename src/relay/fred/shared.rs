//! What the relay and its tasks hold in common.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fred::{clients::Client, error::Error, types::config::Config};
use parking_lot::{Mutex, RwLock};

use super::{
    super::{BadEnvelope, Envelope, InboxSender, Topic},
    RelayError,
    channel::Channels,
    config,
    line::Current,
    listener::Hearing,
};
use crate::redis_url::RedisUrl;

/// How many bytes may wait to be written or acknowledged; above it nothing more is taken.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// The number of the process, before the envelope.
const PROCESS_BYTES: usize = size_of::<u64>();

pub struct Shared {
    pub servers: Config,
    pub open_patience: Duration,
    pub channels: Channels,
    /// This process on this bus: random, so that nobody else has it.
    pub process: u64,
    pub inbox: InboxSender,
    /// What is to be heard, by its channel.
    wanted: RwLock<HashMap<String, Topic>>,
    /// Held while subscriptions are sent, so that they reach Redis in the order in which they were wished.
    pub order: tokio::sync::Mutex<()>,
    pub listening: Current<Hearing>,
    pub writing: Current<Client>,
    waiting_bytes: Arc<AtomicUsize>,
    last_failure: Mutex<String>,
    pub published: AtomicU64,
    pub not_published: AtomicU64,
    /// The last probe's way round; 0 before the first.
    pub probe_us: AtomicU64,
}

/// Bytes that are waiting; they are free again when this is dropped.
pub struct Room {
    waiting_bytes: Arc<AtomicUsize>,
    bytes: usize,
}

impl Shared {
    pub fn new(url: &RedisUrl, inbox: InboxSender) -> Result<Self, RelayError> {
        let mut process = [0; PROCESS_BYTES];
        getrandom::fill(&mut process)?;
        Ok(Self {
            servers: config::servers(url)?,
            open_patience: config::open_patience(url),
            channels: Channels::new(url),
            process: u64::from_be_bytes(process),
            inbox,
            wanted: RwLock::default(),
            order: tokio::sync::Mutex::new(()),
            listening: Current::new(),
            writing: Current::new(),
            waiting_bytes: Arc::default(),
            last_failure: Mutex::new("no answer".to_owned()),
            published: AtomicU64::new(0),
            not_published: AtomicU64::new(0),
            probe_us: AtomicU64::new(0),
        })
    }

    /// An envelope as it goes over the wire.
    pub fn frame(&self, envelope: &Envelope) -> Result<Bytes, BadEnvelope> {
        let envelope = envelope.encode()?;
        let mut frame = Vec::with_capacity(PROCESS_BYTES + envelope.len());
        frame.extend_from_slice(&self.process.to_be_bytes());
        frame.extend_from_slice(&envelope);
        Ok(frame.into())
    }

    /// The envelope in a frame; none in this process' own.
    pub fn foreign(&self, frame: &[u8]) -> Option<Result<Envelope, BadEnvelope>> {
        let Some((process, envelope)) = frame.split_first_chunk() else {
            return Some(Err(BadEnvelope::Malformed { reason: "it is too short".to_owned() }));
        };
        (u64::from_be_bytes(*process) != self.process).then(|| Envelope::decode(envelope))
    }

    /// Room for a frame among what waits; none if too much waits already.
    pub fn reserve(&self, bytes: usize) -> Option<Room> {
        let room = Room { waiting_bytes: Arc::clone(&self.waiting_bytes), bytes };
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        (before + bytes <= WAITING_BYTES_MAX).then_some(room)
    }

    pub fn want(&self, topic: &Topic) -> String {
        let channel = self.channels.of(topic);
        self.wanted.write().insert(channel.clone(), topic.clone());
        channel
    }

    pub fn forget(&self, topic: &Topic) -> String {
        let channel = self.channels.of(topic);
        self.wanted.write().remove(&channel);
        channel
    }

    pub fn wanted_channels(&self) -> Vec<String> {
        self.wanted.read().keys().cloned().collect()
    }

    /// What is heard on a channel; nothing once nobody wants it any more.
    pub fn topic(&self, channel: &str) -> Option<Topic> {
        self.wanted.read().get(channel).cloned()
    }

    /// Resolves once `channel`, which is wanted already, is heard.
    pub async fn subscribe(&self, channel: &str) {
        while let Some(life) = self.listening.up().await {
            let sent = {
                let _order = self.order.lock().await;
                life.value.send_subscriptions(vec![channel.to_owned()]).await
            };
            if sent.is_ok() && life.value.confirm().await.is_ok() {
                return;
            }
            // A line on which this fails is broken; its successor begins with all that is wanted.
            life.give_up();
            self.listening.over(&life).await;
        }
    }

    pub async fn unsubscribe(&self, channel: &str) {
        let _order = self.order.lock().await;
        // It may be wanted again by now.
        if self.topic(channel).is_none()
            && let Some(life) = self.listening.get()
        {
            life.value.unsubscribe(channel).await;
        }
    }

    pub fn note_failure(&self, error: &Error) {
        *self.last_failure.lock() = error.details().to_owned();
    }

    pub fn last_failure(&self) -> String {
        self.last_failure.lock().clone()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
