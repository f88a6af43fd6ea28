//! The `topics` claim: private topics that a token opens besides those under its own `sub`.

use serde_json::{Map, Value};

use super::AuthError;

/// What every entry begins with, because whoever signs the token knows topics as clients write them.
const PREFIX: &str = "realtime:";
/// The most entries in one token.
const GRANTS_MAX: usize = 100;
/// The longest entry, in bytes: what a binary frame can carry.
const TOPIC_BYTES_MAX: usize = 255;

/// One entry: a private topic, or all that begin alike, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicGrant {
    /// The sub topic, without `realtime:`; with `any_rest` only its beginning, which may be empty.
    pub sub_topic: String,
    /// The entry ended with `*`: whatever follows `sub_topic` fits. A `*` elsewhere is an ordinary character.
    pub any_rest: bool,
    pub read: bool,
    pub write: bool,
}

impl TopicGrant {
    /// Whether this entry is about `sub_topic` (without `realtime:`).
    pub fn covers(&self, sub_topic: &str) -> bool {
        if self.any_rest { sub_topic.starts_with(&self.sub_topic) } else { sub_topic == self.sub_topic }
    }

    /// `realtime:<sub topic>`, or `{"topic": "realtime:<sub topic>", "read": bool, "write": bool}`, both default true.
    ///
    /// Anything else in the object is refused: a misspelt `"write": false` must not grant the write.
    fn read_entry(entry: &Value) -> Option<Self> {
        match entry {
            Value::String(topic) => Self::new(topic, true, true),
            Value::Object(entry) if entry.keys().all(|key| matches!(&**key, "topic" | "read" | "write")) => {
                Self::new(entry.get("topic")?.as_str()?, flag(entry, "read")?, flag(entry, "write")?)
            }
            _ => None,
        }
    }

    fn new(topic: &str, read: bool, write: bool) -> Option<Self> {
        let sub_topic = topic.strip_prefix(PREFIX).filter(|rest| !rest.is_empty() && topic.len() <= TOPIC_BYTES_MAX)?;
        let beginning = sub_topic.strip_suffix('*');
        let any_rest = beginning.is_some();
        Some(Self { sub_topic: beginning.unwrap_or(sub_topic).to_owned(), any_rest, read, write })
    }
}

/// Reads the claim; none is no entries.
pub(super) fn topic_grants(claims: &Map<String, Value>) -> Result<Vec<TopicGrant>, AuthError> {
    let entries = match claims.get("topics") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= GRANTS_MAX => {
            entries.iter().map(TopicGrant::read_entry).collect()
        }
        Some(_) => None,
    };
    entries.ok_or(AuthError::ClaimInvalid {
        claim: "topics",
        must: "a list of at most 100 entries, each `realtime:<topic>` of at most 255 bytes, or an object of that as \
               `topic` with `read` and `write` as true or false",
    })
}

fn flag(entry: &Map<String, Value>, name: &str) -> Option<bool> {
    entry.get(name).map_or(Some(true), Value::as_bool)
}
