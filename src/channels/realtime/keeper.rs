//! The way to the store: presences, coalesced by topic, and broadcasts, in their order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Realtime, Topic};
use crate::{
    protocol::{Broadcast, TopicKey},
    relay::{self, Hearings, Presences},
    store::{PresenceWrite, StoreError},
};

/// Broadcasts that may wait to be kept for replay; what comes beyond is not kept.
pub(super) const KEEPS_MAX: usize = 1_024;
/// Broadcasts that are kept in one go.
const KEEPS_AT_ONCE: usize = 64;
/// Topics whose presences are written at once.
const WRITES_AT_ONCE: usize = 32;
/// How much of presences the others are told in one message, in bytes, about: a good deal less than one may have, and
/// more than the largest presence.
const WORD_BYTES: usize = 256 << 10;
/// What a presence takes beside its key and its fields, about.
const PRESENCE_OVERHEAD: usize = 256;
/// Before presences that the store did not take are written again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the node's tasks work off for realtime topics.
pub struct RealtimeWork {
    pub(super) hearings: Hearings,
    pub(super) unwritten: mpsc::UnboundedReceiver<Arc<Topic>>,
    pub(super) keeps: mpsc::Receiver<Keep>,
}

/// A broadcast to be kept for replay, and whom to tell.
pub(super) struct Keep {
    key: TopicKey,
    broadcast: Arc<Broadcast>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Realtime {
    /// Works off what is to be heard and to be stored. Runs for the node's life.
    pub async fn run(self: &Arc<Self>, work: RealtimeWork) {
        let RealtimeWork { hearings, unwritten, keeps } = work;
        let hearing = hearings.carry_out(&*self.parts.relay);
        tokio::join!(hearing, self.write_presences(unwritten), self.keep_broadcasts(keeps));
    }

    /// Waits until the store has learnt all that it has to, but no longer than that.
    pub async fn written(&self, within: Duration) {
        let mut under_way = self.under_way.subscribe();
        let written = under_way.wait_for(|under_way| *under_way == 0);
        if tokio::time::timeout(within, written).await.is_err() {
            tracing::warn!("not everything on realtime topics could be stored in time");
        }
    }

    /// Resolves once the broadcast is kept for replay; at once, in its order, it waits for that.
    pub(super) fn keep(
        &self,
        key: TopicKey,
        broadcast: Arc<Broadcast>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (done, kept) = oneshot::channel();
        self.under_way.send_modify(|under_way| *under_way += 1);
        let sent = self.keeps.try_send(Keep { key, broadcast, done });
        if sent.is_err() {
            self.under_way.send_modify(|under_way| *under_way -= 1);
            tracing::warn!("too many broadcasts wait for the store: one is not kept for replay");
        }
        async move {
            let lost = || StoreError::Unavailable { reason: "too many broadcasts wait for it".to_owned() };
            kept.await.unwrap_or_else(|_| Err(lost()))
        }
    }

    async fn keep_broadcasts(&self, mut keeps: mpsc::Receiver<Keep>) {
        let mut batch = Vec::new();
        while keeps.recv_many(&mut batch, KEEPS_AT_ONCE).await > 0 {
            let mut by_topic: BTreeMap<TopicKey, Vec<Keep>> = BTreeMap::new();
            batch.drain(..).for_each(|keep| by_topic.entry(keep.key.clone()).or_default().push(keep));
            join_all(by_topic.into_values().map(|keeps| self.keep_in_order(keeps))).await;
        }
    }

    async fn keep_in_order(&self, keeps: Vec<Keep>) {
        for Keep { key, broadcast, done } in keeps {
            let kept = self.parts.store.keep_broadcast(&key, &broadcast).await;
            self.under_way.send_modify(|under_way| *under_way -= 1);
            if let Err(error) = &kept {
                tracing::warn!(topic = %key, %error, "a broadcast was not kept for replay");
            }
            // Whoever sent it may not want to know, or may have gone.
            let _ = done.send(kept);
        }
    }

    async fn write_presences(self: &Arc<Self>, mut unwritten: mpsc::UnboundedReceiver<Arc<Topic>>) {
        let at_once = Arc::new(Semaphore::new(WRITES_AT_ONCE));
        while let Some(topic) = unwritten.recv().await {
            let (realtime, at_once) = (self.clone(), at_once.clone());
            // Never closed.
            let permit = at_once.acquire_owned().await;
            tokio::spawn(async move {
                realtime.write(&topic).await;
                drop(permit);
            });
        }
    }

    /// Writes until there is nothing more to write, and tells the other nodes what is written.
    async fn write(&self, topic: &Arc<Topic>) {
        loop {
            let changes = topic.lock().take_unwritten();
            match self.parts.store.write_presences(topic.key(), &changes).await {
                Ok(()) => {
                    for changes in words(changes) {
                        let (home, serial) = (self.parts.membership.home(), topic.lock().next_word());
                        let presences = Presences { home, serial, changes };
                        self.publish(relay::Topic::Realtime(topic.key().clone()), relay::Body::Presences(presences));
                    }
                    let has_more = topic.lock().written();
                    if !has_more {
                        self.under_way.send_modify(|under_way| *under_way -= 1);
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(topic = %topic.key(), %error, "presences are not stored yet");
                    topic.lock().not_written(&changes);
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}

/// The changes in messages that the relay can carry.
fn words(changes: Vec<PresenceWrite>) -> Vec<Vec<PresenceWrite>> {
    let (mut words, mut room): (Vec<Vec<PresenceWrite>>, usize) = (Vec::new(), 0);
    for change in changes {
        let size =
            PRESENCE_OVERHEAD + change.record.as_ref().map_or(0, |record| record.key.len() + record.fields.len());
        match words.last_mut().filter(|_| size <= room) {
            Some(word) => word.push(change),
            None => {
                words.push(vec![change]);
                room = WORD_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    words
}
