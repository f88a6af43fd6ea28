//! What a client sends, borrowed from the frame that it came in.

use std::borrow::Cow;

use serde_json::value::RawValue;
use thiserror::Error;

use super::reference::Ref;

/// Most bytes of a `join_ref`, a `ref`, and of every field of a binary frame.
pub const FIELD_BYTES_MAX: usize = 255;

/// Most bytes of a topic or an event in a text frame. Above what fits a binary frame, because
/// Phoenix' text form knows no bound and a client with a long topic must not be thrown off.
pub const TEXT_FIELD_BYTES_MAX: usize = 1024;

/// One message from a client.
#[derive(Debug, Clone)]
pub struct Inbound<'a> {
    /// The ref of the join under which the client speaks; `None` when it names none.
    pub join_ref: Option<Ref>,
    /// What the answer has to carry; `None` when the client awaits none.
    pub reference: Option<Ref>,
    /// At most [`TEXT_FIELD_BYTES_MAX`] bytes.
    pub topic: Cow<'a, str>,
    /// At most [`TEXT_FIELD_BYTES_MAX`] bytes.
    pub event: Cow<'a, str>,
    /// The rest of the message.
    pub payload: InboundPayload<'a>,
}

/// The payload of a message from a client, not yet looked into.
#[derive(Debug, Clone, Copy)]
pub enum InboundPayload<'a> {
    /// Any JSON value; not only objects.
    Json(&'a RawValue),
    /// The body of a binary push (kind 00).
    Binary(&'a [u8]),
    /// A user broadcast (kind 03); its message's event is `broadcast`.
    UserBroadcast(UserBroadcast<'a>),
}

/// A broadcast in Supabase's binary form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserBroadcast<'a> {
    /// The event that the receivers listen for.
    pub event: &'a str,
    /// Metadata as a JSON object, or empty; not checked.
    pub meta: &'a str,
    /// What `body` is.
    pub encoding: Encoding,
    /// Octets, or text that should be JSON; not checked.
    pub body: &'a [u8],
}

/// How the body of a user broadcast is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Octets that mean something to the clients alone (0 on the wire).
    Binary,
    /// JSON (1 on the wire).
    Json,
}

impl InboundPayload<'_> {
    /// The size that counts against a tenant's payload limit, in bytes.
    pub fn len_bytes(&self) -> usize {
        match self {
            InboundPayload::Json(json) => json.get().len(),
            InboundPayload::Binary(body) => body.len(),
            InboundPayload::UserBroadcast(broadcast) => {
                broadcast.event.len() + broadcast.meta.len() + broadcast.body.len()
            }
        }
    }
}

/// A frame that is none. The socket that sent it is closed with 1011.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not JSON, or not in the shape of this version's frames.
    #[error("the frame is not what this vsn speaks: {0}")]
    Json(String),
    /// A field that must be there is not.
    #[error("the frame has no {0}; send join_ref, ref, topic, event and payload")]
    Missing(&'static str),
    /// A field that would not fit.
    #[error("{field} is too long; send at most {bytes_max} bytes")]
    TooLong {
        /// The field's name.
        field: &'static str,
        /// The most that it may have, in UTF-8 bytes.
        bytes_max: usize,
    },
    /// A binary frame that ends before its own sizes say so.
    #[error("the binary frame ends within its {0}; send as many bytes as its header says")]
    Truncated(&'static str),
    /// A field of a binary frame that is not text.
    #[error("{0} of the binary frame is not UTF-8; encode it as such")]
    NotUtf8(&'static str),
    /// A first byte that no client may send.
    #[error("a binary frame of kind {0} is not for clients to send; send kind 0 or 3")]
    UnknownKind(u8),
    /// An encoding byte that means nothing.
    #[error("{0} is no encoding of a user broadcast; send 0 for binary or 1 for JSON")]
    UnknownEncoding(u8),
    /// Version 1 has no binary frames.
    #[error("vsn 1.0.0 has no binary frames; connect with vsn=2.0.0")]
    BinaryOnV1,
}
