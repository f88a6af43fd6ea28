//! A frame that has to wait, copied out of the socket's buffer.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::event::LEAVE;
use crate::protocol::{Encoding, Inbound, InboundPayload, Ref, UserBroadcast};

/// What one waiting frame costs beside its text, in bytes; counted so that many small frames are
/// bounded as well.
const OVERHEAD_BYTES: usize = 128;

/// A frame that waited for its topic.
#[derive(Debug)]
pub struct QueuedFrame {
    join_ref: Option<Ref>,
    reference: Option<Ref>,
    topic: Box<str>,
    event: Box<str>,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    /// A leave's, which nobody reads.
    None,
    Json(Box<RawValue>),
    Binary(Box<[u8]>),
    UserBroadcast {
        event: Box<str>,
        meta: Box<str>,
        encoding: Encoding,
        body: Box<[u8]>,
    },
}

impl QueuedFrame {
    pub(super) fn copy(inbound: &Inbound<'_>) -> QueuedFrame {
        let payload = match inbound.payload {
            _ if inbound.event == LEAVE => Payload::None,
            InboundPayload::Json(json) => Payload::Json(json.to_owned()),
            InboundPayload::Binary(body) => Payload::Binary(Box::from(body)),
            InboundPayload::UserBroadcast(broadcast) => Payload::UserBroadcast {
                event: Box::from(broadcast.event),
                meta: Box::from(broadcast.meta),
                encoding: broadcast.encoding,
                body: Box::from(broadcast.body),
            },
        };
        QueuedFrame {
            join_ref: inbound.join_ref.clone(),
            reference: inbound.reference.clone(),
            topic: Box::from(&*inbound.topic),
            event: Box::from(&*inbound.event),
            payload,
        }
    }

    /// The frame as it came; a leave's payload has become `null`.
    pub fn as_inbound(&self) -> Inbound<'_> {
        Inbound {
            join_ref: self.join_ref.clone(),
            reference: self.reference.clone(),
            topic: Cow::Borrowed(&self.topic),
            event: Cow::Borrowed(&self.event),
            payload: match &self.payload {
                Payload::None => InboundPayload::Json(RawValue::NULL),
                Payload::Json(json) => InboundPayload::Json(json),
                Payload::Binary(body) => InboundPayload::Binary(body),
                Payload::UserBroadcast { event, meta, encoding, body } => {
                    InboundPayload::UserBroadcast(UserBroadcast { event, meta, encoding: *encoding, body })
                }
            },
        }
    }

    /// What the copy of a frame counts against the socket's bound; nothing for a leave.
    pub(super) fn bytes_of(inbound: &Inbound<'_>) -> usize {
        if inbound.event == LEAVE {
            return 0;
        }
        let text = inbound.topic.len() + inbound.event.len();
        OVERHEAD_BYTES + text + inbound.payload.len_bytes()
    }

    pub(super) fn bytes(&self) -> usize {
        QueuedFrame::bytes_of(&self.as_inbound())
    }
}
