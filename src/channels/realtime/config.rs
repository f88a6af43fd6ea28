//! The config of a join: what a client wants of a topic. Wrong fields are defaulted, never refused, because that is what
//! the clients are used to; only replay, which they would wait for in vain, says what is wrong. What cannot be read at all
//! is refused: it might say `private`.

use serde_json::{Map, Value, json};
use thiserror::Error;

/// The most broadcasts that a join may have replayed.
pub const REPLAY_MAX: usize = 25;
/// The longest presence key, in characters; a longer one is cut.
const KEY_CHARS_MAX: usize = 128;
/// The most entries of `postgres_changes` that are echoed.
const POSTGRES_MAX: usize = 100;

/// What a join asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinConfig {
    /// Broadcasts are answered with ok.
    pub ack: bool,
    /// The client hears its own broadcasts.
    pub hears_itself: bool,
    /// Under which key its presence is shown; None: one of its own.
    pub presence_key: Option<String>,
    /// It hears who comes and goes.
    pub hears_presence: bool,
    pub private: bool,
    pub replay: Option<Replay>,
    /// The entries of `postgres_changes`, each with an `id`; taken by whoever replies.
    pub postgres_changes: Vec<Value>,
    /// There was at least one.
    pub wants_postgres: bool,
}

/// Which broadcasts a join wants to have replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Milliseconds since 1970.
    pub since_ms: i64,
    /// 1 to [`REPLAY_MAX`].
    pub limit: usize,
}

/// What a client could not have meant; the text is the reply's `reason`, in Supabase's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadConfig {
    #[error("InvalidJoinPayload: the params cannot be read: {0}")]
    Unreadable(String),
    #[error("UnableToReplayMessages: Replay params are not valid")]
    Replay,
    #[error("UnableToReplayMessages: Replay is not allowed for public channels")]
    ReplayOfPublic,
}

impl JoinConfig {
    /// Reads the `config` of a join's params (their JSON text); whatever else they hold is not looked at.
    ///
    /// # Errors
    /// [`BadConfig`]: about replay, or about the whole.
    pub fn parse(params: &str) -> Result<Self, BadConfig> {
        let params: Value = serde_json::from_str(params).map_err(|error| BadConfig::Unreadable(error.to_string()))?;
        let config = object(params.get("config"));
        let (broadcast, presence) = (object(config.get("broadcast")), object(config.get("presence")));
        let private = is_private(config.get("private"));
        let key = presence.get("key").and_then(Value::as_str).filter(|key| !key.is_empty());
        let postgres_changes = postgres_changes(config.get("postgres_changes"));
        Ok(Self {
            ack: flag(broadcast.get("ack")).unwrap_or(false),
            hears_itself: flag(broadcast.get("self")).unwrap_or(false),
            presence_key: key.map(|key| key.chars().take(KEY_CHARS_MAX).collect()),
            hears_presence: flag(presence.get("enabled")).unwrap_or(true),
            private,
            replay: replay(broadcast.get("replay"), private)?,
            wants_postgres: !postgres_changes.is_empty(),
            postgres_changes,
        })
    }

    /// `{"postgres_changes":[…]}`, the response of a join; for once, because entries may be large.
    pub fn take_reply(&mut self) -> String {
        json!({ "postgres_changes": std::mem::take(&mut self.postgres_changes) }).to_string()
    }
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A boolean, or one written as a string.
fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Whatever is not clearly no means yes: a slip shows nothing to the public.
fn is_private(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        value => flag(value).unwrap_or(true),
    }
}

fn replay(value: Option<&Value>, private: bool) -> Result<Option<Replay>, BadConfig> {
    let asked = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(_) if !private => return Err(BadConfig::ReplayOfPublic),
        Some(Value::Object(asked)) => asked,
        Some(_) => return Err(BadConfig::Replay),
    };
    let since_ms = match asked.get("since") {
        None | Some(Value::Null) => 0,
        Some(since) => whole(since).filter(|since| *since >= 0).ok_or(BadConfig::Replay)?,
    };
    let limit = match asked.get("limit") {
        None | Some(Value::Null) => REPLAY_MAX,
        Some(limit) => whole(limit).and_then(|limit| usize::try_from(limit).ok()).ok_or(BadConfig::Replay)?,
    };
    if !(1..=REPLAY_MAX).contains(&limit) {
        return Err(BadConfig::Replay);
    }
    Ok(Some(Replay { since_ms, limit }))
}

/// JavaScript's times may have a fraction.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|number| number.is_finite()).map(|number| number.floor() as i64))
}

/// The clients compare each entry with what they asked for, in order, and go by its `id`.
fn postgres_changes(value: Option<&Value>) -> Vec<Value> {
    let asked = value.and_then(Value::as_array).into_iter().flatten();
    let entries = asked.filter_map(Value::as_object).take(POSTGRES_MAX).enumerate();
    entries
        .map(|(at, entry)| {
            let mut entry = entry.clone();
            entry.insert("id".to_owned(), json!(at + 1));
            Value::Object(entry)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(config: Value) -> Result<JoinConfig, BadConfig> {
        JoinConfig::parse(&json!({ "config": config }).to_string())
    }

    #[test]
    fn who_asks_for_nothing_hears_others_and_who_is_there_and_gets_no_acknowledgements() {
        for params in
            ["{}", "null", "[]", r#"{"config":7}"#, r#"{"config":{"broadcast":[],"presence":"x","private":null}}"#]
        {
            let config = JoinConfig::parse(params).expect("nothing to refuse");
            assert!(!config.ack && !config.hears_itself && !config.private && config.hears_presence, "{params}");
            assert_eq!((config.presence_key, config.replay, config.postgres_changes), (None, None, vec![]));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_because_it_might_say_private() {
        let cut_emoji = r#"{"config":{"private":true,"presence":{"key":"x\ud83d"}}}"#;
        for params in ["", "{", cut_emoji, r#"{"config":{"private":true},"x":1e999}"#] {
            assert!(matches!(JoinConfig::parse(params), Err(BadConfig::Unreadable(_))), "{params}");
        }
    }

    #[test]
    fn whatever_is_not_clearly_no_makes_a_topic_private() {
        for yes in [json!(true), json!("true"), json!(1), json!("yes"), json!({}), json!([])] {
            assert!(parsed(json!({ "private": yes })).expect("sound").private, "{yes}");
        }
        for no in [json!(false), json!("False"), json!(0), json!(""), json!(null)] {
            assert!(!parsed(json!({ "private": no })).expect("sound").private, "{no}");
        }
    }

    #[test]
    fn booleans_may_be_strings() {
        let asked = json!({ "broadcast": { "ack": "true", "self": "TRUE" }, "presence": { "enabled": "false" }, "private": "true" });
        let config = parsed(asked).expect("sound");
        assert!(config.ack && config.hears_itself && config.private && !config.hears_presence);
    }

    #[test]
    fn an_empty_presence_key_is_none_and_a_long_one_is_cut() {
        assert_eq!(parsed(json!({ "presence": { "key": "" } })).expect("sound").presence_key, None);
        let long = parsed(json!({ "presence": { "key": "é".repeat(500) } })).expect("sound").presence_key;
        assert_eq!(long.map(|key| key.chars().count()), Some(KEY_CHARS_MAX));
    }

    #[test]
    fn entries_of_postgres_changes_come_back_in_order_with_ids() {
        let asked = json!({ "postgres_changes": [{ "event": "*", "schema": "public" }, null, { "event": "INSERT" }] });
        let reply = parsed(asked).expect("sound").take_reply();
        let expected = json!({ "postgres_changes": [{ "event": "*", "schema": "public", "id": 1 }, { "event": "INSERT", "id": 2 }] });
        assert_eq!(serde_json::from_str::<Value>(&reply).expect("JSON"), expected);
    }

    #[test]
    fn replay_is_for_private_topics_within_its_limit() {
        let replay =
            |private: bool, replay: Value| parsed(json!({ "private": private, "broadcast": { "replay": replay } }));
        let wanted = replay(true, json!({ "since": 1.5e3, "limit": 3 })).expect("sound").replay;
        assert_eq!(wanted, Some(Replay { since_ms: 1_500, limit: 3 }));
        assert_eq!(replay(true, json!({})).expect("sound").replay, Some(Replay { since_ms: 0, limit: REPLAY_MAX }));
        assert_eq!(replay(false, json!({ "since": 1 })), Err(BadConfig::ReplayOfPublic));
        for bad in
            [json!(7), json!({ "limit": 0 }), json!({ "limit": 26 }), json!({ "since": "x" }), json!({ "since": -1 })]
        {
            assert_eq!(replay(true, bad.clone()), Err(BadConfig::Replay), "{bad}");
        }
        assert_eq!(replay(false, Value::Null).expect("sound").replay, None);
    }
}
