//! A broadcast's way: to everybody here at once, then to the other nodes. One of a private topic is kept by the store
//! first, so that whoever hears the topic before it reads the store misses nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::{Realtime, Topic};
use crate::{
    protocol::{Broadcast, TopicKey, broadcast::Body},
    relay,
    store::{KEPT_BYTES_MAX, StoreError},
};

/// Broadcasts of private topics that may wait for the store, and their bytes; what comes beyond is not kept for replay.
pub(super) const KEEPS_MAX: usize = 1_024;
const KEEPS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Broadcasts that are kept in one go.
const KEEPS_AT_ONCE: usize = 64;

/// A broadcast of a private topic on its way, and whom to tell when it is kept.
pub(super) struct Keep {
    key: TopicKey,
    topic: Option<Arc<Topic>>,
    broadcast: Arc<Broadcast>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Resolves once a broadcast of a private topic is kept for replay; on a public one there is nothing to wait for.
pub(super) type Kept = Option<oneshot::Receiver<Result<(), StoreError>>>;

/// Waits for that.
pub(super) async fn kept(kept: Kept) -> Result<(), StoreError> {
    let Some(kept) = kept else { return Ok(()) };
    let lost = || StoreError::Unavailable { reason: "too many broadcasts wait for it".to_owned() };
    kept.await.unwrap_or_else(|_| Err(lost()))
}

impl Realtime {
    /// Sends a broadcast to everybody on the topic.
    pub(super) fn broadcast(&self, key: &TopicKey, from: Option<u64>, event: String, body: Body) -> Kept {
        let now_us = self.parts.clock.now_us();
        let id = key.private.then(|| new_id(now_us));
        let broadcast = Arc::new(Broadcast { event, body, id, at_ms: now_us.div_euclid(1_000) });
        let topic = self.topic(key);
        if let Some(topic) = &topic {
            topic.deliver(from, &broadcast, key.private, self.parts.clock.boot_us());
        }
        if !key.private {
            self.publish(key, relay::Body::Broadcast(broadcast));
            return None;
        }
        let (done, kept) = oneshot::channel();
        self.hand_over(Keep { key: key.clone(), topic, broadcast, done });
        Some(kept)
    }

    fn hand_over(&self, keep: Keep) {
        let bytes = keep.broadcast.body.len();
        let waiting = self.keeps_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.under_way.send_modify(|under_way| *under_way += 1);
        let refused = match self.keeps.try_reserve() {
            Ok(place) if waiting + bytes <= KEEPS_BYTES_MAX => {
                place.send(keep);
                return;
            }
            _ => keep,
        };
        tracing::warn!(topic = %refused.key, "too many broadcasts wait for the store: one is not kept for replay");
        self.send_on(&refused);
    }

    /// The store has had its turn: the other nodes hear of it.
    fn send_on(&self, Keep { key, topic, broadcast, .. }: &Keep) {
        self.publish(key, relay::Body::Broadcast(broadcast.clone()));
        topic.iter().for_each(|topic| topic.kept(broadcast));
        self.keeps_bytes.fetch_sub(broadcast.body.len(), Ordering::Relaxed);
        self.under_way.send_modify(|under_way| *under_way -= 1);
    }

    pub(super) async fn keep_broadcasts(&self, mut keeps: mpsc::Receiver<Keep>) {
        let mut batch = Vec::new();
        while keeps.recv_many(&mut batch, KEEPS_AT_ONCE).await > 0 {
            let mut by_topic: BTreeMap<TopicKey, Vec<Keep>> = BTreeMap::new();
            batch.drain(..).for_each(|keep| by_topic.entry(keep.key.clone()).or_default().push(keep));
            join_all(by_topic.into_values().map(|keeps| self.keep_in_order(keeps))).await;
        }
    }

    async fn keep_in_order(&self, keeps: Vec<Keep>) {
        let mut trouble: Result<(), StoreError> = Ok(());
        for keep in keeps {
            // A store that does not answer holds the others up for one of them, not for each.
            if trouble.is_ok() && keep.broadcast.body.len() <= KEPT_BYTES_MAX {
                trouble = self.parts.store.keep_broadcast(&keep.key, &keep.broadcast).await;
            }
            self.send_on(&keep);
            if let Err(error) = &trouble {
                tracing::warn!(topic = %keep.key, %error, "a broadcast was not kept for replay");
            }
            // Whoever sent it may not want to know, or may have gone.
            let _ = keep.done.send(trouble.clone());
        }
    }
}

/// A broadcast's name: sorts by time, and is no other's.
fn new_id(now_us: i64) -> String {
    // Where the system gives no randomness, two of one microsecond may be taken for the same.
    format!("{now_us:016x}-{:08x}", getrandom::u32().unwrap_or_default())
}
