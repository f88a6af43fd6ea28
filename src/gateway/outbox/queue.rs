//! The frames that wait, the one that is in the socket in part, and the writing itself.

use std::{collections::VecDeque, io};

use tokio::net::TcpStream;

use super::Signal;
use crate::{gateway::frame::Frame, protocol::CloseCode};

/// Frames that one write carries at most.
const SLICES_MAX: usize = 16;
/// A queue that has grown beyond this gives its memory back when it is empty.
const IDLE_CAPACITY_MAX: usize = 4;

/// A frame that waits.
pub struct Entry {
    pub frame: Frame,
    /// The serial of the room whose beat this is; 0 = not a beat.
    pub beat_of: u64,
}

/// What the lock of an outbox guards.
#[derive(Default)]
pub struct Queue {
    pub frames: VecDeque<Entry>,
    pub queued_bytes: usize,
    /// How much of the first frame is in the socket already.
    pub written_bytes: usize,
    pub signals: Vec<Signal>,
    pub closing: Option<CloseCode>,
    pub last_write_us: i64,
    pub waits_for_flush: bool,
    /// Something that waits is to go out now. Otherwise all of it is in no hurry and goes with what comes next.
    pub hurried: bool,
    /// The slow flusher knows of what is in no hurry.
    pub lingers: bool,
    /// The loop is at work and writes when it has done: until then everything is queued.
    pub corked: bool,
    /// The socket took no more: the loop writes on when it does again.
    pub blocked: bool,
    /// The socket is broken: nothing goes out any more.
    pub broken: bool,
}

impl Queue {
    pub fn needs_loop(&self, is_longpoll: bool) -> bool {
        self.broken || self.closing.is_some() || (is_longpoll && !self.frames.is_empty())
    }

    /// Whether there is a reason to write now.
    pub fn presses(&self) -> bool {
        self.hurried || self.closing.is_some()
    }

    /// Writes until the queue is empty or the socket takes no more.
    pub fn write(&mut self, stream: &TcpStream, boot_us: i64) {
        while !self.frames.is_empty() {
            let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, entry) in slices.iter_mut().zip(&self.frames) {
                let from = if count == 0 { self.written_bytes } else { 0 };
                *slice = io::IoSlice::new(entry.frame.wire().get(from..).unwrap_or_default());
                count += 1;
            }
            let written = match slices.get(..count) {
                Some([one]) => stream.try_write(one),
                Some(several) => stream.try_write_vectored(several),
                None => return,
            };
            match written {
                Ok(written) => self.take_written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return;
                }
                Err(_) => return self.break_off(),
            }
            self.last_write_us = boot_us;
        }
        self.hurried = false;
        self.give_memory_back();
    }

    fn take_written(&mut self, mut bytes: usize) {
        while let Some(first) = self.frames.front() {
            let left = first.frame.wire_len() - self.written_bytes;
            if bytes < left {
                self.written_bytes += bytes;
                return;
            }
            bytes -= left;
            self.queued_bytes -= first.frame.wire_len();
            self.written_bytes = 0;
            self.frames.pop_front();
        }
    }

    pub fn break_off(&mut self) {
        self.broken = true;
        self.blocked = false;
        self.frames = VecDeque::new();
        self.queued_bytes = 0;
        self.written_bytes = 0;
    }

    /// Drops everything but a frame that is in the socket in part: the client must be able to read what follows it.
    pub fn drop_unsent(&mut self) {
        self.frames.truncate(usize::from(self.written_bytes > 0));
        self.frames.shrink_to_fit();
        self.queued_bytes = self.frames.iter().map(|entry| entry.frame.wire_len()).sum();
    }

    /// Beats are coalesced first: of each room only the newest stays (none of `newer`, whose next beat is on its way).
    pub fn drop_stale_beats(&mut self, newer: u64) -> usize {
        let before = self.frames.len();
        let mut seen = vec![newer];
        let mut kept: VecDeque<Entry> = VecDeque::with_capacity(before);
        while let Some(entry) = self.frames.pop_back() {
            let is_begun = self.frames.is_empty() && self.written_bytes > 0;
            if entry.beat_of != 0 && !is_begun {
                if seen.contains(&entry.beat_of) {
                    self.queued_bytes -= entry.frame.wire_len();
                    continue;
                }
                seen.push(entry.beat_of);
            }
            kept.push_front(entry);
        }
        self.frames = kept;
        before - self.frames.len()
    }

    pub fn give_memory_back(&mut self) {
        if self.frames.is_empty() && self.frames.capacity() > IDLE_CAPACITY_MAX {
            self.frames = VecDeque::new();
        }
    }
}
