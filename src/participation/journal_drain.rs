//! From the journal into the database, in batches that are worth a transaction.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{Batch, Chunk, InsertFailed, Journal, JournalError, Keeper};
use crate::{
    telemetry::{Metrics, count},
    time::Clock,
};

/// Events of one insert.
const BATCH_EVENTS_MAX: usize = 2_000;
/// What is taken up at a time: some thousand events.
const CHUNK_BYTES: u64 = 1 << 20;
/// The pause after a round, so that the next finds a batch that is worth it; as many events as fill one end it. Each
/// transaction writes every page of the indexes that it touches: 500 events at a time cost 1.6 times as much, each, as
/// 2,000 do.
const PAUSE: Duration = Duration::from_secs(2);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Empties the journal into the database.
pub struct JournalDrain {
    journal: Arc<Journal>,
    keeper: Arc<dyn Keeper>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// What a failure has left over. Were it lost, it would be read again.
    left: Mutex<Option<Round>>,
    damage_counted: AtomicU64,
}

/// A round did not come to its end; what it has left waits in the journal.
#[derive(Debug, thiserror::Error)]
pub enum DrainFailed {
    #[error(transparent)]
    Insert(#[from] InsertFailed),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A chunk on its way.
struct Round {
    batches: VecDeque<Batch>,
    upto: u64,
}

impl JournalDrain {
    pub fn new(journal: Arc<Journal>, keeper: Arc<dyn Keeper>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { journal, keeper, clock, metrics, left: Mutex::default(), damage_counted: AtomicU64::new(0) }
    }

    /// Drains for the node's life. Sleeps while nothing waits.
    pub async fn run(&self) {
        let mut backoff = BACKOFF_MIN;
        while self.journal.waiting_at_least(1).await.is_ok() {
            match self.drain_once().await {
                Ok(_) => {
                    backoff = BACKOFF_MIN;
                    let full = self.journal.waiting_at_least(BATCH_EVENTS_MAX as u64);
                    let _ = tokio::time::timeout(PAUSE, full).await;
                }
                Err(error) => {
                    let waiting = self.journal.figures().waiting;
                    tracing::warn!(
                        %error, waiting, retry.after_ms = backoff.as_millis() as u64,
                        "participation waits for the database"
                    );
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        tracing::error!("the participation journal's thread has stopped: restart the node");
    }

    /// Inserts what waits now, and answers how many events that was. What comes meanwhile may stay for the next round.
    ///
    /// # Errors
    /// The database or the journal fails. What was inserted before stays inserted.
    pub async fn drain_once(&self) -> Result<u64, DrainFailed> {
        let drained = self.drain_what_waits().await;
        if drained.is_err() {
            self.metrics.participation_drain_failures.inc();
        }
        self.tell();
        drained
    }

    fn tell(&self) {
        let figures = self.journal.figures();
        self.metrics.participation_waiting.set(i64::try_from(figures.waiting).unwrap_or(i64::MAX));
        for _ in self.damage_counted.swap(figures.damaged, Ordering::Relaxed)..figures.damaged {
            count(&self.metrics.losses, "participation_line_damaged");
        }
        let oldest_us =
            self.left.lock().as_ref().and_then(|round| round.batches.front()?.events.first().map(|e| e.at_us));
        let waits_us = oldest_us.map_or(0, |at_us| (self.clock.now_us() - at_us).max(0));
        self.metrics.participation_oldest_waiting_seconds.set(waits_us as f64 / 1e6);
    }

    async fn drain_what_waits(&self) -> Result<u64, DrainFailed> {
        let (mut stored, waiting) = (0, self.journal.figures().waiting);
        while stored < waiting {
            let left = self.left.lock().take();
            let mut round = match left {
                Some(round) => round,
                None => match self.journal.read(CHUNK_BYTES).await? {
                    Some(chunk) => Round { upto: chunk.upto, batches: joined(chunk) },
                    None => break,
                },
            };
            while let Some(batch) = round.batches.pop_front() {
                if let Err(error) = self.keeper.insert(&batch).await {
                    round.batches.push_front(batch);
                    *self.left.lock() = Some(round);
                    return Err(error.into());
                }
                stored += batch.events.len() as u64;
                self.metrics.participation_stored.inc_by(batch.events.len() as u64);
            }
            self.journal.settle(round.upto).await?;
        }
        Ok(stored)
    }

    /// The node goes: drains for at most so long, and answers how many events are left for its next start.
    pub async fn last_round(&self, within: Duration) -> u64 {
        let drained = tokio::time::timeout(within, async {
            while self.journal.figures().waiting > 0 {
                self.drain_once().await?;
            }
            Ok::<_, DrainFailed>(())
        });
        if let Ok(Err(error)) = drained.await {
            tracing::warn!(%error, "participation waits in the journal for the next start");
        }
        self.journal.figures().waiting
    }
}

/// The lines of each tenant together, in their order, as batches of up to 2,000 events.
fn joined(chunk: Chunk) -> VecDeque<Batch> {
    let mut joined: VecDeque<Batch> = VecDeque::new();
    let mut latest: HashMap<Arc<str>, usize> = HashMap::new();
    for Batch { tenant, events } in chunk.batches {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let open = latest.get(&tenant).copied().filter(|at| joined[*at].events.len() < BATCH_EVENTS_MAX);
            let at = open.unwrap_or_else(|| {
                joined.push_back(Batch { tenant: tenant.clone(), events: Vec::new() });
                latest.insert(tenant.clone(), joined.len() - 1);
                joined.len() - 1
            });
            let batch = &mut joined[at].events;
            batch.extend(events.by_ref().take(BATCH_EVENTS_MAX - batch.len()));
        }
    }
    joined
}
