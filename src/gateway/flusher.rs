//! Writes to busy sockets together, a moment after their last write, so that one write carries several frames.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::outbox::{COALESCE_US, Outbox};
use crate::time::Clock;

/// Sockets written to before other tasks get their turn.
const FLUSHED_AT_ONCE: usize = 64;

/// One for a node: no socket has a timer of its own.
#[derive(Default)]
pub struct Flusher {
    waiting: Mutex<Vec<Arc<Outbox>>>,
    notify: tokio::sync::Notify,
}

impl Flusher {
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
            tokio::time::sleep(Duration::from_micros(COALESCE_US.unsigned_abs())).await;
            let waiting = std::mem::take(&mut *self.waiting.lock());
            for some in waiting.chunks(FLUSHED_AT_ONCE) {
                let boot_us = clock.boot_us();
                some.iter().for_each(|outbox| outbox.flush(boot_us));
                tokio::task::yield_now().await;
            }
        }
    }
}
