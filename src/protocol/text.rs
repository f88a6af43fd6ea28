//! Reading text frames: V1's objects and V2's arrays.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::inbound::{Inbound, InboundPayload, Malformed, TEXT_FIELD_BYTES_MAX};
use super::reference::Ref;
use super::version::Vsn;

/// Reads one text frame. Nothing is copied but refs, and fields with JSON escapes in them.
///
/// V1 is an object: `topic`, `event` and `payload` must be there, an absent `ref` or `join_ref`
/// is as `null`, other keys are ignored, and of a repeated key the last counts. V2 is an array
/// `[join_ref, ref, topic, event, payload]`, whose further elements are ignored.
///
/// # Errors
/// [`Malformed`] says what is wrong; the socket is then to be closed with 1011.
pub fn decode_text(vsn: Vsn, text: &str) -> Result<Inbound<'_>, Malformed> {
    let fields = match vsn {
        Vsn::V1 => serde_json::from_str::<ObjectFrame>(text).map(|frame| frame.0),
        Vsn::V2 => serde_json::from_str::<ArrayFrame>(text).map(|frame| frame.0),
    };
    let fields = fields.map_err(|error| Malformed::Json(error.to_string()))?;
    Ok(Inbound {
        join_ref: fields.join_ref,
        reference: fields.reference,
        topic: bounded("topic", fields.topic)?,
        event: bounded("event", fields.event)?,
        payload: InboundPayload::Json(fields.payload.ok_or(Malformed::Missing("payload"))?),
    })
}

fn bounded<'a>(field: &'static str, text: Option<Text<'a>>) -> Result<Cow<'a, str>, Malformed> {
    let text = text.ok_or(Malformed::Missing(field))?.0;
    if text.len() > TEXT_FIELD_BYTES_MAX {
        return Err(Malformed::TooLong { field, bytes_max: TEXT_FIELD_BYTES_MAX });
    }
    Ok(text)
}

/// A string that borrows from the frame where it can.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct Fields<'a> {
    join_ref: Option<Ref>,
    reference: Option<Ref>,
    topic: Option<Text<'a>>,
    event: Option<Text<'a>>,
    payload: Option<&'a RawValue>,
}

struct ObjectFrame<'a>(Fields<'a>);

impl<'de> Deserialize<'de> for ObjectFrame<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = ObjectFrame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with topic, event, payload and ref")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.0.as_ref() {
                "topic" => fields.topic = Some(map.next_value()?),
                "event" => fields.event = Some(map.next_value()?),
                "payload" => fields.payload = Some(map.next_value()?),
                "ref" => fields.reference = map.next_value()?,
                "join_ref" => fields.join_ref = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(ObjectFrame(fields))
    }
}

struct ArrayFrame<'a>(Fields<'a>);

impl<'de> Deserialize<'de> for ArrayFrame<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor)
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = ArrayFrame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array [join_ref, ref, topic, event, payload]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let fields = Fields {
            join_ref: seq.next_element()?.flatten(),
            reference: seq.next_element()?.flatten(),
            topic: seq.next_element()?,
            event: seq.next_element()?,
            payload: seq.next_element()?,
        };
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ArrayFrame(fields))
    }
}
