//! What clients push to a topic, read: broadcasts as JSON and as octets, tracks and untracks.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};
use thiserror::Error;

use crate::{
    channels::Payload,
    protocol::{Encoding, UserBroadcast, broadcast::Body, inbound::FIELD_BYTES_MAX},
};

/// The deepest nesting of arrays and objects that is passed on.
const DEPTH_MAX: usize = 128;

/// Why a push means nothing; the text is the reply's `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadMessage {
    #[error("event must be a string")]
    NoEvent,
    #[error("event must have at most {FIELD_BYTES_MAX} bytes")]
    LongEvent,
    #[error("payload must be JSON: {0}")]
    NoJson(String),
    /// Parsers of the clients refuse what is deeper, and drop the whole frame.
    #[error("payload must not be nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("Presence track payload must be a map")]
    NoMap,
    #[error("event must be track or untrack")]
    NoPresenceEvent,
}

/// A broadcast as its sender gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub event: String,
    pub body: Body,
}

/// A presence message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceMessage {
    /// The JSON text of an object.
    Track(String),
    Untrack,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    event: Value,
    #[serde(default, borrow, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
}

/// `null` is a value too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Wire<'a> {
    /// An object; serde would take a list for one as well.
    fn parse(payload: &'a str) -> Option<Self> {
        let is_object = payload.trim_start().starts_with('{');
        is_object.then(|| serde_json::from_str(payload).ok())?
    }
}

impl Said {
    /// Reads what a `broadcast` push carries, in either form.
    pub fn of(payload: Payload<'_>) -> Result<Self, BadMessage> {
        match payload {
            Payload::Json(payload) => Self::parse(payload),
            Payload::Broadcast(user) => Self::read(&user),
        }
    }

    /// Reads the payload of a `broadcast` push. What it holds beside `event` and `payload` is not passed on.
    pub fn parse(payload: &str) -> Result<Self, BadMessage> {
        let wire = Wire::parse(payload).ok_or(BadMessage::NoEvent)?;
        let Value::String(event) = wire.event else { return Err(BadMessage::NoEvent) };
        let body = wire.payload.map_or("{}", |payload| payload.get());
        Self { event, body: Body::Json(body.to_owned()) }.checked()
    }

    /// Reads a broadcast in Supabase's binary form.
    pub fn read(user: &UserBroadcast<'_>) -> Result<Self, BadMessage> {
        let body = match user.encoding {
            Encoding::Binary => Body::Octets(user.body.to_vec()),
            Encoding::Json => {
                let no_json = |error: serde_json::Error| BadMessage::NoJson(error.to_string());
                let json: &RawValue = serde_json::from_slice(user.body).map_err(no_json)?;
                Body::Json(json.get().to_owned())
            }
        };
        Self { event: user.event.to_owned(), body }.checked()
    }

    /// An event's name has to fit a binary frame, whichever way it came.
    fn checked(self) -> Result<Self, BadMessage> {
        match self.event.len() {
            _ if matches!(&self.body, Body::Json(json) if depth(json) > DEPTH_MAX) => Err(BadMessage::TooDeep),
            0 => Err(BadMessage::NoEvent),
            1..=FIELD_BYTES_MAX => Ok(self),
            _ => Err(BadMessage::LongEvent),
        }
    }
}

/// How deep arrays and objects are nested in JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest): (usize, usize) = (0, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl PresenceMessage {
    /// Reads the payload of a `presence` push: `{event: track | untrack, payload}`, in any case of letters.
    pub fn parse(payload: &str) -> Result<Self, BadMessage> {
        let wire = Wire::parse(payload).ok_or(BadMessage::NoPresenceEvent)?;
        let event = wire.event.as_str().unwrap_or_default();
        if event.eq_ignore_ascii_case("untrack") {
            return Ok(Self::Untrack);
        }
        if !event.eq_ignore_ascii_case("track") {
            return Err(BadMessage::NoPresenceEvent);
        }
        let fields = wire.payload.map_or("{}", |payload| payload.get());
        match serde_json::from_str(fields) {
            // As it will be told: numbers may be longer than they were written.
            Ok(fields @ Value::Object(_)) => Ok(Self::Track(fields.to_string())),
            _ => Err(BadMessage::NoMap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_keeps_its_payload_as_it_was_written() {
        let said = Said::parse(r#"{"type":"broadcast","event":"shout","payload":{"a": 1.50},"x":1}"#).expect("sound");
        assert_eq!(said, Said { event: "shout".into(), body: Body::Json(r#"{"a": 1.50}"#.into()) });
        assert_eq!(Said::parse(r#"{"event":"x"}"#).expect("sound").body, Body::Json("{}".into()));
        assert_eq!(Said::parse(r#"{"event":"x","payload":null}"#).expect("sound").body, Body::Json("null".into()));
    }

    #[test]
    fn a_broadcast_without_a_name_is_told_so() {
        for bad in ["{}", "[]", "7", r#"["c",{"x":1}]"#, r#"{"event":7}"#, r#"{"event":""}"#, r#"{"event":null}"#] {
            assert_eq!(Said::parse(bad), Err(BadMessage::NoEvent), "{bad}");
        }
        let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(256));
        assert_eq!(Said::parse(&long), Err(BadMessage::LongEvent));
    }

    #[test]
    fn a_binary_broadcast_is_octets_or_one_json_value() {
        let user = |encoding, body| UserBroadcast { event: "e", meta: "", encoding, body };
        let octets = Said::read(&user(Encoding::Binary, &[0xff, 0])).expect("sound");
        assert_eq!(octets.body, Body::Octets(vec![0xff, 0]));
        assert_eq!(Said::read(&user(Encoding::Json, b"[1]")).expect("sound").body, Body::Json("[1]".into()));
        for bad in [&b"{"[..], b"1 2", b"", b"\"\xff\""] {
            assert!(matches!(Said::read(&user(Encoding::Json, bad)), Err(BadMessage::NoJson(_))), "{bad:?}");
        }
    }

    #[test]
    fn nesting_is_counted_outside_of_strings_and_bounded() {
        assert_eq!(depth(r#"{"a":["[[[","\"{"],"b":{}}"#), 2);
        let nested =
            |levels: usize| format!(r#"{{"event":"e","payload":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(Said::parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(Said::parse(&nested(DEPTH_MAX + 1)), Err(BadMessage::TooDeep));
        assert_eq!(Said::parse(&nested(100_000)), Err(BadMessage::TooDeep));
    }

    #[test]
    fn a_track_takes_an_object_and_an_untrack_nothing() {
        let track = |payload: &str| PresenceMessage::parse(payload);
        assert_eq!(track(r#"{"event":"TRACK","payload":{"x":1}}"#), Ok(PresenceMessage::Track(r#"{"x":1}"#.into())));
        assert_eq!(track(r#"{"type":"presence","event":"untrack"}"#), Ok(PresenceMessage::Untrack));
        for payload in ["[1]", "null", "7"] {
            assert_eq!(track(&format!(r#"{{"event":"track","payload":{payload}}}"#)), Err(BadMessage::NoMap));
        }
        assert_eq!(track(r#"{"event":"dance"}"#), Err(BadMessage::NoPresenceEvent));
        assert_eq!(track("7"), Err(BadMessage::NoPresenceEvent));
    }
}
