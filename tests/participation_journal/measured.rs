use std::time::Instant;

use downbeat::participation::{Journal, Sink};
use rustix::time::{ClockId, clock_gettime};

use super::samples::{TempFolder, batch, ids};

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Keeps, reads and settles `rounds` rounds of eight batches, as a busy feed and its drain do; answers ns of CPU per event.
async fn cost(journal: &Journal, rounds: u32, events: u32, readings: u32) -> u64 {
    let batches: Vec<_> = (0..8).map(|n| batch("acme", n * events..(n + 1) * events)).collect();
    let before = cpu_ns();
    for _ in 0..rounds {
        let kept = futures_util::future::join_all(batches.iter().map(|batch| journal.keep(batch))).await;
        assert!(kept.iter().all(Result::is_ok));
        for reading in 1..=readings {
            let chunk = journal.read(u64::MAX).await.unwrap().unwrap();
            assert_eq!(ids(&chunk.batches).len() as u32, 8 * events);
            if reading == readings {
                journal.settle(chunk.upto).await.unwrap();
            }
        }
    }
    (cpu_ns() - before) / u64::from(rounds * 8 * events)
}

#[tokio::test]
#[ignore = "a measurement: cargo test --release --test participation_journal -- --ignored --nocapture measured"]
async fn what_an_event_costs_on_its_way_through_the_journal() {
    let folder = TempFolder::new();
    let journal = folder.open(64 << 20);
    for events in [1, 10, 100, 250] {
        let rounds = 40_000 / (8 * events);
        let began = Instant::now();
        let fresh = cost(&journal, rounds, events, 1).await;
        let reread = cost(&journal, rounds, events, 2).await;
        println!(
            "{events} events a batch: {fresh} ns of CPU per event from memory, {} ns more where it is read again, {:?}",
            reread.saturating_sub(fresh),
            began.elapsed(),
        );
    }
}
