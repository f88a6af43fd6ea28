//! Nodes that keep realtime topics, without sockets: their time moves when the test says so, their messages are lost,
//! their store fails and they themselves freeze or die when it tells them to.

mod client;
mod gate;
mod hall;
mod link;
mod node;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use downbeat::{relay::LocalBus, time::FakeClock};

pub use client::{Client, is_ok, reason};
pub use hall::{Heard, People};
pub use link::Pace;
pub use node::{Node, nodes, peer};

use super::faulty_store::FaultyStore;

pub const START_US: i64 = 1_700_000_000_000_000;
/// How far time moves at once.
pub const STEP_MS: i64 = 50;

/// What nodes share, and what outlives them.
pub struct World {
    pub clock: Arc<FakeClock>,
    /// Sessions, and within it the topics.
    pub store: Arc<FaultyStore>,
    pub bus: LocalBus,
    numbers: AtomicU64,
}

impl World {
    pub fn new() -> Arc<Self> {
        let clock = Arc::new(FakeClock::at(START_US));
        Arc::new(Self { clock, store: Arc::default(), bus: LocalBus::new(), numbers: AtomicU64::new(1) })
    }

    /// A number that was not given before.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Lets time pass for these nodes, with all that they do meanwhile; a frozen one sleeps through it.
pub async fn pass(nodes: &[&Node], ms: i64) {
    pass_in_steps(nodes, ms, STEP_MS).await;
}

/// The same, in steps of `step_ms`.
pub async fn pass_in_steps(nodes: &[&Node], ms: i64, step_ms: i64) {
    assert_eq!(ms % step_ms, 0, "time passes in steps of {step_ms} ms");
    let Some(one) = nodes.first() else { return };
    for _ in 0..ms / step_ms {
        one.world.clock.advance(step_ms * 1_000);
        tokio::time::advance(Duration::from_millis(step_ms.unsigned_abs())).await;
        settle().await;
        for node in nodes.iter().filter(|node| !node.is_frozen()) {
            node.work().await;
        }
        settle().await;
    }
}

/// Lets every task do what it can do at this moment.
pub async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
