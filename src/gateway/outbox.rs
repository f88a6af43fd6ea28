//! What waits to be written to one socket: bounded in bytes, coalesced when the socket is busy.
//!
//! Whoever sends writes: a frame goes straight into the socket, from whichever task has it, and is queued only when the
//! socket takes no more, when it is busy, or when its own loop is about to write anyway. So a fan-out costs its
//! receivers no task switch.

mod queue;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use self::queue::{Entry, Queue};
use super::{flusher::Flusher, frame::Frame, session::Instance};
use crate::protocol::CloseCode;

/// A socket written to more recently than this is busy: its next frames wait for the flusher.
pub const COALESCE_US: i64 = 2_000;
/// What is in no hurry waits this long at most for a write that it can go with.
pub const LINGER_US: i64 = 100_000;

/// What the hub tells a socket's own loop, beside the frames.
#[derive(Debug)]
pub enum Signal {
    /// The room has ended this channel: for good, or for a passing cause. The socket says so, after its last answer.
    ChannelEnded { topic: Arc<str>, instance: Instance, for_good: bool },
    /// A deadline that the loop had asked for has come (its token's end).
    CheckDeadlines,
    /// The socket's tenant has other settings now, is suspended, or is no more.
    TenantChanged,
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

/// The queue between everybody who sends to a socket and the socket itself.
pub struct Outbox {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// None for long poll, whose requests take the frames.
    stream: Option<Arc<TcpStream>>,
    bytes_max: usize,
    /// When the client was last heard, in boot-time seconds.
    heard_s: AtomicU32,
    /// When the socket's own loop wants to look at its deadlines (token expiry), seconds since the epoch.
    check_at_s: AtomicI64,
}

impl Outbox {
    pub fn new(stream: Option<Arc<TcpStream>>, bytes_max: usize, boot_us: i64) -> Self {
        Self {
            queue: Mutex::new(Queue { last_write_us: i64::MIN / 2, ..Queue::default() }),
            waker: AtomicWaker::new(),
            stream,
            bytes_max,
            heard_s: AtomicU32::new((boot_us / 1_000_000) as u32),
            check_at_s: AtomicI64::new(i64::MAX),
        }
    }

    /// Sends a frame to this socket alone.
    pub fn push(&self, frame: Frame, boot_us: i64) -> Pushed {
        let mut queue = self.queue.lock();
        let was_blocked = queue.blocked;
        let pushed = self.enqueue(&mut queue, frame, 0, boot_us);
        queue.hurried = true;
        self.settle(&mut queue, was_blocked, boot_us);
        pushed
    }

    /// Sends a frame that nobody waits for: it goes with the next write, or after [`LINGER_US`] at the latest. A write of
    /// its own would cost as much as three notes.
    pub fn push_unhurried(self: &Arc<Self>, frame: Frame, boot_us: i64, flusher: &Flusher) -> Pushed {
        if self.stream.is_none() {
            return self.push(frame, boot_us);
        }
        let mut queue = self.queue.lock();
        let was_blocked = queue.blocked;
        let pushed = self.enqueue(&mut queue, frame, 0, boot_us);
        self.settle(&mut queue, was_blocked, boot_us);
        if !queue.frames.is_empty() && !std::mem::replace(&mut queue.lingers, true) {
            drop(queue);
            flusher.add(self.clone());
        }
        pushed
    }

    /// Sends a frame of a fan-out. A busy socket is left to `flusher`, so that several frames share a write; beats
    /// never wait.
    pub fn push_shared(self: &Arc<Self>, frame: Frame, beat_of: u64, boot_us: i64, flusher: &Flusher) -> Pushed {
        let mut queue = self.queue.lock();
        let was_blocked = queue.blocked;
        let pushed = self.enqueue(&mut queue, frame, beat_of, boot_us);
        queue.hurried = true;
        let is_busy = boot_us - queue.last_write_us < COALESCE_US;
        if is_busy && beat_of == 0 && pushed != Pushed::Overflowed && self.stream.is_some() {
            if !std::mem::replace(&mut queue.waits_for_flush, true) {
                drop(queue);
                flusher.add(self.clone());
            }
        } else {
            self.settle(&mut queue, was_blocked, boot_us);
        }
        pushed
    }

    fn enqueue(&self, queue: &mut Queue, frame: Frame, beat_of: u64, boot_us: i64) -> Pushed {
        if queue.closing.is_some() || queue.broken {
            return Pushed::Closing;
        }
        let len = frame.wire_len();
        let mut dropped = 0;
        if queue.queued_bytes + len > self.bytes_max
            && !queue.blocked
            && let Some(stream) = &self.stream
        {
            // Perhaps the queue is long only because it waited for company.
            queue.write(stream, boot_us);
        }
        // A frame that is longer than the limit by itself has to go out alone, or its client would never get it.
        if !queue.frames.is_empty() && queue.queued_bytes + len > self.bytes_max {
            dropped = queue.drop_stale_beats(beat_of);
            if queue.queued_bytes + len > self.bytes_max {
                queue.closing = Some(CloseCode::SlowReader);
                queue.drop_unsent();
                return Pushed::Overflowed;
            }
        }
        queue.queued_bytes += len;
        queue.frames.push_back(Entry { frame, beat_of });
        if dropped > 0 { Pushed::Coalesced { dropped } } else { Pushed::Queued }
    }

    /// Writes what can be written now; wakes the loop for the rest.
    fn settle(&self, queue: &mut Queue, was_blocked: bool, boot_us: i64) {
        match &self.stream {
            Some(stream) if !queue.corked && !queue.blocked && queue.presses() => queue.write(stream, boot_us),
            _ => {}
        }
        // A loop that knows it is blocked waits for the socket itself.
        if queue.blocked != was_blocked || queue.needs_loop(self.stream.is_none()) {
            self.waker.wake();
        }
    }

    /// Writes what waited for company.
    pub fn flush(&self, boot_us: i64) {
        let mut queue = self.queue.lock();
        (queue.waits_for_flush, queue.lingers, queue.hurried) = (false, false, true);
        let was_blocked = queue.blocked;
        self.settle(&mut queue, was_blocked, boot_us);
    }

    /// From now on frames are queued until [`Outbox::uncork`]: the loop answers several in one write.
    pub fn cork(&self) {
        self.queue.lock().corked = true;
    }

    /// Writes what has gathered. True when the socket takes no more for now.
    pub fn uncork(&self, boot_us: i64) -> bool {
        let mut queue = self.queue.lock();
        queue.corked = false;
        if let Some(stream) = &self.stream
            && !queue.blocked
            && queue.presses()
        {
            queue.write(stream, boot_us);
        }
        queue.blocked
    }

    /// For the loop of a blocked socket: Ready when everything is written, or there is nothing to wait for.
    pub fn poll_unblock(&self, context: &mut Context<'_>, boot_us: i64) -> Poll<()> {
        let Some(stream) = &self.stream else { return Poll::Ready(()) };
        loop {
            if !self.queue.lock().blocked {
                return Poll::Ready(());
            }
            let Poll::Ready(ready) = stream.poll_write_ready(context) else { return Poll::Pending };
            let mut queue = self.queue.lock();
            queue.blocked = false;
            match ready {
                Ok(()) => queue.write(stream, boot_us),
                Err(_) => queue.break_off(),
            }
        }
    }

    /// The last frame of all: it goes out after what has begun, whatever else is closing.
    pub fn push_last(&self, frame: Frame, boot_us: i64) {
        let mut queue = self.queue.lock();
        queue.drop_unsent();
        queue.queued_bytes += frame.wire_len();
        queue.frames.push_back(Entry { frame, beat_of: 0 });
        (queue.corked, queue.hurried) = (false, true);
        let was_blocked = queue.blocked;
        self.settle(&mut queue, was_blocked, boot_us);
    }

    /// Tells the socket's loop something.
    pub fn signal(&self, signal: Signal) {
        self.queue.lock().signals.push(signal);
        self.waker.wake();
    }

    /// Asks the socket's loop to close, after what is queued has been written.
    pub fn close(&self, code: CloseCode) {
        self.queue.lock().closing.get_or_insert(code);
        self.waker.wake();
    }

    /// The loop registers itself before it looks, so that nothing is missed.
    pub fn register(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// Takes the next frame out: long poll's way.
    pub fn pop(&self) -> Option<Frame> {
        let mut queue = self.queue.lock();
        let entry = queue.frames.pop_front()?;
        queue.queued_bytes -= entry.frame.wire_len();
        queue.give_memory_back();
        Some(entry.frame)
    }

    pub fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.queue.lock().signals)
    }

    /// The code to close with, once asked for and once what can be written before it has been.
    pub fn closing(&self) -> Option<CloseCode> {
        let queue = self.queue.lock();
        queue.closing.filter(|_| queue.frames.is_empty() || queue.blocked || self.stream.is_none())
    }

    pub fn is_broken(&self) -> bool {
        self.queue.lock().broken
    }

    /// Waits until there is a signal, a close or, unless frames are to stay where they are, a frame.
    pub fn poll_ready(&self, context: &mut Context<'_>, leave_frames: bool) -> Poll<()> {
        self.register(context);
        let queue = self.queue.lock();
        let has_frames = !leave_frames && !queue.frames.is_empty();
        if has_frames || !queue.signals.is_empty() || queue.closing.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub fn heard(&self, boot_us: i64) {
        self.heard_s.store((boot_us / 1_000_000) as u32, Ordering::Relaxed);
    }

    pub fn check_at_s(&self, at_s: i64) {
        self.check_at_s.store(at_s, Ordering::Relaxed);
    }

    /// Called by the coarse wheel: closes an idle socket, reminds one whose deadline has come.
    pub fn sweep(&self, boot_us: i64, now_s: i64, idle_max_s: u32) {
        let boot_s = (boot_us / 1_000_000) as u32;
        if boot_s.saturating_sub(self.heard_s.load(Ordering::Relaxed)) > idle_max_s {
            self.close(CloseCode::Idle);
        }
        if now_s >= self.check_at_s.load(Ordering::Relaxed) {
            self.check_at_s.store(i64::MAX, Ordering::Relaxed);
            self.signal(Signal::CheckDeadlines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of two header bytes and the text.
    fn text(text: &str) -> Frame {
        Frame::text(text)
    }

    fn drained(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).map(|frame| frame.as_text().to_owned()).collect()
    }

    #[test]
    fn a_full_queue_drops_older_beats_of_the_room_before_anything_else() {
        let flusher = Flusher::new(COALESCE_US);
        let outbox = Arc::new(Outbox::new(None, 14, 0));
        outbox.push_shared(text("b1b1"), 7, 0, &flusher);
        outbox.push_shared(text("note"), 0, 0, &flusher);
        assert_eq!(outbox.push_shared(text("b2b2"), 7, 0, &flusher), Pushed::Coalesced { dropped: 1 });
        assert_eq!(drained(&outbox), ["note", "b2b2"]);
        assert_eq!(outbox.closing(), None);
    }

    #[test]
    fn a_queue_that_is_full_of_notes_closes_its_socket_with_1013_and_holds_no_more_memory() {
        let outbox = Arc::new(Outbox::new(None, 14, 0));
        outbox.push(text("note1"), 0);
        outbox.push(text("note2"), 0);
        assert_eq!(outbox.push(text("note3"), 0), Pushed::Overflowed);
        assert_eq!(outbox.closing(), Some(CloseCode::SlowReader));
        assert!(outbox.pop().is_none());
        assert_eq!(outbox.push(text("note4"), 0), Pushed::Closing);
    }

    #[test]
    fn the_newest_beat_of_every_room_survives_coalescing() {
        let flusher = Flusher::new(COALESCE_US);
        let outbox = Arc::new(Outbox::new(None, 16, 0));
        outbox.push_shared(text("x1"), 1, 0, &flusher);
        outbox.push_shared(text("y1"), 2, 0, &flusher);
        outbox.push_shared(text("x2"), 1, 0, &flusher);
        outbox.push_shared(text("zz"), 0, 0, &flusher);
        outbox.push_shared(text("ww"), 0, 0, &flusher);
        assert_eq!(drained(&outbox), ["y1", "x2", "zz", "ww"]);
    }

    #[test]
    fn an_idle_socket_is_closed_with_1002_and_one_that_was_heard_is_not() {
        let outbox = Outbox::new(None, 10, 0);
        outbox.heard(30_000_000);
        outbox.sweep(90_000_000, 0, 60);
        assert_eq!(outbox.closing(), None);
        outbox.sweep(91_000_001, 0, 60);
        assert_eq!(outbox.closing(), Some(CloseCode::Idle));
    }

    /// Both ends of a connection over loopback.
    async fn connection() -> (Arc<TcpStream>, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Arc::new(accepted.expect("accepted").0), client.expect("connected"))
    }

    #[tokio::test]
    async fn a_frame_is_in_the_socket_when_push_returns() {
        let (stream, client) = connection().await;
        let outbox = Outbox::new(Some(stream.clone()), 1_000, 0);
        stream.writable().await.expect("writable");
        outbox.push(text("hello"), 0);
        assert!(outbox.queue.lock().frames.is_empty());
        client.readable().await.expect("readable");
        let mut read = [0; 16];
        assert_eq!(client.try_read(&mut read).expect("a frame"), 7);
        assert_eq!(&read[2..7], b"hello");
    }

    /// What the client has been sent so far, without the frames' headers.
    async fn heard(client: &TcpStream) -> Vec<u8> {
        client.readable().await.expect("readable");
        let mut read = [0; 64];
        let count = client.try_read(&mut read).expect("frames");
        read[..count].to_vec()
    }

    #[tokio::test]
    async fn a_frame_in_no_hurry_goes_with_the_next_one_or_alone_when_its_time_has_come() {
        let (stream, client) = connection().await;
        let flusher = Flusher::new(LINGER_US);
        let outbox = Arc::new(Outbox::new(Some(stream.clone()), 1_000, 0));
        stream.writable().await.expect("writable");
        outbox.push_unhurried(text("ok"), 0, &flusher);
        outbox.cork();
        outbox.uncork(0);
        assert_eq!(outbox.queue.lock().frames.len(), 1, "nothing else had to be said");
        outbox.push(text("note"), 0);
        assert_eq!(heard(&client).await, b"\x81\x02ok\x81\x04note");
        outbox.push_unhurried(text("alone"), 0, &flusher);
        outbox.flush(LINGER_US);
        assert_eq!(heard(&client).await, b"\x81\x05alone");
    }

    #[tokio::test]
    async fn what_is_in_no_hurry_goes_out_before_the_socket_closes() {
        let (stream, client) = connection().await;
        let outbox = Arc::new(Outbox::new(Some(stream.clone()), 1_000, 0));
        stream.writable().await.expect("writable");
        outbox.push_unhurried(text("ok"), 0, &Flusher::new(LINGER_US));
        outbox.close(CloseCode::Drain);
        assert_eq!(outbox.closing(), None, "something is to be written yet");
        outbox.cork();
        outbox.uncork(0);
        assert_eq!(outbox.closing(), Some(CloseCode::Drain));
        assert_eq!(heard(&client).await, b"\x81\x02ok");
    }

    #[tokio::test]
    async fn what_a_client_that_does_not_read_is_sent_arrives_whole_and_in_order_once_it_reads() {
        let (stream, client) = connection().await;
        let outbox = Outbox::new(Some(stream.clone()), 64 << 20, 0);
        stream.writable().await.expect("writable");
        let expected: usize = 200 * Frame::text(&"x".repeat(50_000)).wire_len();
        (0..200).for_each(|_| {
            outbox.push(text(&"x".repeat(50_000)), 0);
        });
        assert!(outbox.queue.lock().blocked, "ten megabytes do not fit a socket");
        let reading = async {
            let mut total = 0;
            let mut into = vec![0; 1 << 16];
            while total < expected {
                client.readable().await.expect("readable");
                total += client.try_read(&mut into).unwrap_or(0);
            }
            total
        };
        let writing = std::future::poll_fn(|context| outbox.poll_unblock(context, 0));
        let (total, ()) = tokio::join!(reading, writing);
        assert_eq!(total, expected);
        assert!(outbox.queue.lock().frames.is_empty());
    }
}
