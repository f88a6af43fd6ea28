//! The batch: `{"messages": [{topic, event, payload, private?}]}`. Pure.
//!
//! Payloads stay the text that they are: neither their numbers nor the order of their keys change on the way.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, Value, json, value::RawValue};

use super::fields::{BLANK, INVALID, boolean, event_complaint, listed, topic_complaint};

/// The most messages of a batch.
pub(super) const MESSAGES_MAX: usize = 100;

/// One message that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Without `realtime:`.
    pub topic: String,
    pub event: String,
    /// JSON text of any value but null.
    pub payload: String,
    pub private: bool,
}

/// Why a batch is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadBatch {
    #[error("the body is not JSON: it breaks at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    /// Field by field; `messages` is a list of such objects where the list itself is sound.
    #[error("{}", Value::Object(.0.clone()))]
    Fields(Map<String, Value>),
}

/// The text of any JSON value.
pub(super) fn json(body: &[u8]) -> Result<&RawValue, BadBatch> {
    serde_json::from_slice(body).map_err(|error| BadBatch::NotJson { line: error.line(), column: error.column() })
}

/// Reads the batch, 1 to [`MESSAGES_MAX`] messages.
///
/// # Errors
/// [`BadBatch::Fields`] names all that is wrong, not just the first.
pub(super) fn read(body: &[u8]) -> Result<Vec<Message>, BadBatch> {
    let envelope: Option<Envelope> = object(json(body)?);
    let messages = envelope.unwrap_or_default().messages.ok_or_else(|| bad_messages(BLANK))?;
    let Listed { first, is_longer } = serde_json::from_str(messages.get()).map_err(|_| bad_messages(INVALID))?;
    if first.is_empty() {
        return Err(bad_messages(BLANK));
    }
    if is_longer {
        return Err(bad_messages(&format!("should have at most {MESSAGES_MAX} item(s)")));
    }
    let sent: Option<Vec<Sent>> = first.into_iter().map(object).collect();
    let sent = sent.ok_or_else(|| bad_messages(INVALID))?;
    let (sound, errors): (Vec<_>, Vec<_>) = sent.iter().map(message).unzip();
    if errors.iter().any(|errors| !errors.is_empty()) {
        return Err(BadBatch::Fields(Map::from_iter([("messages".to_owned(), json!(errors))])));
    }
    Ok(sound)
}

/// The batch's outside.
#[derive(Default, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
}

/// A message as it came; null counts as absent.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow, default)]
    topic: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    private: Option<&'a RawValue>,
}

/// None for what is no object, and for one that says something twice. A list would do for `Deserialize`, so that is
/// asked first.
fn object<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    let text = Some(value.get()).filter(|text| text.starts_with('{'))?;
    serde_json::from_str(text).ok()
}

/// The message, and what is wrong with it: it counts only where that is nothing.
fn message(sent: &Sent<'_>) -> (Message, Map<String, Value>) {
    let topic = text(sent.topic, topic_complaint);
    let event = text(sent.event, event_complaint);
    let private = sent.private.map_or(Some(false), truth);
    let complaints = [
        ("topic", topic.as_ref().err().cloned()),
        ("event", event.as_ref().err().cloned()),
        ("payload", sent.payload.is_none().then(|| BLANK.to_owned())),
        ("private", private.is_none().then(|| INVALID.to_owned())),
    ];
    let message = Message {
        topic: topic.unwrap_or_default(),
        event: event.unwrap_or_default(),
        payload: sent.payload.map(|payload| payload.get().to_owned()).unwrap_or_default(),
        private: private.unwrap_or_default(),
    };
    (message, listed(complaints).collect())
}

fn text(value: Option<&RawValue>, complaint: fn(&str) -> Option<String>) -> Result<String, String> {
    let value = value.ok_or_else(|| BLANK.to_owned())?;
    let text: String = serde_json::from_str(value.get()).map_err(|_| INVALID.to_owned())?;
    complaint(&text).map_or(Ok(text), Err)
}

fn truth(value: &RawValue) -> Option<bool> {
    match serde_json::from_str(value.get()).ok()? {
        Value::Bool(truth) => Some(truth),
        Value::String(text) => boolean(&text),
        _ => None,
    }
}

fn bad_messages(complaint: &str) -> BadBatch {
    BadBatch::Fields(listed([("messages", Some(complaint.to_owned()))]).collect())
}

/// A list's first values; of the rest only that there is one, however many they are.
struct Listed<'a> {
    first: Vec<&'a RawValue>,
    is_longer: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(values: D) -> Result<Self, D::Error> {
        values.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Listed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::new();
        while first.len() < MESSAGES_MAX {
            let Some(value) = values.next_element()? else {
                return Ok(Listed { first, is_longer: false });
            };
            first.push(value);
        }
        let mut is_longer = false;
        while values.next_element::<IgnoredAny>()?.is_some() {
            is_longer = true;
        }
        Ok(Listed { first, is_longer })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(body: &str) -> Value {
        match read(body.as_bytes()) {
            Err(BadBatch::Fields(errors)) => Value::Object(errors),
            other => panic!("{body} is {other:?}"),
        }
    }

    #[test]
    fn payloads_keep_their_text_and_booleans_may_be_strings() {
        let body = r#" {"x": [], "messages": [
            {"topic": "a\u00e9", "event": "e", "payload": {"z": 1.0, "a": 1e400}, "private": "true"},
            {"topic": "realtime:b", "event": "e", "payload": 0, "private": null, "persist": true}]}"#;
        let messages = read(body.as_bytes()).expect("a batch");
        let message = |topic: &str, payload: &str, private| Message {
            topic: topic.into(),
            event: "e".into(),
            payload: payload.into(),
            private,
        };
        assert_eq!(messages, [message("aé", r#"{"z": 1.0, "a": 1e400}"#, true), message("realtime:b", "0", false)]);
    }

    #[test]
    fn every_wrong_field_of_every_message_is_named() {
        let body = r#"{"messages": [{"topic": "t"}, {"payload": {}}, {"topic": "t", "event": "e", "payload": []},
            {"topic": 7, "event": " ", "payload": null, "private": "maybe"}]}"#;
        let blank = json!(["can't be blank"]);
        let expected = json!({"messages": [
            {"event": blank, "payload": blank}, {"topic": blank, "event": blank}, {},
            {"topic": ["is invalid"], "event": blank, "payload": blank, "private": ["is invalid"]},
        ]});
        assert_eq!(errors(body), expected);
    }

    #[test]
    fn a_body_without_a_list_of_messages_says_so() {
        for none in ["{}", "[]", "7", r#"{"messages": null}"#, r#"{"messages": []}"#, r#"[[{"topic": "t"}]]"#] {
            assert_eq!(errors(none), json!({"messages": ["can't be blank"]}), "{none}");
        }
        let twice = r#"{"messages": [{"topic": "t", "event": "e", "payload": 1, "topic": "u"}]}"#;
        let positional = r#"{"messages": [["t", "e", 1]]}"#;
        for wrong in [r#"{"messages": {}}"#, r#"{"messages": "m"}"#, r#"{"messages": [1]}"#, positional, twice] {
            assert_eq!(errors(wrong), json!({"messages": ["is invalid"]}), "{wrong}");
        }
    }

    #[test]
    fn a_hundred_messages_are_a_batch_and_one_more_is_none() {
        let of = |count| {
            let message = r#"{"topic":"t","event":"e","payload":{}}"#;
            format!(r#"{{"messages":[{}]}}"#, vec![message; count].join(","))
        };
        assert_eq!(read(of(100).as_bytes()).map(|messages| messages.len()), Ok(100));
        assert_eq!(errors(&of(101)), json!({"messages": ["should have at most 100 item(s)"]}));
    }

    #[test]
    fn what_is_no_json_says_where_it_breaks() {
        assert_eq!(read(b"{\n \"messages\": x}"), Err(BadBatch::NotJson { line: 2, column: 14 }));
        for broken in [&b""[..], b"{", b"{}{}", b"\xff", b"{'messages': 1}"] {
            assert!(matches!(read(broken), Err(BadBatch::NotJson { .. })), "{broken:?}");
        }
        let deep = format!(r#"{{"messages": [{{"topic": "t", "event": "e", "payload": {}}}]}}"#, "[".repeat(100_000));
        assert!(matches!(read(deep.as_bytes()), Err(BadBatch::NotJson { .. })));
    }

    fn part() -> impl Strategy<Value = String> {
        let words =
            ["{", "}", "[", "]", ",", ":", "\"messages\"", "\"topic\"", "\"event\"", "\"payload\"", "\"private\""];
        let values =
            ["\"t\"", "true", "null", "1", "\"\"", "\"\\ud800\"", "{\"messages\":[{\"topic\":\"t\",\"event\":"];
        proptest::sample::select([words.as_slice(), values.as_slice()].concat()).prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn anything_is_a_batch_that_may_be_sent_or_a_reason(body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(part(), 0..40).prop_map(|parts| parts.concat().into_bytes()),
        ]) {
            match read(&body) {
                Ok(messages) => {
                    prop_assert!((1..=MESSAGES_MAX).contains(&messages.len()));
                    for message in messages {
                        prop_assert_eq!(topic_complaint(&message.topic), None);
                        prop_assert_eq!(event_complaint(&message.event), None);
                        prop_assert!(json(message.payload.as_bytes()).is_ok() && message.payload != "null");
                    }
                }
                Err(BadBatch::Fields(errors)) => prop_assert!(!errors.is_empty()),
                Err(BadBatch::NotJson { line, .. }) => prop_assert!(line > 0 || body.is_empty()),
            }
        }

        #[test]
        fn what_is_sent_is_read(topics in proptest::collection::vec("[a-z:é\"\\\\/]{1,20}", 1..20), private: bool) {
            let sent = |topic: &String| json!({"topic": topic, "event": topic, "payload": [topic], "private": private});
            let body = json!({"messages": topics.iter().map(sent).collect::<Vec<_>>()}).to_string();
            let read = read(body.as_bytes()).expect("a batch");
            for (message, topic) in read.iter().zip(&topics) {
                prop_assert_eq!((&message.topic, &message.event, message.private), (topic, topic, private));
                prop_assert_eq!(&message.payload, &json!([topic]).to_string());
            }
            prop_assert_eq!(read.len(), topics.len());
        }
    }
}
