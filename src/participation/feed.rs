//! From the recorder's queue to the sink: all that has gathered for a moment, together.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use serde_json::json;
use tokio::{sync::oneshot, time::Instant};

use super::{Batch, Event, Kind, NotKept, Recorder, Sink, receipt::Progress, recorder::Waiting};
use crate::telemetry::{Kind as MetricKind, count};

/// How long notes gather: each batch costs as much as some ten events, and nobody waits for a note's ok.
const GATHER: Duration = Duration::from_millis(50);
/// How long they do once somebody waits for an answer.
const GATHER_PRESSED: Duration = Duration::from_millis(10);
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
    /// What the sink could not keep for now, oldest first.
    stuck: Vec<Parcel>,
    /// It is not offered again before.
    again_at: Instant,
    /// Losses are not told before.
    tell_at: Instant,
}

/// A batch on its way, and who must know what becomes of which of its events.
struct Parcel {
    batch: Batch,
    told: Vec<(usize, oneshot::Sender<bool>)>,
}

impl Feed {
    pub fn new(recorder: Arc<Recorder>, sink: Arc<dyn Sink>) -> Self {
        let now = Instant::now();
        Self { recorder, sink, stuck: Vec::new(), again_at: now, tell_at: now }
    }

    /// Runs for the node's life. A failure costs what is in hands, and ends nothing.
    pub async fn run(mut self) {
        loop {
            self.wait().await;
            if AssertUnwindSafe(self.carry()).catch_unwind().await.is_err() {
                count(&self.recorder.metrics.panics, "feed");
                tracing::error!("what was being recorded is lost: the recorder's feed has failed");
                self.stuck.clear();
                let number = self.recorder.queue.lock().number;
                self.tell_progress(number);
            }
        }
    }

    /// Until there is something to carry, and a moment longer.
    async fn wait(&self) {
        loop {
            let wake_at = {
                let queue = self.recorder.queue.lock();
                if !queue.waiting.is_empty() {
                    break;
                }
                match (self.stuck.is_empty(), queue.losses.is_empty()) {
                    (false, _) => Some(self.again_at),
                    (true, false) if queue.tells_at_once => return,
                    (true, false) => Some(self.tell_at),
                    (true, true) => None,
                }
            };
            match wake_at {
                None => self.recorder.filled.notified().await,
                Some(wake_at) => tokio::select! {
                    () = self.recorder.filled.notified() => {}
                    () = tokio::time::sleep_until(wake_at) => return,
                },
            }
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = self.recorder.pressed.notified() => tokio::time::sleep(GATHER_PRESSED).await,
        }
    }

    /// Offers everything that waits, and what was stuck if its time has come.
    async fn carry(&mut self) {
        let (waiting, number) = self.take();
        let stuck_tenants: HashSet<Arc<str>> = self.stuck.iter().map(|parcel| parcel.batch.tenant.clone()).collect();
        // What comes after something that is stuck waits behind it, and not in the way of other tenants.
        let (behind, fresh): (Vec<Waiting>, Vec<Waiting>) =
            waiting.into_iter().partition(|waiting| stuck_tenants.contains(&waiting.tenant));
        self.stuck.extend(parcels(behind));
        let mut offered = parcels(fresh);
        if !self.stuck.is_empty() && Instant::now() >= self.again_at {
            offered.splice(..0, std::mem::take(&mut self.stuck));
        }
        let again = self.offer(offered).await;
        if !again.is_empty() {
            self.again_at = Instant::now() + AGAIN_AFTER;
            self.stuck.splice(..0, again);
        }
        self.tell_progress(number);
    }

    fn take(&mut self) -> (Vec<Waiting>, u64) {
        let mut queue = self.recorder.queue.lock();
        let mut waiting = std::mem::take(&mut queue.waiting);
        let tells_at_once = std::mem::take(&mut queue.tells_at_once);
        if !queue.losses.is_empty() && (tells_at_once || Instant::now() >= self.tell_at) {
            self.tell_at = Instant::now() + TELL_AFTER;
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
        queue.held += waiting.len();
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
                    tracing::debug!(tenant.id = %parcel.batch.tenant, %error, "participation waits to be kept");
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
        for (_, told) in parcel.told {
            // Whoever asked may have gone.
            let _ = told.send(true);
        }
    }

    /// Counts what is lost, but for what somebody was waiting for: he is told, and may send it again.
    fn lose(&mut self, parcel: Parcel, max: &str) {
        let Parcel { batch: Batch { tenant, events }, told } = parcel;
        let asked_for: HashSet<usize> = told.iter().map(|(at, _)| *at).collect();
        let lost: Vec<Event> =
            events.into_iter().enumerate().filter(|(at, _)| !asked_for.contains(at)).map(|(_, event)| event).collect();
        let anew = self.recorder.queue.lock().losses.add(&tenant, &lost);
        let metrics = &self.recorder.metrics;
        metrics.participation_recorded.get_or_create(&MetricKind { kind: "lost" }).inc_by(anew);
        if anew > 0 {
            tracing::error!(
                tenant.id = %tenant, events = anew, %max,
                "participation is being lost: what waits for the database is full"
            );
        }
        for (_, told) in told {
            let _ = told.send(false);
        }
    }

    /// Everything up to `number` is kept or lost; or something is stuck, and nobody shall wait for that.
    fn tell_progress(&self, number: u64) {
        let held: usize = self.stuck.iter().map(|parcel| parcel.batch.events.len()).sum();
        self.recorder.queue.lock().held = held;
        if held > 0 {
            self.stall();
        } else {
            self.recorder.settlement.reach(number);
        }
    }

    /// The sink is out, or slow: nobody waits for it from now on.
    fn stall(&self) {
        if self.recorder.settlement.stall() {
            count(&self.recorder.metrics.participation_recorded, "stalled");
            tracing::warn!("what is recorded of lessons cannot be kept for now: it waits in memory");
        }
    }
}

/// By tenant, in order, none too large; what tells of losses apart from all else, because a full sink takes it.
fn parcels(waiting: Vec<Waiting>) -> Vec<Parcel> {
    let mut parcels: Vec<Parcel> = Vec::new();
    let mut open: HashMap<(Arc<str>, bool), usize> = HashMap::new();
    for Waiting { tenant, event, told } in waiting {
        let of = (tenant, event.kind == Kind::EVENTS_MISSING);
        let has_space = |at: &usize| parcels[*at].batch.events.len() < BATCH_MAX;
        let at = match open.get(&of).copied().filter(has_space) {
            Some(at) => at,
            None => {
                let batch = Batch { tenant: of.0.clone(), events: Vec::new() };
                parcels.push(Parcel { batch, told: Vec::new() });
                open.insert(of, parcels.len() - 1);
                parcels.len() - 1
            }
        };
        let Parcel { batch, told: tells } = &mut parcels[at];
        tells.extend(told.map(|told| (batch.events.len(), told)));
        batch.events.push(event);
    }
    parcels
}

impl Recorder {
    /// The node goes: resolves once everything that was taken in before is kept, or is lost and told, or `within` has
    /// passed. Answers how many events are in nobody's hands but this process's.
    pub async fn emptied(&self, within: Duration) -> usize {
        let number = {
            let mut queue = self.queue.lock();
            queue.tells_at_once = true;
            queue.number
        };
        self.filled.notify_one();
        let mut progress = self.settlement.subscribe();
        let has_gone = |progress: &Progress| progress.number >= number && !progress.is_stalled;
        let emptied = async {
            // Nobody tells any more only when the feed has ended.
            let _ = progress.wait_for(has_gone).await;
            while !self.queue.lock().losses.is_empty() && progress.changed().await.is_ok() {}
        };
        let _ = tokio::time::timeout(within, emptied).await;
        let queue = self.queue.lock();
        queue.waiting.len() + queue.held
    }
}
