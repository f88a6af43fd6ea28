//! What keeps presences true: processes that died, messages that were lost, a store that has lost everything.

use std::sync::Arc;

use super::{Realtime, RealtimeParts, Topic, TopicState};
use crate::store::Home;

/// How often presences are read again, whether or not anything seems to have been missed.
const READ_EVERY_US: i64 = 30_000_000;
/// How often this process lays its presences down again, so that they do not expire.
/// Topics whose presences are read again at once: after a loss it may be all of them.
pub(super) const READS_AT_ONCE: usize = 32;
const LAY_DOWN_EVERY_US: i64 = 600_000_000;

/// How things were when they were last looked at.
pub(super) struct Tended {
    incarnation: u64,
    generation: Option<String>,
    laid_down_us: i64,
}

impl Tended {
    pub(super) fn of(parts: &RealtimeParts) -> Self {
        Self {
            incarnation: parts.membership.incarnation(),
            generation: parts.directory.view().generation.clone(),
            laid_down_us: parts.clock.boot_us(),
        }
    }
}

impl Realtime {
    /// Buries the presences of processes that are gone, gives a store back what it has lost, reads what was missed. To be
    /// called once a second.
    pub fn tend(self: &Arc<Self>) {
        let boot_us = self.parts.clock.boot_us();
        let topics: Vec<Arc<Topic>> = self.slots.read().values().map(|slot| slot.topic.clone()).collect();
        let (was_taken_for_dead, must_lay_down) = self.what_is_new(boot_us);
        let own = self.parts.membership.home();
        for topic in topics {
            let mut state = topic.lock();
            let mut told = self.bury(&mut state, boot_us);
            if was_taken_for_dead {
                told.extend(state.roll.reassert(&own, boot_us));
            } else if must_lay_down {
                told.extend(state.roll.of(&own));
            }
            if !told.is_empty() {
                self.spread(&topic, &mut state, told);
            }
            state.roll.forget(boot_us);
            state.forget_retold(boot_us);
            let is_due = state.read_us.is_some_and(|read_us| state.is_stale || boot_us - read_us > READ_EVERY_US);
            drop(state);
            if is_due {
                self.read_later(topic);
            }
        }
    }

    /// Everybody whose process is gone leaves. Answers their connections: the store has to learn of it.
    fn bury(&self, state: &mut TopicState, boot_us: i64) -> Vec<u64> {
        let own = self.parts.membership.home();
        let is_gone = |home: &Home| *home != own && self.parts.directory.is_gone(home, boot_us);
        state.forget_homes(is_gone);
        state.roll.bury(is_gone, boot_us)
    }

    fn what_is_new(&self, boot_us: i64) -> (bool, bool) {
        let now = Tended::of(&self.parts);
        let mut tended = self.tended.lock();
        let was_taken_for_dead = now.incarnation != tended.incarnation;
        let is_due = boot_us - tended.laid_down_us > LAY_DOWN_EVERY_US;
        let must_lay_down = is_due || now.generation != tended.generation;
        *tended = Tended { laid_down_us: if is_due { boot_us } else { tended.laid_down_us }, ..now };
        (was_taken_for_dead, must_lay_down)
    }

    fn read_later(self: &Arc<Self>, topic: Arc<Topic>) {
        let realtime = self.clone();
        tokio::spawn(async move {
            // Never closed.
            let _permit = realtime.reads.acquire().await;
            // Whoever reads already reads for all.
            if let Ok(_only_one) = topic.reading.try_lock() {
                realtime.read_presences(&topic).await;
            }
        });
    }

    /// Reads who is present; to be called by whoever holds the topic's `reading`.
    pub(super) async fn read_presences(&self, topic: &Arc<Topic>) {
        let asked_us = self.parts.clock.boot_us();
        topic.lock().is_stale = false;
        let stored = self.parts.store.presences(topic.key()).await;
        let boot_us = self.parts.clock.boot_us();
        let mut state = topic.lock();
        let is_first = state.read_us.replace(boot_us).is_none();
        match stored {
            Ok(stored) => {
                let mut wrong = state.roll.reconcile(&stored, asked_us, &self.parts.membership.home(), boot_us);
                // Whom nobody has buried, because nobody was left on the topic: a newcomer must not see them.
                wrong.extend(self.bury(&mut state, boot_us));
                if is_first {
                    // Nobody here has been told of anybody yet: the state will tell.
                    drop(state.roll.take_diff());
                }
                self.spread(topic, &mut state, wrong);
            }
            Err(error) => {
                tracing::debug!(
                    tenant.id = %topic.key().tenant, topic.name = %topic.key().name, %error,
                    "who is present could not be read yet"
                );
                state.is_stale = true;
            }
        }
    }
}
