//! What nodes ask each other about long-poll sessions, as MessagePack with named fields.

use serde::{Deserialize, Serialize};

/// The name under which nodes ask for this.
pub const SERVICE: &str = "longpoll";

/// A request for a session of the node that is asked. It may be lost, come late, and come twice.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// A slice of a client's poll.
    Poll {
        session: u64,
        /// One number for all slices of one poll.
        poll: u64,
        /// The asking node has not had an answer yet.
        is_first: bool,
        /// How many messages the client has.
        received: u64,
        /// How long to wait for something to say.
        window_ms: u32,
    },
    /// A piece of a request's body, in order; the last one makes the session take all of it, once.
    Post {
        session: u64,
        /// One number for all pieces, and for their repetition.
        number: u64,
        content_type: Option<String>,
        /// Counted from 0.
        piece: u16,
        /// How many there are, at least 1.
        pieces: u16,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// The client has the first `upto` messages, as far as HTTP can tell.
    Received { session: u64, upto: u64 },
}

/// What a node says of its session.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Messages, the last of which has the number `last`.
    Batch { messages: Vec<String>, last: u64 },
    /// The window is over, and there was nothing.
    Nothing,
    /// A newer poll of the client has taken over.
    Superseded,
    /// The piece, or what was received, is noted; after the last piece: the post has been dealt with.
    Taken,
    /// Not now: ask again.
    Busy,
    /// The body has more lines than are even worth refusing.
    TooManyLines,
    /// There is no such session.
    Gone,
}
