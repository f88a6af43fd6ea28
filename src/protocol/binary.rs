//! Binary frames, which V2 alone has. A header of one kind byte and one size byte a field, then
//! the fields' text, then a body up to the frame's end.

use std::borrow::Cow;

use thiserror::Error;

use super::encode::Status;
use super::event;
use super::inbound::{Encoding, FIELD_BYTES_MAX, Inbound, InboundPayload, Malformed, UserBroadcast};
use super::reference::Ref;
use super::version::Vsn;

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;
const USER_BROADCAST_PUSH: u8 = 3;
const USER_BROADCAST: u8 = 4;

/// Reads one binary frame: a push (kind 00) or a user broadcast (kind 03). An empty ref is none.
///
/// # Errors
/// [`Malformed`] says what is wrong; the socket is then to be closed with 1011.
pub fn decode_binary(vsn: Vsn, frame: &[u8]) -> Result<Inbound<'_>, Malformed> {
    if vsn == Vsn::V1 {
        return Err(Malformed::BinaryOnV1);
    }
    let mut rest = Rest(frame);
    match rest.byte("kind")? {
        PUSH => decode_push(rest),
        USER_BROADCAST_PUSH => decode_user_broadcast(rest),
        kind => Err(Malformed::UnknownKind(kind)),
    }
}

fn decode_push(mut rest: Rest<'_>) -> Result<Inbound<'_>, Malformed> {
    let join_ref_size = rest.byte("header")?;
    let ref_size = rest.byte("header")?;
    let topic_size = rest.byte("header")?;
    let event_size = rest.byte("header")?;
    Ok(Inbound {
        join_ref: rest.reference("join_ref", join_ref_size)?,
        reference: rest.reference("ref", ref_size)?,
        topic: Cow::Borrowed(rest.text("topic", topic_size)?),
        event: Cow::Borrowed(rest.text("event", event_size)?),
        payload: InboundPayload::Binary(rest.0),
    })
}

fn decode_user_broadcast(mut rest: Rest<'_>) -> Result<Inbound<'_>, Malformed> {
    let join_ref_size = rest.byte("header")?;
    let ref_size = rest.byte("header")?;
    let topic_size = rest.byte("header")?;
    let event_size = rest.byte("header")?;
    let meta_size = rest.byte("header")?;
    let encoding = match rest.byte("header")? {
        0 => Encoding::Binary,
        1 => Encoding::Json,
        other => return Err(Malformed::UnknownEncoding(other)),
    };
    Ok(Inbound {
        join_ref: rest.reference("join_ref", join_ref_size)?,
        reference: rest.reference("ref", ref_size)?,
        topic: Cow::Borrowed(rest.text("topic", topic_size)?),
        event: Cow::Borrowed(event::BROADCAST),
        payload: InboundPayload::UserBroadcast(UserBroadcast {
            event: rest.text("event", event_size)?,
            meta: rest.text("metadata", meta_size)?,
            encoding,
            body: rest.0,
        }),
    })
}

/// What of a frame has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        let (byte, rest) = self.0.split_first().ok_or(Malformed::Truncated(what))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn text(&mut self, field: &'static str, size: u8) -> Result<&'a str, Malformed> {
        let split = self.0.split_at_checked(usize::from(size));
        let (text, rest) = split.ok_or(Malformed::Truncated(field))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Malformed::NotUtf8(field))
    }

    fn reference(&mut self, field: &'static str, size: u8) -> Result<Option<Ref>, Malformed> {
        let text = self.text(field, size)?;
        if text.is_empty() {
            return Ok(None);
        }
        Ref::from_text(text).map(Some)
    }
}

/// A field that does not fit a binary frame, whose sizes are one byte. It is never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{field} has {bytes} bytes and a binary frame takes {FIELD_BYTES_MAX}; shorten it")]
pub struct FieldTooLong {
    /// The field's name.
    pub field: &'static str,
    /// Its size, in UTF-8 bytes.
    pub bytes: usize,
}

/// A server's push to one channel, with a body of octets.
///
/// # Errors
/// [`FieldTooLong`] when the ref, topic or event has over 255 bytes.
pub fn encode_binary_push(
    join_ref: Option<&Ref>,
    topic: &str,
    event: &str,
    body: &[u8],
) -> Result<Vec<u8>, FieldTooLong> {
    let join_ref = ref_text(join_ref);
    let fields = [("join_ref", &*join_ref), ("topic", topic), ("event", event)];
    encode(PUSH, &fields, None, body)
}

/// A reply with a body of octets.
///
/// # Errors
/// [`FieldTooLong`] when a ref or the topic has over 255 bytes.
pub fn encode_binary_reply(
    join_ref: Option<&Ref>,
    reference: Option<&Ref>,
    topic: &str,
    status: Status,
    body: &[u8],
) -> Result<Vec<u8>, FieldTooLong> {
    let (join_ref, reference) = (ref_text(join_ref), ref_text(reference));
    let fields = [("join_ref", &*join_ref), ("ref", &*reference), ("topic", topic), ("status", status.as_str())];
    encode(REPLY, &fields, None, body)
}

/// A broadcast with a body of octets.
///
/// # Errors
/// [`FieldTooLong`] when the topic or event has over 255 bytes.
pub fn encode_binary_broadcast(topic: &str, event: &str, body: &[u8]) -> Result<Vec<u8>, FieldTooLong> {
    encode(BROADCAST, &[("topic", topic), ("event", event)], None, body)
}

/// A user broadcast in Supabase's form (kind 04).
///
/// # Errors
/// [`FieldTooLong`] when the topic, the broadcast's event or its metadata has over 255 bytes.
pub fn encode_user_broadcast(topic: &str, broadcast: &UserBroadcast<'_>) -> Result<Vec<u8>, FieldTooLong> {
    let fields = [("topic", topic), ("event", broadcast.event), ("metadata", broadcast.meta)];
    let encoding = match broadcast.encoding {
        Encoding::Binary => 0,
        Encoding::Json => 1,
    };
    encode(USER_BROADCAST, &fields, Some(encoding), broadcast.body)
}

fn ref_text(reference: Option<&Ref>) -> String {
    reference.map(Ref::to_string).unwrap_or_default()
}

fn encode(
    kind: u8,
    fields: &[(&'static str, &str)],
    encoding: Option<u8>,
    body: &[u8],
) -> Result<Vec<u8>, FieldTooLong> {
    let text_bytes: usize = fields.iter().map(|(_, text)| text.len()).sum();
    let mut frame = Vec::with_capacity(2 + fields.len() + text_bytes + body.len());
    frame.push(kind);
    for (field, text) in fields {
        let bytes = text.len();
        frame.push(u8::try_from(bytes).map_err(|_| FieldTooLong { field, bytes })?);
    }
    frame.extend(encoding);
    for (_, text) in fields {
        frame.extend_from_slice(text.as_bytes());
    }
    frame.extend_from_slice(body);
    Ok(frame)
}
