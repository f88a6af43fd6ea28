//! What waits to be written to one socket: bounded in bytes, coalesced when the socket is busy.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use axum::{body::Bytes, extract::ws::Utf8Bytes};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::session::Instance;
use crate::protocol::CloseCode;

/// A frame that is ready for the wire; clones share the bytes.
#[derive(Clone, Debug)]
pub enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Frame {
    pub fn len(&self) -> usize {
        match self {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        }
    }
}

/// What the hub tells a socket's own loop, beside the frames.
#[derive(Debug)]
pub enum Signal {
    /// The room has ended this channel: for good, or for a passing cause. The socket says so, after its last answer.
    ChannelEnded { topic: Arc<str>, instance: Instance, for_good: bool },
    /// A deadline that the loop had asked for has come (its token's end).
    CheckDeadlines,
}

/// How a push ended for the socket it was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// Queued after stale beats were dropped to make room.
    Coalesced {
        dropped: usize,
    },
    /// The limit was reached: the socket is being closed with 1013.
    Overflowed,
    /// The socket is closing already.
    Closing,
}

struct Entry {
    frame: Frame,
    /// The serial of the room whose beat this is; 0 = not a beat.
    beat_of: u64,
}

struct Inner {
    queue: VecDeque<Entry>,
    queued_bytes: usize,
    signals: Vec<Signal>,
    closing: Option<CloseCode>,
    last_write_us: i64,
    waits_for_flush: bool,
}

/// The queue between everybody who sends to a socket and the one task that writes to it.
pub struct Outbox {
    inner: Mutex<Inner>,
    waker: AtomicWaker,
    bytes_max: usize,
    /// When the client was last heard, in boot-time seconds.
    heard_s: AtomicU32,
    /// When the socket's own loop wants to look at its deadlines (token expiry), cluster time.
    check_at_us: AtomicI64,
}

/// A socket written to more recently than this is busy: its next frames wait for the flusher.
pub const COALESCE_US: i64 = 2_000;

impl Outbox {
    pub fn new(bytes_max: usize, boot_us: i64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                queued_bytes: 0,
                signals: Vec::new(),
                closing: None,
                last_write_us: i64::MIN / 2,
                waits_for_flush: false,
            }),
            waker: AtomicWaker::new(),
            bytes_max,
            heard_s: AtomicU32::new((boot_us / 1_000_000) as u32),
            check_at_us: AtomicI64::new(i64::MAX),
        }
    }

    /// Queues a frame and wakes the writer at once.
    pub fn push(&self, frame: Frame) -> Pushed {
        let pushed = self.enqueue(&mut self.inner.lock(), frame, 0);
        self.waker.wake();
        pushed
    }

    /// Queues a frame of a fan-out. A busy socket is left to `flusher`, so that several frames share a write.
    pub fn push_shared(self: &Arc<Self>, frame: Frame, beat_of: u64, boot_us: i64, flusher: &Flusher) -> Pushed {
        let mut inner = self.inner.lock();
        let pushed = self.enqueue(&mut inner, frame, beat_of);
        let busy = boot_us - inner.last_write_us < COALESCE_US;
        if busy && beat_of == 0 && pushed != Pushed::Overflowed {
            if !std::mem::replace(&mut inner.waits_for_flush, true) {
                drop(inner);
                flusher.add(self.clone());
            }
        } else {
            drop(inner);
            self.waker.wake();
        }
        pushed
    }

    fn enqueue(&self, inner: &mut Inner, frame: Frame, beat_of: u64) -> Pushed {
        if inner.closing.is_some() {
            return Pushed::Closing;
        }
        let len = frame.len();
        let mut dropped = 0;
        if inner.queued_bytes + len > self.bytes_max {
            dropped = drop_stale_beats(inner, beat_of);
            if inner.queued_bytes + len > self.bytes_max {
                inner.closing = Some(CloseCode::SlowReader);
                inner.queue = VecDeque::new();
                inner.queued_bytes = 0;
                return Pushed::Overflowed;
            }
        }
        inner.queued_bytes += len;
        inner.queue.push_back(Entry { frame, beat_of });
        if dropped > 0 { Pushed::Coalesced { dropped } } else { Pushed::Queued }
    }

    /// Tells the socket's loop something.
    pub fn signal(&self, signal: Signal) {
        self.inner.lock().signals.push(signal);
        self.waker.wake();
    }

    /// Asks the socket's loop to close, after what is queued has been written.
    pub fn close(&self, code: CloseCode) {
        let mut inner = self.inner.lock();
        inner.closing.get_or_insert(code);
        drop(inner);
        self.waker.wake();
    }

    pub fn wake(&self) {
        self.inner.lock().waits_for_flush = false;
        self.waker.wake();
    }

    /// The writer registers itself before it looks, so that no push is missed.
    pub fn register(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// The next frame to write, in order.
    pub fn pop(&self) -> Option<Frame> {
        let mut inner = self.inner.lock();
        let entry = inner.queue.pop_front()?;
        inner.queued_bytes -= entry.frame.len();
        if inner.queue.is_empty() && inner.queue.capacity() > 32 {
            inner.queue = VecDeque::new();
        }
        Some(entry.frame)
    }

    /// The writer has written: from now on, for a while, the socket counts as busy.
    pub fn written(&self, boot_us: i64) {
        self.inner.lock().last_write_us = boot_us;
    }

    pub fn is_empty(&self) -> bool {
        self.inner.lock().queue.is_empty()
    }

    pub fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.inner.lock().signals)
    }

    /// The code to close with, once asked for.
    pub fn closing(&self) -> Option<CloseCode> {
        self.inner.lock().closing
    }

    /// Waits until there is a signal, a close or, unless frames are to stay where they are, a frame.
    pub fn poll_ready(&self, context: &mut Context<'_>, leave_frames: bool) -> Poll<()> {
        self.register(context);
        let inner = self.inner.lock();
        let has_frames = !leave_frames && !inner.queue.is_empty();
        if has_frames || !inner.signals.is_empty() || inner.closing.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub fn heard(&self, boot_us: i64) {
        self.heard_s.store((boot_us / 1_000_000) as u32, Ordering::Relaxed);
    }

    pub fn check_at(&self, cluster_us: i64) {
        self.check_at_us.store(cluster_us, Ordering::Relaxed);
    }

    /// Called by the coarse wheel: closes an idle socket, reminds one whose deadline has come.
    pub fn sweep(&self, boot_us: i64, now_us: i64, idle_max_s: u32) {
        let now_s = (boot_us / 1_000_000) as u32;
        if now_s.saturating_sub(self.heard_s.load(Ordering::Relaxed)) > idle_max_s {
            self.close(CloseCode::Idle);
        }
        if now_us >= self.check_at_us.load(Ordering::Relaxed) {
            self.check_at_us.store(i64::MAX, Ordering::Relaxed);
            self.signal(Signal::CheckDeadlines);
        }
    }
}

/// Beats are coalesced first: of each room only the newest stays (none of `newer`, whose next beat is on its way).
fn drop_stale_beats(inner: &mut Inner, newer: u64) -> usize {
    let before = inner.queue.len();
    let mut seen = vec![newer];
    let mut kept: VecDeque<Entry> = VecDeque::with_capacity(before);
    while let Some(entry) = inner.queue.pop_back() {
        if entry.beat_of != 0 {
            if seen.contains(&entry.beat_of) {
                inner.queued_bytes -= entry.frame.len();
                continue;
            }
            seen.push(entry.beat_of);
        }
        kept.push_front(entry);
    }
    inner.queue = kept;
    before - inner.queue.len()
}

/// Wakes busy sockets together, a moment after their last write, so that one write carries several frames.
/// One for a node: no socket has a timer of its own.
#[derive(Default)]
pub struct Flusher {
    waiting: Mutex<Vec<Arc<Outbox>>>,
    notify: tokio::sync::Notify,
}

impl Flusher {
    fn add(&self, outbox: Arc<Outbox>) {
        let mut waiting = self.waiting.lock();
        waiting.push(outbox);
        if waiting.len() == 1 {
            drop(waiting);
            self.notify.notify_one();
        }
    }

    /// Runs for the node's life.
    pub async fn run(&self) {
        loop {
            self.notify.notified().await;
            tokio::time::sleep(std::time::Duration::from_micros(COALESCE_US as u64)).await;
            let waiting = std::mem::take(&mut *self.waiting.lock());
            waiting.iter().for_each(|outbox| outbox.wake());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Frame {
        Frame::Text(text.into())
    }

    fn drained(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop())
            .map(|frame| match frame {
                Frame::Text(text) => text.to_string(),
                Frame::Binary(_) => "binary".into(),
            })
            .collect()
    }

    #[test]
    fn a_full_queue_drops_older_beats_of_the_room_before_anything_else() {
        let flusher = Flusher::default();
        let outbox = Arc::new(Outbox::new(10, 0));
        outbox.push_shared(text("b1b1"), 7, 0, &flusher);
        outbox.push_shared(text("note"), 0, 0, &flusher);
        assert_eq!(outbox.push_shared(text("b2b2"), 7, 0, &flusher), Pushed::Coalesced { dropped: 1 });
        assert_eq!(drained(&outbox), ["note", "b2b2"]);
        assert_eq!(outbox.closing(), None);
    }

    #[test]
    fn a_queue_that_is_full_of_notes_closes_its_socket_with_1013_and_holds_no_more_memory() {
        let outbox = Arc::new(Outbox::new(10, 0));
        outbox.push(text("note1"));
        outbox.push(text("note2"));
        assert_eq!(outbox.push(text("note3")), Pushed::Overflowed);
        assert_eq!(outbox.closing(), Some(CloseCode::SlowReader));
        assert!(outbox.is_empty());
        assert_eq!(outbox.push(text("note4")), Pushed::Closing);
    }

    #[test]
    fn the_newest_beat_of_every_room_survives_coalescing() {
        let flusher = Flusher::default();
        let outbox = Arc::new(Outbox::new(8, 0));
        outbox.push_shared(text("x1"), 1, 0, &flusher);
        outbox.push_shared(text("y1"), 2, 0, &flusher);
        outbox.push_shared(text("x2"), 1, 0, &flusher);
        outbox.push_shared(text("zz"), 0, 0, &flusher);
        outbox.push_shared(text("ww"), 0, 0, &flusher);
        assert_eq!(drained(&outbox), ["y1", "x2", "zz", "ww"]);
    }

    #[test]
    fn an_idle_socket_is_closed_with_1002_and_one_that_was_heard_is_not() {
        let outbox = Outbox::new(10, 0);
        outbox.heard(30_000_000);
        outbox.sweep(90_000_000, 0, 60);
        assert_eq!(outbox.closing(), None);
        outbox.sweep(91_000_001, 0, 60);
        assert_eq!(outbox.closing(), Some(CloseCode::Idle));
    }
}
