use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use downbeat::{
    participation::{Batch, Event, EventId, InsertFailed, Keeper, Kind, SessionId, StreamDrain},
    store::{EventStream, RedisStore},
    telemetry::Metrics,
    time::FakeClock,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::support::MANY;

/// Keeps each event once, as the database does.
pub struct Kept {
    events: Mutex<BTreeSet<(Arc<str>, EventId)>>,
    /// The sizes of the batches that were offered.
    pub offered: Mutex<Vec<usize>>,
    /// It refuses so many of the next.
    pub refusals: AtomicI64,
    /// Refuses every nth, where that is not 0.
    pub refuses_every: AtomicUsize,
    /// How many inserts may end.
    pub gate: Semaphore,
}

impl Kept {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            offered: Mutex::default(),
            refusals: AtomicI64::new(0),
            refuses_every: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub fn of(&self, tenant: &str) -> BTreeSet<EventId> {
        let events = self.events.lock();
        events.iter().filter(|(whose, _)| &**whose == tenant).map(|(_, id)| *id).collect()
    }
}

#[async_trait]
impl Keeper for Kept {
    async fn insert(&self, batch: &Batch) -> Result<(), InsertFailed> {
        let place = self.gate.acquire().await.expect("it is never closed");
        let offered = {
            let mut offered = self.offered.lock();
            offered.push(batch.events.len());
            offered.len()
        };
        let every = self.refuses_every.load(Ordering::SeqCst);
        if self.refusals.fetch_sub(1, Ordering::SeqCst) > 0 || (every > 0 && offered % every == 0) {
            return Err(InsertFailed::Unavailable("as the test wants it".into()));
        }
        let kept = batch.events.iter().map(|event| (Arc::clone(&batch.tenant), event.id));
        self.events.lock().extend(kept);
        drop(place);
        Ok(())
    }
}

/// A node, and what its test moves it with.
pub struct Node {
    pub drain: Arc<StreamDrain>,
    pub clock: Arc<FakeClock>,
    pub metrics: Arc<Metrics>,
}

/// A node that is preferred for all tenants whose names begin with `preferred`.
pub fn node(store: &Arc<RedisStore>, kept: &Arc<Kept>, name: &str, preferred: &'static str) -> Node {
    let (clock, metrics) = (Arc::new(FakeClock::at(1)), Arc::new(Metrics::new()));
    let drain = StreamDrain::new(
        store.clone(),
        kept.clone(),
        name.into(),
        Arc::new(|| vec!["acme".into(), "other".into()]),
        Arc::new(move |tenant| tenant.starts_with(preferred)),
        clock.clone(),
        metrics.clone(),
    );
    Node { drain: Arc::new(drain), clock, metrics }
}

pub fn event(number: u32) -> Event {
    let room = downbeat::room::RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") };
    let at_us = 1_763_829_430_000_000;
    Event {
        id: EventId::new(at_us, 7, number),
        session: SessionId::of(&room, at_us),
        kind: Kind::JOINED,
        student: Some("ada".into()),
        actor: None,
        at_us,
        run: 0,
        beat_ub: None,
        note: None,
        details: None,
    }
}

pub fn ids(numbers: std::ops::Range<u32>) -> BTreeSet<EventId> {
    numbers.map(|number| event(number).id).collect()
}

/// Adds these events in entries of `each`.
pub async fn add_events(store: &RedisStore, tenant: &str, numbers: std::ops::Range<u32>, each: usize) {
    let events: Vec<_> = numbers.map(event).collect();
    for events in events.chunks(each) {
        let text = serde_json::to_string(events).expect("plain data");
        store.add_events(tenant, &text, events.len() as u32, MANY).await.unwrap();
    }
}
