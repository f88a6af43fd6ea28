//! Writing text frames. Payloads come as JSON already, so that many receivers share one encoding.

use super::event;
use super::reference::Ref;
use super::version::Vsn;

/// Whether a reply says yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `"ok"`.
    Ok,
    /// `"error"`.
    Error,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Error => "error",
        }
    }
}

/// A message of the server to one channel. `payload_json` must be valid JSON.
pub fn encode_push(vsn: Vsn, join_ref: Option<&Ref>, topic: &str, event: &str, payload_json: &str) -> String {
    let frame = Frame { vsn, join_ref, reference: None, topic, event };
    frame.write(&[payload_json])
}

/// A message of the server that every channel on the topic can be given as it is.
/// `payload_json` must be valid JSON.
pub fn encode_broadcast(vsn: Vsn, topic: &str, event: &str, payload_json: &str) -> String {
    encode_push(vsn, None, topic, event, payload_json)
}

/// The answer to the client's message `reference`. `response_json` must be valid JSON.
pub fn encode_reply(
    vsn: Vsn,
    join_ref: Option<&Ref>,
    reference: Option<&Ref>,
    topic: &str,
    status: Status,
    response_json: &str,
) -> String {
    let frame = Frame { vsn, join_ref, reference, topic, event: event::REPLY };
    frame.write(&["{\"status\":\"", status.as_str(), "\",\"response\":", response_json, "}"])
}

/// The answer `{"status":"error","response":{"reason": reason}}`.
pub fn encode_error_reply(
    vsn: Vsn,
    join_ref: Option<&Ref>,
    reference: Option<&Ref>,
    topic: &str,
    reason: &str,
) -> String {
    let response = reason_object(reason);
    encode_reply(vsn, join_ref, reference, topic, Status::Error, &response)
}

/// The answer to a heartbeat: ok, with join_ref null whatever the client sent.
pub fn encode_heartbeat_reply(vsn: Vsn, reference: Option<&Ref>) -> String {
    encode_reply(vsn, None, reference, event::SOCKET_TOPIC, Status::Ok, "{}")
}

/// `phx_close`: this channel is over for good. Its ref is the join's, as Phoenix does it.
pub fn encode_close(vsn: Vsn, join_ref: Option<&Ref>, topic: &str) -> String {
    let frame = Frame { vsn, join_ref, reference: join_ref, topic, event: event::CLOSE };
    frame.write(&["{}"])
}

/// `phx_error`: this channel is over, and the client is to join again.
pub fn encode_error(vsn: Vsn, join_ref: Option<&Ref>, topic: &str, reason: &str) -> String {
    let frame = Frame { vsn, join_ref, reference: join_ref, topic, event: event::ERROR };
    frame.write(&[&reason_object(reason)])
}

fn reason_object(reason: &str) -> String {
    let mut object = String::with_capacity(reason.len() + 16);
    object.push_str("{\"reason\":");
    push_json_string(&mut object, reason);
    object.push('}');
    object
}

struct Frame<'a> {
    vsn: Vsn,
    join_ref: Option<&'a Ref>,
    reference: Option<&'a Ref>,
    topic: &'a str,
    event: &'a str,
}

impl Frame<'_> {
    /// The whole frame; `payload` is the payload's JSON in pieces.
    fn write(&self, payload: &[&str]) -> String {
        let payload_bytes: usize = payload.iter().map(|piece| piece.len()).sum();
        // 96: punctuation, V1's keys, and two refs of usual length.
        let capacity = payload_bytes + self.topic.len() + self.event.len() + 96;
        let mut out = String::with_capacity(capacity);
        match self.vsn {
            Vsn::V1 => {
                out.push_str("{\"topic\":");
                push_json_string(&mut out, self.topic);
                out.push_str(",\"event\":");
                push_json_string(&mut out, self.event);
                out.push_str(",\"payload\":");
                payload.iter().for_each(|piece| out.push_str(piece));
                out.push_str(",\"ref\":");
                push_ref(&mut out, self.reference);
                out.push('}');
            }
            Vsn::V2 => {
                out.push('[');
                push_ref(&mut out, self.join_ref);
                out.push(',');
                push_ref(&mut out, self.reference);
                out.push(',');
                push_json_string(&mut out, self.topic);
                out.push(',');
                push_json_string(&mut out, self.event);
                out.push(',');
                payload.iter().for_each(|piece| out.push_str(piece));
                out.push(']');
            }
        }
        out
    }
}

fn push_ref(out: &mut String, reference: Option<&Ref>) {
    match reference {
        Some(reference) => reference.push_json(out),
        None => out.push_str("null"),
    }
}

/// Appends `text` as a JSON string, with its quotes.
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    // Escapes are rare and all of one byte, so the text between them goes over in runs.
    let mut run_start = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(run_start..at).unwrap_or_default());
        run_start = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                out.push_str("\\u00");
                out.extend(hex_digit(control >> 4));
                out.extend(hex_digit(control & 0x0f));
            }
        }
    }
    out.push_str(text.get(run_start..).unwrap_or_default());
    out.push('"');
}

fn hex_digit(nibble: u8) -> Option<char> {
    char::from_digit(u32::from(nibble), 16)
}
