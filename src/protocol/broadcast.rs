//! A broadcast: what one client, or a script, says to everybody on a realtime topic.

use serde::{Deserialize, Serialize};

use super::encode::push_json_string;

/// One broadcast, as nodes pass it on and as it is kept for replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The sender's word for it.
    pub event: String,
    pub body: Body,
    /// Names it on a private topic, where it may be replayed; None on public ones.
    #[serde(default)]
    pub id: Option<String>,
    /// When it was received, milliseconds since 1970 by the cluster's clock.
    pub at_ms: i64,
}

/// What a broadcast carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Valid JSON text of any value.
    Json(String),
    Octets(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl Body {
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.len(),
            Self::Octets(octets) => octets.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Broadcast {
    /// The payload of event `broadcast`: `{"type":"broadcast","event":…,"payload":…}`, and `meta` where there is an id.
    /// None for octets, which JSON cannot carry.
    pub fn payload_json(&self, replayed: bool) -> Option<String> {
        let Body::Json(json) = &self.body else { return None };
        let meta = self.meta_json(replayed);
        let mut out = String::with_capacity(json.len() + self.event.len() + meta.len() + 64);
        push_broadcast(&mut out, &self.event, json);
        if !meta.is_empty() {
            out.push_str(",\"meta\":");
            out.push_str(&meta);
        }
        out.push('}');
        Some(out)
    }

    /// `{"id":…}`, for a replayed one with `"replayed":true`; empty where there is no id.
    pub fn meta_json(&self, replayed: bool) -> String {
        let Some(id) = &self.id else { return String::new() };
        let mut out = String::from("{\"id\":");
        push_json_string(&mut out, id);
        if replayed {
            out.push_str(",\"replayed\":true");
        }
        out.push('}');
        out
    }
}

/// The payload of event `broadcast` that tells of another event: `{"type":"broadcast","event":…,"payload":…}`.
/// `payload_json` must be valid JSON.
pub fn as_broadcast(event: &str, payload_json: &str) -> String {
    let mut out = String::with_capacity(payload_json.len() + event.len() + 48);
    push_broadcast(&mut out, event, payload_json);
    out.push('}');
    out
}

/// All of it but what may follow `payload`, and the brace.
fn push_broadcast(out: &mut String, event: &str, payload_json: &str) {
    out.push_str("{\"type\":\"broadcast\",\"event\":");
    push_json_string(out, event);
    out.push_str(",\"payload\":");
    out.push_str(payload_json);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(body: Body, id: Option<&str>) -> Broadcast {
        Broadcast { event: "say \"hi\"".into(), body, id: id.map(str::to_owned), at_ms: 0 }
    }

    #[test]
    fn a_public_broadcast_has_no_meta_and_a_replayed_one_says_so() {
        let json = |id, replayed| broadcast(Body::Json("[1]".into()), id).payload_json(replayed);
        let plain = r#"{"type":"broadcast","event":"say \"hi\"","payload":[1]}"#;
        assert_eq!(json(None, false).as_deref(), Some(plain));
        let live = r#"{"type":"broadcast","event":"say \"hi\"","payload":[1],"meta":{"id":"7"}}"#;
        assert_eq!(json(Some("7"), false).as_deref(), Some(live));
        let again = r#"{"type":"broadcast","event":"say \"hi\"","payload":[1],"meta":{"id":"7","replayed":true}}"#;
        assert_eq!(json(Some("7"), true).as_deref(), Some(again));
    }

    #[test]
    fn octets_have_no_json() {
        assert_eq!(broadcast(Body::Octets(vec![1]), None).payload_json(false), None);
    }
}
