//! What a router does all the time: ticks for its conductors, rooms taken up again, the search for rooms without a
//! conductor, and rooms given to nodes that have joined.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};

use super::{
    Router,
    actor::{Ended, Mail},
};
use crate::{placement::News, room::RoomKey};

/// A plan a second for each room, spread over this many moments of the second.
const TICK_SLOTS: u64 = 20;
/// How long between two tries to take a vacant room up.
pub(super) const RETAKE_PAUSE: Duration = Duration::from_millis(200);
/// A search finds what everything else has missed.
const SEARCH_EVERY: Duration = Duration::from_secs(60);
/// A search that was asked for again while it ran, and what could not be taken up, waits so long.
const SEARCH_PAUSE: Duration = Duration::from_millis(300);
/// How long the ring must have stood still before rooms are moved for its sake.
const RING_SETTLED: Duration = Duration::from_secs(5);
/// Rooms moved each second, so that nobody notices.
const MOVED_PER_SECOND: usize = 50;
const MOVED_AT_ONCE: usize = 8;

impl Router {
    /// Ticks every conductor once a second, spread evenly over the second, and takes vacant rooms up again at once.
    /// Runs for the node's life.
    pub async fn run(self: &Arc<Self>) {
        let Some(mut to_retake) = self.to_retake.lock().take() else { return };
        let mut interval = tokio::time::interval(Duration::from_millis(1_000 / TICK_SLOTS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut slots = (0..TICK_SLOTS).cycle();
        loop {
            tokio::select! {
                _ = interval.tick() => slots.next().into_iter().for_each(|slot| self.tick(slot)),
                Some((key, why)) = to_retake.recv() => self.succeed(key, why),
            }
        }
    }

    fn succeed(self: &Arc<Self>, key: RoomKey, why: Ended) {
        {
            let mut conductors = self.conductors.lock();
            if conductors.get(&key).and_then(|cell| cell.get()).is_some_and(|handle| handle.mail.is_closed()) {
                conductors.remove(&key);
            }
        }
        match why {
            Ended::Closed { epoch } => self.surroundings.mirror.note_closed(&key, epoch),
            Ended::HandedOver => {}
            Ended::Vacant(keepsake) => {
                self.keepsakes.lock().insert(key.clone(), *keepsake);
                self.take_up_again(key);
            }
            Ended::Failed => self.take_up_again(key),
        }
    }

    fn take_up_again(self: &Arc<Self>, key: RoomKey) {
        let router = self.clone();
        tokio::spawn(async move {
            router.give_back_keepsake(&key).await;
            router.retake(&key).await;
        });
    }

    fn tick(&self, slot: u64) {
        let mut conductors = self.conductors.lock();
        for (key, cell) in conductors.iter() {
            if slot_of(key) == slot
                && let Some(handle) = cell.get()
            {
                // A full mailbox ticks later; a closed one is on its way to `succeed`.
                let _ = handle.mail.try_send(Mail::Tick);
            }
        }
        if slot == 0 {
            // Rooms that were not taken up after all, and that nobody is about to.
            conductors.retain(|_, cell| cell.get().is_some() || Arc::strong_count(cell) > 1);
            let load = self.surroundings.membership.load();
            load.rooms.store(conductors.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Searches when it is told to, and now and then. Runs for the node's life.
    pub async fn run_searches(&self) {
        loop {
            // Whatever ends the wait, it is time.
            let _ = tokio::time::timeout(SEARCH_EVERY, self.search_wanted.notified()).await;
            if let Err(error) = self.search().await {
                tracing::debug!(%error, "the search for rooms without a conductor is tried again");
                self.search_wanted.notify_one();
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
        }
    }

    /// Moves rooms to the nodes that the ring names, when it has stood still for a while. Runs for the node's life.
    pub async fn run_moves(&self) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = (u64::MAX, self.surroundings.clock.boot_us());
        loop {
            interval.tick().await;
            let ring_changes = self.surroundings.directory.view().ring_changes;
            let boot_us = self.surroundings.clock.boot_us();
            if ring_changes != seen.0 {
                seen = (ring_changes, boot_us);
            }
            if boot_us - seen.1 >= RING_SETTLED.as_micros() as i64 {
                self.move_some().await;
            }
        }
    }

    async fn move_some(&self) {
        let directory = &self.surroundings.directory;
        let misplaced = |key: &RoomKey| {
            let named = directory.named(key).filter(|named| *named != self.node)?;
            Some((key.clone(), named))
        };
        let some: Vec<_> = self.conductors.lock().keys().filter_map(misplaced).take(MOVED_PER_SECOND).collect();
        let moved = some.into_iter().map(|(key, named)| async move { self.hand_over(&key, &named).await });
        stream::iter(moved).buffer_unordered(MOVED_AT_ONCE).collect::<Vec<bool>>().await;
    }

    /// What the last look at the store has brought to light.
    pub fn hear_news(self: &Arc<Self>, news: News) {
        if news.store_is_new {
            let router = self.clone();
            tokio::spawn(async move { router.restore().await });
        } else if news.server_changed {
            self.re_assert_all();
            let router = self.clone();
            tokio::spawn(async move { router.search_once_allowed().await });
        }
        if news.somebody_died {
            self.search_wanted.notify_one();
        }
    }

    fn re_assert_all(&self) {
        for cell in self.conductors.lock().values() {
            if let Some(handle) = cell.get() {
                // A conductor that is too busy hears of it from the gateways that drop its plans.
                let _ = handle.mail.try_send(Mail::ReAssert { above_epoch: 0 });
            }
        }
    }

    /// Waits until others' rooms may be taken over again, then has them searched for.
    pub(super) async fn search_once_allowed(&self) {
        let directory = &self.surroundings.directory;
        loop {
            let boot_us = self.surroundings.clock.boot_us();
            if !directory.is_barred(boot_us) && !directory.is_restoring(boot_us) {
                break;
            }
            tokio::time::sleep(RETAKE_PAUSE).await;
        }
        self.search_wanted.notify_one();
    }

    /// Has every conductor look at once whether it still reigns.
    pub(super) fn tick_all(&self) {
        (0..TICK_SLOTS).for_each(|slot| self.tick(slot));
    }
}

fn slot_of(key: &RoomKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key.code.as_str().as_bytes()) % TICK_SLOTS
}
