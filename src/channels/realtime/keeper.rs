//! The way of presences to the store, coalesced by topic, and then to the other nodes.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc};

use super::{Realtime, Topic, saying::Keep};
use crate::{
    relay::{self, Hearings, Presences},
    store::PresenceWrite,
};

/// Topics whose presences are written at once.
const WRITES_AT_ONCE: usize = 32;
/// Changes of one topic that come so close together are written together: less than clients wait for a diff.
const GATHER_FOR: Duration = Duration::from_millis(10);
/// Before presences that the store did not take are written again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// What one message between nodes carries, in bytes of fields: well below what an envelope may have.
const WORD_BYTES_MAX: usize = 256 * 1024;

/// What the node's tasks work off for realtime topics.
pub struct RealtimeWork {
    pub(super) hearings: Hearings,
    pub(super) unwritten: mpsc::UnboundedReceiver<Arc<Topic>>,
    pub(super) keeps: mpsc::UnboundedReceiver<Keep>,
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

    async fn write_presences(self: &Arc<Self>, mut unwritten: mpsc::UnboundedReceiver<Arc<Topic>>) {
        let at_once = Arc::new(Semaphore::new(WRITES_AT_ONCE));
        while let Some(topic) = unwritten.recv().await {
            let (realtime, at_once) = (self.clone(), at_once.clone());
            // Never closed.
            let permit = at_once.acquire_owned().await;
            tokio::spawn(async move {
                if AssertUnwindSafe(realtime.write(&topic)).catch_unwind().await.is_err() {
                    tracing::error!(
                        tenant.id = %topic.key().tenant, topic.name = %topic.key().name,
                        "writing a topic's presences failed"
                    );
                    topic.lock().write_failed(&realtime.parts.membership.home());
                }
                realtime.under_way.send_modify(|under_way| *under_way -= 1);
                drop(permit);
            });
        }
    }

    /// Writes until there is nothing more to write, and tells the other nodes what is written.
    async fn write(&self, topic: &Arc<Topic>) {
        loop {
            tokio::time::sleep(GATHER_FOR).await;
            let changes = topic.lock().take_unwritten();
            match self.parts.store.write_presences(topic.key(), &changes).await {
                Ok(()) => {
                    words(changes).into_iter().for_each(|changes| self.tell(topic, changes));
                    if !topic.lock().written() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(
                        tenant.id = %topic.key().tenant, topic.name = %topic.key().name, %error,
                        "presences are not stored yet"
                    );
                    topic.lock().not_written(&changes);
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    fn tell(&self, topic: &Topic, changes: Vec<PresenceWrite>) {
        let serial = topic.lock().next_word();
        let presences = Presences { home: self.parts.membership.home(), serial, changes };
        self.publish(topic.key(), relay::Body::Presences(presences));
    }
}

/// The changes in as many messages as they need.
fn words(changes: Vec<PresenceWrite>) -> Vec<Vec<PresenceWrite>> {
    let mut words: Vec<Vec<PresenceWrite>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        // Beside the fields: names and numbers.
        let of_it = 256 + change.record.as_ref().map_or(0, |record| record.fields.len() + record.key.len());
        bytes += of_it;
        match words.last_mut().filter(|_| bytes <= WORD_BYTES_MAX) {
            Some(word) => word.push(change),
            None => {
                bytes = of_it;
                words.push(vec![change]);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Home, PresenceRecord};

    #[test]
    fn changes_are_told_in_order_in_messages_that_fit_an_envelope() {
        let home = Home { node: "a".into(), process: 1 };
        let change = |connection: u64| {
            let (key, fields) = ("ada".into(), "x".repeat(16 * 1024).into());
            let record = PresenceRecord { connection, version: 1, replaces: None, home: home.clone(), key, fields };
            PresenceWrite { connection, version: 1, record: Some(record) }
        };
        let words = words((0..90).map(change).collect());
        assert!(words.iter().all(|word| word.len() <= 16), "16 KiB each");
        let told: Vec<u64> = words.into_iter().flatten().map(|change| change.connection).collect();
        assert_eq!(told, (0..90).collect::<Vec<u64>>());
    }
}
