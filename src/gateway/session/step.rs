//! What a session tells the socket's loop to do.

use crate::protocol::Ref;

/// Names one join on this socket; no two joins have the same, so a late result is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub(super) u64);

impl Instance {
    /// The number itself, counted from 1 on each socket.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What the loop has to do about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Answer ok with join_ref null.
    Heartbeat,
    /// Stop the channel `replaced`, silently so far; run the join; then call
    /// `Session::joined` or `Session::refused`.
    Join {
        /// The new channel.
        instance: Instance,
        /// The channel that this client already had on the topic.
        replaced: Option<Instance>,
    },
    /// Stop the channel, answer ok under its join_ref, then send its `phx_close`.
    Leave {
        /// The channel, which the session no longer knows.
        instance: Instance,
        /// What the channel was joined under.
        join_ref: Option<Ref>,
    },
    /// Answer ok: there was nothing to leave.
    LeaveUnjoined,
    /// Hand the frame to the channel; its reply bears the channel's join_ref.
    Push {
        /// The channel.
        instance: Instance,
        /// What the channel was joined under.
        join_ref: Option<Ref>,
    },
    /// Answer with an error.
    Refuse(Refusal),
    /// Nothing: the frame belongs to an earlier join.
    Stale,
    /// Nothing yet: the frame comes back from `Session::next_queued`.
    Queued,
}

/// Why a frame is answered with an error before any channel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is joined on the topic. This reply bears join_ref null.
    Unmatched,
    /// The socket has as many channels as it may.
    TooManyChannels,
    /// Too much waits on the topic, or on the socket, already.
    QueueFull,
}

impl Refusal {
    /// The `reason` of the error reply.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Unmatched => "unmatched topic",
            Refusal::TooManyChannels => "too many channels joined",
            Refusal::QueueFull => "too many messages waiting; await replies before sending more",
        }
    }

    /// Which join_ref the reply bears to a frame that came under `join_ref`.
    pub fn reply_join_ref(self, join_ref: Option<&Ref>) -> Option<&Ref> {
        join_ref.filter(|_| self != Refusal::Unmatched)
    }
}

/// What ends with a join: first its reply goes out, then the `phx_close` of what it replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinEnd {
    /// The join_ref of the reply.
    pub join_ref: Option<Ref>,
    /// The ref of the reply.
    pub reference: Option<Ref>,
    /// The channel whose `phx_close` follows the reply.
    pub replaced: Option<Replaced>,
}

/// A channel whose topic was joined again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The old channel.
    pub instance: Instance,
    /// What it was joined under.
    pub join_ref: Option<Ref>,
}

/// What a channel was when it was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Joined: send `phx_error` or `phx_close` under this join_ref.
    Joined {
        /// What it was joined under.
        join_ref: Option<Ref>,
    },
    /// Its join was still running: answer that with an error.
    Joining(JoinEnd),
}
