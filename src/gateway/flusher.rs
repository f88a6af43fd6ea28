//! Writes to sockets together a moment later, so that one write carries several frames: soon to those that are busy,
//! later to those whose frames are in no hurry.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::outbox::Outbox;
use crate::time::Clock;

/// Sockets written to before other tasks get their turn.
const FLUSHED_AT_ONCE: usize = 64;

/// One or two for a node: no socket has a timer of its own.
pub struct Flusher {
    delay: Duration,
    waiting: Mutex<Vec<Arc<Outbox>>>,
    notify: tokio::sync::Notify,
}

impl Flusher {
    /// Writes to each socket at most `delay_us` after it was added.
    pub(super) fn new(delay_us: i64) -> Self {
        let delay = Duration::from_micros(delay_us.unsigned_abs());
        Self { delay, waiting: Mutex::default(), notify: tokio::sync::Notify::new() }
    }

    pub(super) fn add(&self, outbox: Arc<Outbox>) {
        let mut waiting = self.waiting.lock();
        waiting.push(outbox);
        if waiting.len() == 1 {
            drop(waiting);
            self.notify.notify_one();
        }
    }

    /// Runs for the node's life.
    pub async fn run(&self, clock: &dyn Clock) {
        loop {
            self.notify.notified().await;
            tokio::time::sleep(self.delay).await;
            let waiting = std::mem::take(&mut *self.waiting.lock());
            for some in waiting.chunks(FLUSHED_AT_ONCE) {
                let boot_us = clock.boot_us();
                some.iter().for_each(|outbox| outbox.flush(boot_us));
                tokio::task::yield_now().await;
            }
        }
    }
}
