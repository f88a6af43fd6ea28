//! From the recorder's queue to the sink: all that has gathered in a hundredth of a second, together.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Batch, Event, Kind, NotKept, Recorder, Sink,
    recorder::{Progress, Waiting},
};
use crate::telemetry::{Kind as MetricKind, count};

/// How long events gather.
const GATHER: Duration = Duration::from_millis(10);
/// How many events one batch has at most.
const BATCH_MAX: usize = 500;
/// Past this, nobody waits for receipts any longer.
const PATIENCE: Duration = Duration::from_millis(250);
/// How soon a sink that is out is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How soon losses are told, after a sink was full.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Carries what the recorder takes in to the sink.
pub struct Feed {
    recorder: Arc<Recorder>,
    sink: Arc<dyn Sink>,
    /// Losses are not told before.
    tell_at: Instant,
}

/// A batch on its way, and who must know what becomes of it.
struct Parcel {
    batch: Batch,
    told: Vec<oneshot::Sender<bool>>,
}

impl Feed {
    pub fn new(recorder: Arc<Recorder>, sink: Arc<dyn Sink>) -> Self {
        Self { recorder, sink, tell_at: Instant::now() }
    }

    /// Runs for the node's life.
    pub async fn run(mut self) {
        loop {
            self.wait().await;
            self.carry().await;
        }
    }

    /// Until there is something to carry, and a moment longer.
    async fn wait(&self) {
        loop {
            let has_losses = {
                let queue = self.recorder.queue.lock();
                if !queue.waiting.is_empty() {
                    break;
                }
                !queue.losses.is_empty()
            };
            if has_losses {
                tokio::select! {
                    () = self.recorder.filled.notified() => {}
                    () = tokio::time::sleep_until(self.tell_at) => return,
                }
            } else {
                self.recorder.filled.notified().await;
            }
        }
        tokio::time::sleep(GATHER).await;
    }

    /// Everything that waits, until it is kept or lost.
    async fn carry(&mut self) {
        let (waiting, number) = self.take();
        let mut parcels = parcels(waiting);
        while !parcels.is_empty() {
            parcels = self.offer(parcels).await;
            if !parcels.is_empty() {
                self.stall();
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        self.recorder.queue.lock().held = 0;
        self.recorder.progress.send_replace(Progress { number, is_stalled: false });
    }

    fn take(&mut self) -> (Vec<Waiting>, u64) {
        let mut queue = self.recorder.queue.lock();
        let mut waiting = std::mem::take(&mut queue.waiting);
        if !queue.losses.is_empty() && Instant::now() >= self.tell_at {
            for (tenant, session, lost) in queue.losses.take() {
                let event = Event {
                    id: self.recorder.number(lost.at_us),
                    session,
                    kind: Kind::EVENTS_MISSING,
                    student: None,
                    actor: None,
                    at_us: lost.at_us,
                    run: 0,
                    beat_ub: None,
                    note: None,
                    details: Some(json!({ "count": lost.count })),
                };
                waiting.push(Waiting { tenant, event, told: None });
            }
        }
        queue.held = waiting.len();
        (waiting, queue.number)
    }

    /// Offers every batch to the sink; answers those that have to be offered again.
    async fn offer(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel> {
        let outcomes = self.outcomes(&parcels).await;
        let mut again = Vec::new();
        for (parcel, outcome) in parcels.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.kept(parcel),
                Err(NotKept::Full { max }) => self.lose(parcel, &max),
                Err(NotKept::Unavailable(error)) => {
                    tracing::debug!(tenant = %parcel.batch.tenant, %error, "participation waits to be kept");
                    again.push(parcel);
                }
            }
        }
        again
    }

    async fn outcomes(&self, parcels: &[Parcel]) -> Vec<Result<(), NotKept>> {
        let offers = join_all(parcels.iter().map(|parcel| self.sink.keep(&parcel.batch)));
        tokio::pin!(offers);
        match tokio::time::timeout(PATIENCE, &mut offers).await {
            Ok(outcomes) => outcomes,
            Err(_) => {
                self.stall();
                offers.await
            }
        }
    }

    fn kept(&self, parcel: Parcel) {
        let kept = self.recorder.metrics.participation_recorded.get_or_create(&MetricKind { kind: "kept" }).clone();
        kept.inc_by(parcel.batch.events.len() as u64);
        for told in parcel.told {
            // Whoever asked may have gone.
            let _ = told.send(true);
        }
    }

    fn lose(&mut self, parcel: Parcel, max: &str) {
        let Parcel { batch, told } = parcel;
        let anew = self.recorder.queue.lock().losses.add(&batch.tenant, &batch.events);
        let metrics = &self.recorder.metrics;
        metrics.participation_recorded.get_or_create(&MetricKind { kind: "lost" }).inc_by(anew);
        if Instant::now() >= self.tell_at {
            tracing::error!(tenant = %batch.tenant, %max, "participation is being lost: what waits for the database is full");
        }
        self.tell_at = Instant::now() + TELL_AFTER;
        for told in told {
            let _ = told.send(false);
        }
    }

    /// The sink is out, or slow: nobody waits for it from now on.
    fn stall(&self) {
        let has_changed = self.recorder.progress.send_if_modified(|progress| {
            let was_stalled = std::mem::replace(&mut progress.is_stalled, true);
            !was_stalled
        });
        if has_changed {
            count(&self.recorder.metrics.participation_recorded, "stalled");
            tracing::warn!("what is recorded of lessons cannot be kept for now: it waits in memory");
        }
    }
}

/// By tenant, in order, none too large.
fn parcels(waiting: Vec<Waiting>) -> Vec<Parcel> {
    let mut parcels: Vec<Parcel> = Vec::new();
    let mut open: HashMap<Arc<str>, usize> = HashMap::new();
    for Waiting { tenant, event, told } in waiting {
        let has_space = |at: &usize| parcels[*at].batch.events.len() < BATCH_MAX;
        let at = match open.get(&tenant).copied().filter(has_space) {
            Some(at) => at,
            None => {
                let batch = Batch { tenant: tenant.clone(), events: Vec::new() };
                parcels.push(Parcel { batch, told: Vec::new() });
                open.insert(tenant, parcels.len() - 1);
                parcels.len() - 1
            }
        };
        parcels[at].batch.events.push(event);
        parcels[at].told.extend(told);
    }
    parcels
}

impl Recorder {
    /// Resolves once everything that was taken in before is kept or lost, or `within` has passed.
    pub async fn emptied(&self, within: Duration) {
        let number = self.queue.lock().number;
        let mut progress = self.progress.subscribe();
        let _ = tokio::time::timeout(within, progress.wait_for(|progress| progress.number >= number)).await;
    }
}
