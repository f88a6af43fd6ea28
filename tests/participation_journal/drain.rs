use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use downbeat::{
    participation::{Batch, EventId, InsertFailed, Journal, JournalDrain, Keeper, Sink},
    telemetry::Metrics,
    time::FakeClock,
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::samples::{TempFolder, batch, ids, keep_each, note, note_ids};

const MIB: u64 = 1 << 20;

/// A database that fails when it is told to.
struct Database {
    inserted: Mutex<Vec<Batch>>,
    count: watch::Sender<usize>,
    tries: watch::Sender<usize>,
    /// Whether the try of this number fails.
    fails: Mutex<Box<dyn FnMut(usize) -> bool + Send>>,
}

impl Database {
    fn new(fails: impl FnMut(usize) -> bool + Send + 'static) -> Arc<Self> {
        let (count, tries) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { inserted: Mutex::default(), count, tries, fails: Mutex::new(Box::new(fails)) })
    }

    fn well() -> Arc<Self> {
        Self::new(|_| false)
    }

    fn is_well_from_now_on(&self) {
        *self.fails.lock() = Box::new(|_| false);
    }

    fn fails_from_now_on(&self) {
        *self.fails.lock() = Box::new(|_| true);
    }

    async fn has(&self, events: usize) {
        self.count.subscribe().wait_for(|count| *count >= events).await.unwrap();
    }

    fn batches(&self) -> Vec<Batch> {
        self.inserted.lock().clone()
    }
}

#[async_trait]
impl Keeper for Database {
    async fn insert(&self, batch: &Batch) -> Result<(), InsertFailed> {
        let tries = *self.tries.borrow();
        self.tries.send_replace(tries + 1);
        if (self.fails.lock())(tries) {
            return Err(InsertFailed::Unavailable("the database is down".to_owned()));
        }
        self.inserted.lock().push(batch.clone());
        self.count.send_modify(|count| *count += batch.events.len());
        Ok(())
    }
}

struct House {
    journal: Arc<Journal>,
    database: Arc<Database>,
    clock: Arc<FakeClock>,
    metrics: Arc<Metrics>,
    drain: Arc<JournalDrain>,
}

fn house(folder: &TempFolder, database: Arc<Database>) -> House {
    let (journal, metrics) = (Arc::new(folder.open(MIB)), Arc::new(Metrics::new()));
    let clock = Arc::new(FakeClock::at(note(0).at_us));
    let drain = Arc::new(JournalDrain::new(journal.clone(), database.clone(), clock.clone(), metrics.clone()));
    House { journal, database, clock, metrics, drain }
}

#[tokio::test]
async fn the_lines_of_a_tenant_are_inserted_together_and_in_their_order() {
    let folder = TempFolder::new();
    let house = house(&folder, Database::well());
    for n in 0..20 {
        let tenant = if n % 2 == 0 { "acme" } else { "other" };
        house.journal.keep(&batch(tenant, n..n + 1)).await.unwrap();
    }
    assert_eq!(house.drain.drain_once().await.unwrap(), 20);
    let batches = house.database.batches();
    let of: Vec<_> = batches.iter().map(|batch| (&*batch.tenant, batch.events.len())).collect();
    assert_eq!(of, [("acme", 10), ("other", 10)]);
    let even: Vec<EventId> = (0..20).step_by(2).map(|n| note(n).id).collect();
    assert_eq!(ids(&batches[..1]), even);
    assert_eq!(folder.bytes(), 0);
    assert_eq!((house.metrics.participation_stored.get(), house.metrics.participation_waiting.get()), (20, 0));
}

#[tokio::test]
async fn no_insert_has_more_than_2_000_events() {
    let folder = TempFolder::new();
    let house = house(&folder, Database::well());
    house.journal.keep(&batch("acme", 0..1_500)).await.unwrap();
    house.journal.keep(&batch("other", 0..1)).await.unwrap();
    house.journal.keep(&batch("acme", 1_500..3_000)).await.unwrap();
    house.drain.drain_once().await.unwrap();
    let batches = house.database.batches();
    assert!(batches.iter().all(|batch| batch.events.len() <= 2_000));
    let acme: Vec<_> = batches.into_iter().filter(|batch| &*batch.tenant == "acme").collect();
    assert_eq!(ids(&acme), note_ids(0..3_000));
}

#[tokio::test]
async fn a_database_that_fails_now_and_then_has_everything_in_its_order_in_the_end() {
    let folder = TempFolder::new();
    let mut state = 0x2545_f491_u32;
    let fails = move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        !state.is_multiple_of(3)
    };
    let house = house(&folder, Database::new(fails));
    let mut kept = 0;
    let mut failures = 0;
    while kept < 600 || house.journal.figures().waiting > 0 {
        if kept < 600 {
            let tenant = ["acme", "other", "third"][kept as usize / 7 % 3];
            house.journal.keep(&batch(tenant, kept..kept + 7)).await.unwrap();
            kept += 7;
        }
        failures += u64::from(house.drain.drain_once().await.is_err());
    }
    assert!(failures > 50, "{failures}");
    assert_eq!(house.metrics.participation_drain_failures.get(), failures);
    let batches = house.database.batches();
    for tenant in ["acme", "other", "third"] {
        let of_tenant: Vec<_> = batches.iter().filter(|batch| &*batch.tenant == tenant).cloned().collect();
        assert!(ids(&of_tenant).is_sorted_by(|a, b| a < b), "each once, and in order, as long as no process dies");
    }
    let all: BTreeSet<_> = ids(&batches).into_iter().collect();
    assert_eq!(all, note_ids(0..kept).into_iter().collect());
}

#[tokio::test]
async fn what_was_inserted_and_not_settled_is_inserted_again_after_a_restart() {
    let folder = TempFolder::new();
    let first = house(&folder, Database::new(|tries| tries == 1));
    first.journal.keep(&batch("acme", 0..3)).await.unwrap();
    first.journal.keep(&batch("other", 3..5)).await.unwrap();
    assert!(first.drain.drain_once().await.is_err());
    assert_eq!(ids(&first.database.batches()), note_ids(0..3));
    drop(first);
    let second = house(&folder, Database::well());
    second.drain.drain_once().await.unwrap();
    assert_eq!(ids(&second.database.batches()), note_ids(0..5));
}

#[tokio::test]
async fn the_metrics_tell_how_much_waits_and_for_how_long() {
    let folder = TempFolder::new();
    let house = house(&folder, Database::new(|_| true));
    keep_each(&house.journal, 0..4).await;
    house.clock.advance(90_000_000);
    assert!(house.drain.drain_once().await.is_err());
    assert_eq!(house.metrics.participation_waiting.get(), 4);
    assert_eq!(house.metrics.participation_oldest_waiting_seconds.get(), 90.0);
    house.database.is_well_from_now_on();
    house.drain.drain_once().await.unwrap();
    assert_eq!(house.metrics.participation_waiting.get(), 0);
    assert_eq!(house.metrics.participation_oldest_waiting_seconds.get(), 0.0);
}

#[tokio::test]
async fn a_damaged_line_is_counted_once() {
    let folder = TempFolder::new();
    keep_each(&folder.open(MIB), 0..3).await;
    let file = folder.files().remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("{\"tenant\"", "[\"tenant\"", 1)).unwrap();
    let house = house(&folder, Database::well());
    house.drain.drain_once().await.unwrap();
    house.drain.drain_once().await.unwrap();
    assert_eq!(ids(&house.database.batches()), note_ids(1..3));
    let told = house.metrics.exposition();
    assert!(told.contains("downbeat_losses_total{kind=\"participation_line_damaged\"} 1"), "{told}");
}

#[tokio::test]
async fn a_running_drain_waits_two_seconds_for_more_and_not_for_more_than_a_full_batch() {
    let folder = TempFolder::new();
    let house = house(&folder, Database::well());
    keep_each(&house.journal, 0..1).await;
    let drain = house.drain.clone();
    let running = tokio::spawn(async move { drain.run().await });
    house.database.has(1).await;
    let began = Instant::now();
    keep_each(&house.journal, 1..5).await;
    house.database.has(5).await;
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());

    // This machine may be slow, but hardly each time.
    let mut shortest = Duration::MAX;
    for n in 0..10 {
        let began = Instant::now();
        house.journal.keep(&batch("acme", 5 + n * 2_000..5 + (n + 1) * 2_000)).await.unwrap();
        house.database.has(5 + (n as usize + 1) * 2_000).await;
        shortest = shortest.min(began.elapsed());
    }
    assert!(shortest < Duration::from_millis(400), "{shortest:?}");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_running_drain_tries_a_dead_database_every_five_seconds_and_goes_on_when_it_is_back() {
    let folder = TempFolder::new();
    let house = house(&folder, Database::new(|_| true));
    keep_each(&house.journal, 0..10).await;
    let drain = house.drain.clone();
    let running = tokio::spawn(async move { drain.run().await });
    let mut tries = house.database.tries.subscribe();
    tries.wait_for(|tries| *tries == 1).await.unwrap();
    let began = Instant::now();
    tries.wait_for(|tries| *tries == 20).await.unwrap();
    let took = began.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(75)).contains(&took), "{took:?}");
    house.database.is_well_from_now_on();
    house.database.has(10).await;
    assert!(began.elapsed() - took <= Duration::from_secs(5));
    assert_eq!(ids(&house.database.batches()), note_ids(0..10));
    running.abort();
}

#[tokio::test]
async fn a_node_that_goes_drains_what_it_can_and_leaves_the_rest_for_its_next_start() {
    let folder = TempFolder::new();
    let first = house(&folder, Database::well());
    keep_each(&first.journal, 0..3).await;
    assert_eq!(first.drain.last_round(Duration::from_secs(10)).await, 0);
    assert_eq!(ids(&first.database.batches()), note_ids(0..3));

    first.database.fails_from_now_on();
    keep_each(&first.journal, 3..6).await;
    assert_eq!(first.drain.last_round(Duration::from_secs(10)).await, 3);
    drop(first);
    let second = house(&folder, Database::well());
    second.drain.drain_once().await.unwrap();
    assert_eq!(ids(&second.database.batches()), note_ids(3..6));
}
