//! Presences of realtime topics under everything that clients, nodes, a bus and a store can do to them: simulated from a
//! seed, the same seed the same run, but for the order of maps.
//!
//! The nodes' topics are the real ones; clock, bus and store are the test's. `DOWNBEAT_SIM_SEEDS` sets how many seeds run,
//! `DOWNBEAT_SIM_SEED` replays one and tells its story.

#[path = "../conductor_rules/faulty_store.rs"]
#[allow(dead_code, reason = "here nobody writes rooms")]
mod faulty_store;
#[path = "../simulation/rng.rs"]
mod rng;
mod story;
#[path = "../realtime_rules/town/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the rules need the rest")]
mod town;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use story::{Story, Told};

const SEEDS: u64 = 300;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn run(seed: u64, is_told: bool) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(Story::new(seed, is_told).run())
}

#[test]
fn once_the_dust_has_settled_every_client_on_every_node_sees_who_is_there() {
    if let Some(seed) = from_environment("DOWNBEAT_SIM_SEED") {
        run(seed, true);
        return;
    }
    let seeds = from_environment("DOWNBEAT_SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failed, sum) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Told::default()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
                        Ok(told) => sum.lock().expect("nobody fails with it").add(&told),
                        Err(_) => failed.lock().expect("nobody fails with it").push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody failed with it");
    assert!(failed.is_empty(), "DOWNBEAT_SIM_SEED={} tells more; all that failed: {failed:?}", failed[0]);
    let sum = sum.into_inner().expect("nobody failed with it");
    // A simulation in which nothing happens finds nothing.
    if seeds >= SEEDS {
        let Told { deaths, freezes, losses, cuts, checked } = sum;
        assert!([deaths, freezes, losses, cuts].iter().all(|much| *much > seeds / 10), "{sum:?}");
        assert!(checked > seeds * 3, "{sum:?}");
    }
}
