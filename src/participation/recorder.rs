//! Where events are put. Whoever does so never waits; who must know that an event is safe asks its receipt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{Event, EventId, Receipt, losses::Losses, receipt::Settlement};
use crate::telemetry::{Metrics, count};

/// Events that wait to be kept, of all tenants together. Beyond them the newest are lost, and counted.
pub const QUEUED_MAX: usize = 100_000;

/// The same where more than this wait already: reflections are long, and whoever sends one is told.
const SUBMITTED_MAX: usize = 1_000;
/// Past this, whoever must know is told that nobody does: well within a client's own patience of 10 s.
const KNOWN_WITHIN: Duration = Duration::from_secs(4);

/// Whether a tenant's lessons are recorded.
pub type IsRecorded = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Takes in what happens in this node's rooms.
pub struct Recorder {
    is_recorded: IsRecorded,
    /// 48 random bits: part of the ids of this process's events.
    process: u64,
    counted: AtomicU32,
    pub(super) metrics: Arc<Metrics>,
    pub(super) queue: Mutex<Queue>,
    pub(super) filled: Notify,
    /// Somebody waits for what was put in: it is not left to gather long.
    pub(super) pressed: Notify,
    pub(super) settlement: Arc<Settlement>,
}

/// What waits to be kept.
#[derive(Default)]
pub(super) struct Queue {
    pub waiting: Vec<Waiting>,
    /// How many events were ever put in.
    pub number: u64,
    pub losses: Losses,
    /// Those that the feed has taken out and still holds.
    pub held: usize,
    /// The node goes: losses are told now or never.
    pub tells_at_once: bool,
}

/// One event in the queue.
pub(super) struct Waiting {
    pub tenant: Arc<str>,
    pub event: Event,
    /// Who must know what becomes of it.
    pub told: Option<oneshot::Sender<bool>>,
}

/// The event was not kept, or nobody knows: it may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    #[error(
        "participation is not recorded: this server has no database (DATABASE_URL), or this school's `participation` is off"
    )]
    Off,
    #[error("it could not be kept: try again in a moment")]
    Lost,
    /// It waits in memory.
    #[error("nobody knows yet whether it is kept: look whether it is there before you send it again")]
    Unknown,
}

/// Tells what has become of an event that somebody must know of.
#[derive(Debug)]
pub struct Outcome(oneshot::Receiver<bool>);

impl Recorder {
    /// `process` is a random number.
    pub fn new(is_recorded: IsRecorded, process: u64, metrics: Arc<Metrics>) -> Self {
        Self {
            is_recorded,
            process,
            counted: AtomicU32::new(0),
            metrics,
            queue: Mutex::default(),
            filled: Notify::new(),
            pressed: Notify::new(),
            settlement: Arc::default(),
        }
    }

    /// One that records nothing.
    pub fn off(metrics: Arc<Metrics>) -> Self {
        Self::new(Box::new(|_| false), 0, metrics)
    }

    /// Whether what happens in this tenant's rooms is recorded at all.
    pub fn is_on(&self, tenant: &str) -> bool {
        (self.is_recorded)(tenant)
    }

    /// A number for an event of this time.
    pub fn number(&self, at_us: i64) -> EventId {
        EventId::new(at_us, self.process, self.counted.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes an event in, if its tenant's are recorded. Never blocks, and never fails: what cannot be kept is counted.
    pub fn record(&self, tenant: &Arc<str>, event: Event) -> Receipt {
        if !self.is_on(tenant) {
            return Receipt::default();
        }
        match self.put(Waiting { tenant: tenant.clone(), event, told: None }) {
            Some(number) if !self.settlement.is_stalled() => Receipt::new(number, self.settlement.clone()),
            _ => Receipt::default(),
        }
    }

    /// Takes an event in of which somebody must know whether it is safe. Never blocks.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn submit(&self, tenant: &Arc<str>, event: Event) -> Result<Outcome, NotRecorded> {
        if !self.is_on(tenant) {
            return Err(NotRecorded::Off);
        }
        let (told, outcome) = oneshot::channel();
        self.put(Waiting { tenant: tenant.clone(), event, told: Some(told) }).ok_or(NotRecorded::Lost)?;
        Ok(Outcome(outcome))
    }

    /// The event's place in the queue; none where there is no space. One that its sender knows to be refused counts as
    /// no loss: it may be sent again.
    fn put(&self, waiting: Waiting) -> Option<u64> {
        let mut queue = self.queue.lock();
        let max = if waiting.told.is_some() { SUBMITTED_MAX } else { QUEUED_MAX };
        if queue.waiting.len() + queue.held >= max {
            if waiting.told.is_none() {
                queue.losses.add(&waiting.tenant, std::slice::from_ref(&waiting.event));
                count(&self.metrics.participation_recorded, "lost");
            }
            return None;
        }
        let was_empty = queue.waiting.is_empty();
        // A note was heard already, and nobody waits for its ok.
        let presses = waiting.event.note.is_none();
        queue.waiting.push(waiting);
        queue.number += 1;
        let number = queue.number;
        drop(queue);
        if was_empty {
            self.filled.notify_one();
        }
        if presses {
            self.pressed.notify_one();
        }
        Some(number)
    }
}

impl Outcome {
    /// Resolves once it is known, or after [`KNOWN_WITHIN`].
    ///
    /// # Errors
    /// It was not kept, or nobody knows.
    pub async fn known(self) -> Result<(), NotRecorded> {
        match tokio::time::timeout(KNOWN_WITHIN, self.0).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(NotRecorded::Lost),
            Err(_) => Err(NotRecorded::Unknown),
        }
    }
}
