//! A broadcast's way: to everybody here at once, then to the other nodes. One of a private topic is kept by the store
//! first, so that whoever hears the topic before it reads the store misses nothing.
//!
//! Each topic's broadcasts go their way in their order, and no topic waits for another's. A tenant that says more than the
//! store takes has its broadcasts sent all the same, in their place, but not kept.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot};

use super::{Realtime, Topic};
use crate::{
    protocol::{Broadcast, TopicKey, broadcast::Body},
    relay,
    store::{KEPT_BYTES_MAX, StoreError},
};

/// Broadcasts of one tenant that may wait for the store; what comes beyond is not kept for replay.
const WAITING_MAX: usize = 256;
/// Topics whose broadcasts are kept at once, and broadcasts of one topic.
const LANES_MAX: usize = 64;
const KEPT_AT_ONCE: usize = 32;

/// A broadcast of a private topic on its way, and whom to tell when it is kept.
pub(super) struct Keep {
    key: TopicKey,
    topic: Option<Arc<Topic>>,
    broadcast: Arc<Broadcast>,
    fate: Fate,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// What the store has to do with a broadcast.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// It is too long to be kept, which is no failure.
    TooLong,
    /// Too many wait already.
    NoRoom,
}

/// Resolves once a broadcast of a private topic is kept for replay; on a public one there is nothing to wait for.
pub(super) type Kept = Option<oneshot::Receiver<Result<(), StoreError>>>;

/// Waits for that.
pub(super) async fn kept(kept: Kept) -> Result<(), StoreError> {
    let Some(kept) = kept else { return Ok(()) };
    kept.await.unwrap_or_else(|_| Err(no_room()))
}

fn no_room() -> StoreError {
    StoreError::Unavailable { reason: "too many broadcasts wait for it".to_owned() }
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
        let fate = self.fate_of(key, &broadcast);
        self.under_way.send_modify(|under_way| *under_way += 1);
        // Nobody keeps any more only when the node is going down.
        let _ = self.keeps.send(Keep { key: key.clone(), topic, broadcast, fate, done });
        Some(kept)
    }

    /// Counts what is to be kept.
    fn fate_of(&self, key: &TopicKey, broadcast: &Broadcast) -> Fate {
        if broadcast.body.len() > KEPT_BYTES_MAX {
            return Fate::TooLong;
        }
        let mut waiting = self.waiting.lock();
        let of_tenant = waiting.entry(key.tenant.clone()).or_default();
        if *of_tenant >= WAITING_MAX {
            return Fate::NoRoom;
        }
        *of_tenant += 1;
        Fate::Kept
    }

    fn note_kept(&self, key: &TopicKey) {
        let mut waiting = self.waiting.lock();
        if let Entry::Occupied(mut of_tenant) = waiting.entry(key.tenant.clone()) {
            *of_tenant.get_mut() -= 1;
            if *of_tenant.get() == 0 {
                of_tenant.remove();
            }
        }
    }

    pub(super) async fn keep_broadcasts(&self, mut keeps: mpsc::UnboundedReceiver<Keep>) {
        let mut under_way = FuturesUnordered::new();
        // What came on a topic while its last broadcasts were being kept.
        let mut lanes: HashMap<TopicKey, VecDeque<Keep>> = HashMap::new();
        loop {
            tokio::select! {
                biased;
                Some(key) = under_way.next() => {
                    let lane = lanes.get_mut(&key).filter(|lane| !lane.is_empty());
                    match lane.map(|lane| lane.drain(..lane.len().min(KEPT_AT_ONCE)).collect()) {
                        Some(next) => under_way.push(self.keep_some(key, next)),
                        None => drop(lanes.remove(&key)),
                    }
                }
                keep = keeps.recv(), if under_way.len() < LANES_MAX => match keep {
                    None => return,
                    Some(keep) => match lanes.entry(keep.key.clone()) {
                        Entry::Occupied(mut busy) => busy.get_mut().push_back(keep),
                        Entry::Vacant(free) => {
                            free.insert(VecDeque::new());
                            under_way.push(self.keep_some(keep.key.clone(), vec![keep]));
                        }
                    },
                },
            }
        }
    }

    /// Keeps these broadcasts of a topic, and sends them on. Answers the topic, however that ends.
    async fn keep_some(&self, key: TopicKey, keeps: Vec<Keep>) -> TopicKey {
        let to_be_kept = keeps.iter().filter(|keep| keep.fate == Fate::Kept).count();
        let all = keeps.len();
        if AssertUnwindSafe(self.keep_in_order(keeps)).catch_unwind().await.is_err() {
            tracing::error!(tenant.id = %key.tenant, topic.name = %key.name, "keeping a topic's broadcasts failed");
        }
        (0..to_be_kept).for_each(|_| self.note_kept(&key));
        self.under_way.send_modify(|under_way| *under_way -= all);
        key
    }

    async fn keep_in_order(&self, keeps: Vec<Keep>) {
        // All on one connection, which answers in order: one way there and back for all of them.
        let asked = keeps.iter().map(async |keep| match keep.fate {
            Fate::Kept => self.parts.store.keep_broadcast(&keep.key, &keep.broadcast).await,
            Fate::TooLong => Ok(()),
            Fate::NoRoom => Err(no_room()),
        });
        let answers = join_all(asked).await;
        for (keep, answer) in keeps.into_iter().zip(answers) {
            self.send_on(&keep);
            if let Err(error) = &answer {
                tracing::warn!(
                    tenant.id = %keep.key.tenant, topic.name = %keep.key.name, %error,
                    "a broadcast was not kept for replay"
                );
            }
            // Whoever sent it may not want to know, or may have gone.
            let _ = keep.done.send(answer);
        }
    }

    /// The store has had its turn: the other nodes hear of it.
    fn send_on(&self, Keep { key, topic, broadcast, .. }: &Keep) {
        self.publish(key, relay::Body::Broadcast(broadcast.clone()));
        topic.iter().for_each(|topic| topic.kept(broadcast));
        // Who has entered the topic here since it was said hears it as the other nodes do.
        let is_other = |now: &Arc<Topic>| !topic.as_ref().is_some_and(|then| Arc::ptr_eq(now, then));
        if let Some(now) = self.topic(key).filter(is_other) {
            now.deliver(None, broadcast, false, self.parts.clock.boot_us());
        }
    }
}

/// A broadcast's name: sorts by time, and is no other's.
fn new_id(now_us: i64) -> String {
    // Where the system gives no randomness, two of one microsecond may be taken for the same.
    format!("{now_us:016x}-{:08x}", getrandom::u32().unwrap_or_default())
}
