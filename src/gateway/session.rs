//! One socket's joins and refs: which topics are joined under which join_ref, and what must wait.
//!
//! Pure: it decides and the socket's loop acts. Every frame goes through [`Session::receive`],
//! which answers with a [`Step`]. What takes long (every join; a push that the loop
//! [holds](Session::hold)) makes later frames of its topic wait, so that they keep their order,
//! while other topics and heartbeats go on. When it ends, the loop calls [`Session::joined`],
//! [`Session::refused`], [`Session::handled`] or [`Session::remove`], sends what that says, and
//! then takes [`Session::next_queued`] until nothing comes.

mod step;
mod waiting;

use std::collections::VecDeque;

use crate::protocol::event::{HEARTBEAT, JOIN, LEAVE, SOCKET_TOPIC};
use crate::protocol::{Inbound, Ref};

pub use step::{Instance, JoinEnd, Refusal, Removed, Replaced, Step};
pub use waiting::QueuedFrame;

/// Most pushes that wait on one topic; joins and leaves have [`QUEUED_CONTROLS_MAX`] places more.
pub const QUEUED_FRAMES_MAX: usize = 64;

/// Places of a topic's queue that only joins and leaves may take, so that a flood of pushes
/// cannot keep a client from leaving.
pub const QUEUED_CONTROLS_MAX: usize = 16;

/// Most bytes that wait on all topics of one socket together; a leave takes none.
pub const QUEUED_BYTES_MAX: usize = 1024 * 1024;

/// A channel of this socket, joined or being joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its name on this socket.
    pub instance: Instance,
    /// What it is joined under.
    pub join_ref: Option<&'a Ref>,
    /// Whether its join has been answered with ok.
    pub joined: bool,
}

/// One socket's channels.
pub struct Session {
    /// Sorted by topic, each topic once. A socket has one as a rule, and seldom more than a few.
    entries: Vec<Entry>,
    channels_max: usize,
    queued_bytes: usize,
    last_instance: u64,
    bypass: fn(&str) -> bool,
}

struct Entry {
    topic: Box<str>,
    join_ref: Option<Ref>,
    instance: Instance,
    phase: Phase,
    /// There while `phase` is `Joining`.
    join: Option<Box<JoinEnd>>,
    /// In the order in which they came; holds no memory while empty.
    queue: VecDeque<QueuedFrame>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Joining,
    Idle,
    /// Joined, and a handler is at work.
    Held,
    /// Not joined any more, but frames still wait for their answer.
    Gone,
}

impl Entry {
    fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Joining | Phase::Held)
    }

    fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Held)
    }

    /// Whether the frame speaks for an earlier join. Who names none speaks for the current one.
    fn is_stale(&self, inbound: &Inbound<'_>) -> bool {
        match (&self.join_ref, &inbound.join_ref) {
            (Some(current), Some(named)) => !current.names_same(named),
            _ => false,
        }
    }

    fn push(&self) -> Step {
        Step::Push { instance: self.instance, join_ref: self.join_ref.clone() }
    }
}

impl Session {
    /// A socket without channels that may have `channels_max` of them. Pushes whose event
    /// satisfies `bypass` never wait behind a handler of their channel.
    pub fn new(channels_max: usize, bypass: fn(&str) -> bool) -> Session {
        Session { entries: Vec::new(), channels_max, queued_bytes: 0, last_instance: 0, bypass }
    }

    /// Another limit from now on. Channels beyond it stay.
    pub fn set_channels_max(&mut self, channels_max: usize) {
        self.channels_max = channels_max;
    }

    /// Decides about a frame that has just come.
    pub fn receive(&mut self, inbound: &Inbound<'_>) -> Step {
        if inbound.topic == SOCKET_TOPIC && inbound.event == HEARTBEAT {
            return Step::Heartbeat;
        }
        let at = match self.find(&inbound.topic) {
            Ok(at) => at,
            Err(at) => return self.receive_unknown(at, inbound),
        };
        let entry = &self.entries[at];
        let control = is_control(inbound);
        if !control && entry.is_joined() && (self.bypass)(&inbound.event) && !entry.is_stale(inbound) {
            return entry.push();
        }
        if entry.is_busy() || !entry.queue.is_empty() {
            return self.enqueue(at, inbound, control);
        }
        let step = self.step(at, inbound);
        self.drop_if_gone(at);
        step
    }

    /// The next frame that waited on `topic`, with what is to be done about it. `None` when no
    /// frame waits, or when the topic is busy (again).
    pub fn next_queued(&mut self, topic: &str) -> Option<(QueuedFrame, Step)> {
        let at = self.find(topic).ok()?;
        let entry = &mut self.entries[at];
        if entry.is_busy() {
            return None;
        }
        let frame = entry.queue.pop_front()?;
        if entry.queue.is_empty() {
            entry.queue = VecDeque::new();
        }
        self.queued_bytes = self.queued_bytes.saturating_sub(frame.bytes());
        let step = self.step(at, &frame.as_inbound());
        self.drop_if_gone(at);
        Some((frame, step))
    }

    /// The join has succeeded: answer it with ok. `None`: it is not running any more, say nothing
    /// and undo it.
    pub fn joined(&mut self, topic: &str, instance: Instance) -> Option<JoinEnd> {
        let at = self.find_instance(topic, instance)?;
        let entry = &mut self.entries[at];
        let end = entry.join.take()?;
        entry.phase = Phase::Idle;
        Some(*end)
    }

    /// The join was refused, or its topic is unknown: answer it with an error. `None`: it is not
    /// running any more, say nothing.
    pub fn refused(&mut self, topic: &str, instance: Instance) -> Option<JoinEnd> {
        let at = self.find_instance(topic, instance)?;
        let end = self.entries[at].join.take()?;
        self.entries[at].phase = Phase::Gone;
        self.drop_if_gone(at);
        Some(*end)
    }

    /// The push just handed out needs time: later frames of its topic wait until
    /// [`Session::handled`]. False when the channel is not there any more, or not idle.
    pub fn hold(&mut self, topic: &str, instance: Instance) -> bool {
        self.turn(topic, instance, Phase::Idle, Phase::Held)
    }

    /// The held push is done. False when its channel is not there any more: its result, even
    /// its reply, is then to be dropped.
    pub fn handled(&mut self, topic: &str, instance: Instance) -> bool {
        self.turn(topic, instance, Phase::Held, Phase::Idle)
    }

    /// Takes a channel away: it failed (`phx_error` with `channel_crash`), it is closed for good
    /// (`phx_close`), or it ends for a passing cause (`phx_error`). `None` when it is not there
    /// any more.
    pub fn remove(&mut self, topic: &str, instance: Instance) -> Option<Removed> {
        let at = self.find_instance(topic, instance)?;
        let entry = &mut self.entries[at];
        let removed = match entry.join.take() {
            Some(end) => Removed::Joining(*end),
            None => Removed::Joined { join_ref: entry.join_ref.take() },
        };
        entry.phase = Phase::Gone;
        self.drop_if_gone(at);
        Some(removed)
    }

    /// Whether a handler of the channel is at work.
    pub fn is_held(&self, topic: &str, instance: Instance) -> bool {
        self.find_instance(topic, instance).is_some_and(|at| self.entries[at].phase == Phase::Held)
    }

    /// The channel on `topic`.
    pub fn channel(&self, topic: &str) -> Option<Channel<'_>> {
        let at = self.find(topic).ok()?;
        self.entries.get(at).and_then(as_channel)
    }

    /// All channels, by topic.
    pub fn channels(&self) -> impl Iterator<Item = Channel<'_>> {
        self.entries.iter().filter_map(as_channel)
    }

    fn find(&self, topic: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.topic).cmp(topic))
    }

    fn find_instance(&self, topic: &str, instance: Instance) -> Option<usize> {
        let at = self.find(topic).ok()?;
        let entry = &self.entries[at];
        (entry.instance == instance && entry.phase != Phase::Gone).then_some(at)
    }

    fn turn(&mut self, topic: &str, instance: Instance, from: Phase, to: Phase) -> bool {
        let Some(at) = self.find_instance(topic, instance) else {
            return false;
        };
        let entry = &mut self.entries[at];
        let turns = entry.phase == from;
        if turns {
            entry.phase = to;
        }
        turns
    }

    /// A frame on a topic that has no entry; its place would be `at`.
    fn receive_unknown(&mut self, at: usize, inbound: &Inbound<'_>) -> Step {
        match &*inbound.event {
            JOIN if self.is_full() => Step::Refuse(Refusal::TooManyChannels),
            JOIN => {
                let entry = Entry {
                    topic: Box::from(&*inbound.topic),
                    join_ref: None,
                    instance: Instance(self.last_instance),
                    phase: Phase::Gone,
                    join: None,
                    queue: VecDeque::new(),
                };
                self.entries.insert(at, entry);
                self.start_join(at, inbound)
            }
            LEAVE => Step::LeaveUnjoined,
            _ => Step::Refuse(Refusal::Unmatched),
        }
    }

    /// Decides about a frame whose turn has come: the entry is idle or gone.
    fn step(&mut self, at: usize, inbound: &Inbound<'_>) -> Step {
        let gone = self.entries[at].phase == Phase::Gone;
        match &*inbound.event {
            JOIN if gone && self.is_full() => Step::Refuse(Refusal::TooManyChannels),
            JOIN => self.start_join(at, inbound),
            LEAVE if gone => Step::LeaveUnjoined,
            _ if gone => Step::Refuse(Refusal::Unmatched),
            _ if self.entries[at].is_stale(inbound) => Step::Stale,
            LEAVE => {
                let entry = &mut self.entries[at];
                entry.phase = Phase::Gone;
                Step::Leave { instance: entry.instance, join_ref: entry.join_ref.take() }
            }
            _ => self.entries[at].push(),
        }
    }

    fn start_join(&mut self, at: usize, inbound: &Inbound<'_>) -> Step {
        self.last_instance += 1;
        let instance = Instance(self.last_instance);
        let entry = &mut self.entries[at];
        let replaced =
            entry.is_joined().then(|| Replaced { instance: entry.instance, join_ref: entry.join_ref.take() });
        let step = Step::Join { instance, replaced: replaced.as_ref().map(|old| old.instance) };
        entry.instance = instance;
        entry.join_ref = inbound.join_ref.clone();
        entry.phase = Phase::Joining;
        entry.join = Some(Box::new(JoinEnd {
            join_ref: inbound.join_ref.clone(),
            reference: inbound.reference.clone(),
            replaced,
        }));
        step
    }

    fn enqueue(&mut self, at: usize, inbound: &Inbound<'_>, control: bool) -> Step {
        let reserve = if control { QUEUED_CONTROLS_MAX } else { 0 };
        let frames_max = QUEUED_FRAMES_MAX + reserve;
        let bytes = QueuedFrame::bytes_of(inbound);
        let entry = &mut self.entries[at];
        if entry.queue.len() >= frames_max || (bytes > 0 && self.queued_bytes + bytes > QUEUED_BYTES_MAX) {
            return Step::Refuse(Refusal::QueueFull);
        }
        self.queued_bytes += bytes;
        entry.queue.push_back(QueuedFrame::copy(inbound));
        Step::Queued
    }

    fn is_full(&self) -> bool {
        let here = self.entries.iter().filter(|entry| entry.phase != Phase::Gone);
        here.count() >= self.channels_max
    }

    fn drop_if_gone(&mut self, at: usize) {
        let entry = &self.entries[at];
        if entry.phase == Phase::Gone && entry.queue.is_empty() {
            self.entries.remove(at);
            if self.entries.capacity() > 4 * self.entries.len() {
                self.entries.shrink_to(2 * self.entries.len());
            }
        }
    }
}

fn is_control(inbound: &Inbound<'_>) -> bool {
    matches!(&*inbound.event, JOIN | LEAVE)
}

fn as_channel(entry: &Entry) -> Option<Channel<'_>> {
    (entry.phase != Phase::Gone).then_some(Channel {
        topic: &entry.topic,
        instance: entry.instance,
        join_ref: entry.join_ref.as_ref(),
        joined: entry.is_joined(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_with_one_topic_stays_small() {
        // A vector's first allocation holds four entries.
        assert!(size_of::<Session>() + 4 * size_of::<Entry>() < 500);
    }
}
