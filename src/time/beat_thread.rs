//! The thread that wakes for beats.
//!
//! The problem: an async runtime's timers are a millisecond coarse and later still under load, and a class
//! hears that. So one thread per node sleeps to absolute deadlines with the kernel's timer slack turned off,
//! and hands what is due to the runtime in batches.

use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

use super::Clock;

/// Two deadlines closer than this are handed over together, so an item may come that much early.
pub const BATCH_WINDOW_US: i64 = 20;

/// The deadlines that the thread waits for. Cheap to share.
pub struct Wheel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    heap: BinaryHeap<Deadline<T>>,
    stopped: bool,
}

struct Deadline<T> {
    due_boot_us: i64,
    item: T,
}

impl<T> Wheel<T> {
    /// Hands `item` over when the boot-time clock reads `due_boot_us`, at once if that has passed.
    /// A deadline cannot be taken back: who receives it checks whether it still matters.
    pub fn schedule(&self, due_boot_us: i64, item: T) {
        let mut state = self.state.lock();
        let is_first = state.heap.peek().is_none_or(|first| due_boot_us < first.due_boot_us);
        state.heap.push(Deadline { due_boot_us, item });
        drop(state);
        if is_first {
            self.changed.notify_one();
        }
    }
}

/// Owns the thread; it ends when this is dropped.
pub struct BeatThread<T: Send + 'static> {
    wheel: Arc<Wheel<T>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<T: Send + 'static> BeatThread<T> {
    /// Starts the thread. `hand_over` gets all that is due at one waking and must not block.
    pub fn spawn(clock: Arc<dyn Clock>, hand_over: impl Fn(Vec<T>) + Send + 'static) -> std::io::Result<Self> {
        let wheel = Arc::new(Wheel {
            state: Mutex::new(State { heap: BinaryHeap::new(), stopped: false }),
            changed: Condvar::new(),
        });
        let waiting = wheel.clone();
        let thread = thread::Builder::new().name("beats".into()).spawn(move || {
            // 1 ns of slack: the default of 50 µs would be the largest part of a beat's lateness.
            // A kernel that refuses leaves the default, which is late but right.
            let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
            run(&waiting, &*clock, &hand_over);
        })?;
        Ok(Self { wheel, thread: Some(thread) })
    }

    pub fn wheel(&self) -> Arc<Wheel<T>> {
        self.wheel.clone()
    }
}

impl<T: Send + 'static> Drop for BeatThread<T> {
    fn drop(&mut self) {
        self.wheel.state.lock().stopped = true;
        self.wheel.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run<T>(wheel: &Wheel<T>, clock: &dyn Clock, hand_over: &impl Fn(Vec<T>)) {
    let mut state = wheel.state.lock();
    while !state.stopped {
        let now_us = clock.boot_us();
        match state.heap.peek().map(|first| first.due_boot_us - now_us) {
            None => wheel.changed.wait(&mut state),
            Some(wait_us) if wait_us > 0 => {
                let wait = Duration::from_micros(wait_us.unsigned_abs());
                wheel.changed.wait_for(&mut state, wait);
            }
            Some(_) => {
                let batch = take_due(&mut state.heap, now_us + BATCH_WINDOW_US);
                parking_lot::MutexGuard::unlocked(&mut state, || hand_over(batch));
            }
        }
    }
}

fn take_due<T>(heap: &mut BinaryHeap<Deadline<T>>, until_us: i64) -> Vec<T> {
    let mut batch = Vec::new();
    while heap.peek().is_some_and(|first| first.due_boot_us <= until_us) {
        batch.extend(heap.pop().map(|deadline| deadline.item));
    }
    batch
}

// `BinaryHeap` gives the greatest first: the earliest deadline is the greatest.
impl<T> Ord for Deadline<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due_boot_us.cmp(&self.due_boot_us)
    }
}

impl<T> PartialOrd for Deadline<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Deadline<T> {
    fn eq(&self, other: &Self) -> bool {
        self.due_boot_us == other.due_boot_us
    }
}

impl<T> Eq for Deadline<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ClusterClock;

    #[test]
    fn deadlines_come_back_earliest_first_whatever_order_they_were_set_in() {
        let clock: Arc<dyn Clock> = Arc::new(ClusterClock::start("test".into()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = BeatThread::spawn(clock.clone(), move |batch: Vec<u32>| {
            for item in batch {
                let _ = sender.send(item);
            }
        })
        .expect("a thread");
        let start_us = clock.boot_us();
        for item in [3u32, 1, 2] {
            thread.wheel().schedule(start_us + i64::from(item) * 5_000, item);
        }
        let order: Vec<u32> = receiver.iter().take(3).collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(clock.boot_us() >= start_us + 15_000, "none before its deadline");
    }

    #[test]
    fn a_deadline_in_the_past_is_handed_over_at_once() {
        let clock: Arc<dyn Clock> = Arc::new(ClusterClock::start("test".into()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = BeatThread::spawn(clock, move |batch: Vec<()>| {
            let _ = sender.send(batch.len());
        })
        .expect("a thread");
        thread.wheel().schedule(0, ());
        assert_eq!(receiver.recv(), Ok(1));
    }
}
