//! When a node looks into which tenant's stream.
//!
//! The tenant's preferred node often, and less often while nothing comes; the others now and then, in case that one is
//! stuck. After a failure each waits longer from time to time.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::store::StreamEntry;

use super::{BATCH_EVENTS, DrainError, StreamDrain};

/// The preferred node looks so often while events come.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// And so often when none have come for a while.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// The other nodes look so often, and everybody after many failures.
const OTHERS_PAUSE: Duration = Duration::from_secs(5);
/// Entries that nobody settled are looked for so often; likewise, how much waits.
const LOOK_AROUND: Duration = Duration::from_secs(5);
/// Consumers that may be forgotten are looked for so often.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);
/// A node that was handed nothing for so long is away, or has nothing to do here.
const CONSUMERS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How many tenants' events are on their way at once.
const TENANTS_AT_ONCE: usize = 4;
/// How much of one tenant before it is the others' turn.
const DRAINS_PER_TURN: usize = 8;

/// What is known of one tenant. Times are the boot-time clock's, µs.
#[derive(Default)]
pub(super) struct Turn {
    due_us: i64,
    pause: Duration,
    failures: u32,
    reclaim_due_us: i64,
    tidy_due_us: i64,
    look_due_us: i64,
    /// How many events waited at the last look, and for how long.
    waiting: (u64, Duration),
    /// Taken, and neither inserted nor settled for sure.
    held: Vec<StreamEntry>,
}

impl StreamDrain {
    /// For the node's life.
    pub async fn run(&self) {
        let mut ticks = interval(BUSY_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    /// Every tenant whose turn it is. Answers how many events were settled.
    pub async fn round(&self) -> usize {
        let tenants = (self.tenants)();
        self.turns.lock().retain(|tenant, _| tenants.contains(tenant));
        let due = tenants.into_iter().filter(|tenant| self.is_due(tenant));
        let due: Vec<_> = due.collect();
        let settled = stream::iter(due).map(|tenant| self.visit(tenant)).buffer_unordered(TENANTS_AT_ONCE);
        let settled = settled.fold(0, async |sum, settled| sum + settled).await;
        self.tell_what_waits();
        settled
    }

    /// Before the node ends: all that this node has in hands, and all that waits of the tenants whose preferred node it
    /// is, as far as `within` allows. What is left others take up. Answers whether nothing is left.
    pub async fn last_round(&self, within: Duration) -> bool {
        let all = async {
            let mut well = true;
            for tenant in (self.tenants)() {
                while self.holds(&tenant) || (self.is_preferred)(&tenant) {
                    match self.drain_once(&tenant).await {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(tenant.id = %tenant, %error, "participation events wait for another node");
                            well = false;
                            break;
                        }
                    }
                }
            }
            well
        };
        timeout(within, all).await.unwrap_or(false)
    }

    async fn visit(&self, tenant: Arc<str>) -> usize {
        let mut settled = 0;
        let mut outcome = Ok(());
        for _ in 0..DRAINS_PER_TURN {
            match self.drain_once(&tenant).await {
                Ok(some) => {
                    settled += some;
                    if some < BATCH_EVENTS {
                        break;
                    }
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.plan(&tenant, settled, outcome);
        if (self.is_preferred)(&tenant) {
            self.look_around(&tenant).await;
        }
        settled
    }

    fn plan(&self, tenant: &Arc<str>, settled: usize, outcome: Result<(), DrainError>) {
        let preferred = (self.is_preferred)(tenant);
        self.with(tenant, |turn, now_us| {
            match outcome {
                Err(error) => {
                    if turn.failures == 0 {
                        tracing::error!(tenant.id = %tenant, %error, "participation events wait");
                    }
                    turn.pause = (BUSY_PAUSE * (1 << turn.failures.min(5))).min(OTHERS_PAUSE);
                    turn.failures = turn.failures.saturating_add(1);
                }
                Ok(()) => {
                    if std::mem::take(&mut turn.failures) > 0 {
                        tracing::info!(tenant.id = %tenant, "participation events reach the database again");
                    }
                    turn.pause = match (preferred, settled) {
                        (false, _) => OTHERS_PAUSE,
                        (true, 0) => (turn.pause * 2).clamp(BUSY_PAUSE, IDLE_PAUSE),
                        (true, _) => BUSY_PAUSE,
                    };
                }
            }
            turn.due_us = now_us + micros(turn.pause);
        });
    }

    /// How much waits, and which consumers are gone. What fails here is tried again.
    async fn look_around(&self, tenant: &Arc<str>) {
        if self.with(tenant, |turn, now_us| due(&mut turn.look_due_us, now_us, LOOK_AROUND))
            && let Ok(waiting) = self.stream.waiting_events(tenant).await
        {
            self.with(tenant, |turn, _| turn.waiting = (waiting.events, waiting.oldest));
        }
        if self.with(tenant, |turn, now_us| due(&mut turn.tidy_due_us, now_us, TIDY_EVERY))
            && let Err(error) = self.stream.tidy_consumers(tenant, CONSUMERS_KEPT).await
        {
            tracing::debug!(tenant.id = %tenant, %error, "consumers of nodes that are gone stay listed for now");
        }
    }

    fn tell_what_waits(&self) {
        let turns = self.turns.lock();
        let preferred = turns.iter().filter(|(tenant, _)| (self.is_preferred)(tenant));
        let (events, oldest) = preferred.fold((0, Duration::ZERO), |(events, oldest), (_, turn)| {
            (events + turn.waiting.0, turn.waiting.1.max(oldest))
        });
        self.metrics.participation_waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.metrics.participation_oldest_waiting_seconds.set(oldest.as_secs_f64());
    }

    fn is_due(&self, tenant: &Arc<str>) -> bool {
        self.with(tenant, |turn, now_us| turn.due_us <= now_us)
    }

    /// Whether it is time to look for what others have left; then it is not, for a while.
    pub(super) fn reclaims(&self, tenant: &str) -> bool {
        self.with(tenant, |turn, now_us| due(&mut turn.reclaim_due_us, now_us, LOOK_AROUND))
    }

    /// There may be more of it.
    pub(super) fn reclaims_again(&self, tenant: &str) {
        self.with(tenant, |turn, now_us| turn.reclaim_due_us = now_us);
    }

    fn holds(&self, tenant: &str) -> bool {
        self.with(tenant, |turn, _| !turn.held.is_empty())
    }

    pub(super) fn held(&self, tenant: &str) -> Vec<StreamEntry> {
        self.with(tenant, |turn, _| std::mem::take(&mut turn.held))
    }

    pub(super) fn hold(&self, tenant: &str, entries: Vec<StreamEntry>) {
        self.with(tenant, |turn, _| turn.held.extend(entries));
    }

    fn with<T>(&self, tenant: &str, change: impl FnOnce(&mut Turn, i64) -> T) -> T {
        let now_us = self.clock.boot_us();
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get_mut(tenant) {
            return change(turn, now_us);
        }
        change(turns.entry(tenant.into()).or_default(), now_us)
    }
}

/// Whether it is time; if so, the next time is `every` later.
fn due(at_us: &mut i64, now_us: i64, every: Duration) -> bool {
    let due = *at_us <= now_us;
    if due {
        *at_us = now_us + micros(every);
    }
    due
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
