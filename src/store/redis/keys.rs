//! The names of all keys. Readable, and never the same for two things: whatever in a tenant, node or secret name could
//! be taken for a separator or a brace is escaped, as in the relay's topics.

use std::fmt::Write as _;

use crate::protocol::TopicKey;
use crate::room::RoomKey;

/// What the names are made with.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
    /// Whether keys of different hash tags may be touched in one step.
    together: bool,
}

/// Every set of keys that a script about one room is given, in the order of `scripts/shared.lua`.
pub type RoomKeys = Vec<String>;

/// The places of a room's keys that are read without a script.
pub const DONE: usize = 1;
pub const MEMBERS: usize = 2;

impl Keys {
    /// `together`: no Redis Cluster.
    pub fn new(prefix: &str, together: bool) -> Self {
        Self { prefix: prefix.to_owned(), together }
    }

    /// Whether one script may touch all keys, or the servers share them out by hash tag.
    pub fn together(&self) -> bool {
        self.together
    }

    pub fn room(&self, key: &RoomKey) -> RoomKeys {
        let record = self.record(key);
        let beside = |what: &str| format!("{record}:{what}");
        let mut keys = vec![
            record.clone(),
            beside("done"),
            beside("members"),
            beside("muted"),
            beside("assignments"),
            beside("roles"),
            beside("closed"),
        ];
        if self.together {
            keys.push(self.rooms(&key.tenant));
            keys.push(self.tenants());
        }
        keys
    }

    pub fn record(&self, key: &RoomKey) -> String {
        format!("{}room:{{{}:{}}}", self.prefix, escaped(&key.tenant), key.code)
    }

    /// A tenant's codes by last activity.
    pub fn rooms(&self, tenant: &str) -> String {
        format!("{}rooms:{{{}}}", self.prefix, escaped(tenant))
    }

    /// What is known of a tenant: of the file, or of the database.
    pub fn tenant(&self, id: &str) -> String {
        format!("{}tenant:{{{}}}", self.prefix, escaped(id))
    }

    /// Each tenant's last change, and the last of all. In the slot of [`Keys::generation`], so that one look reads both.
    pub fn tenant_changes(&self) -> String {
        format!("{}tenant:index:{{{}}}", self.prefix, self.generation())
    }

    /// The tenants that have rooms.
    pub fn tenants(&self) -> String {
        self.named("rooms")
    }

    pub fn lease(&self, node: &str) -> String {
        format!("{}{}}}", self.leases(), escaped(node))
    }

    /// What the keys of all sessions begin with; after it the node and a brace.
    pub fn leases(&self) -> String {
        self.named("lease:{")
    }

    pub fn nodes(&self) -> String {
        self.named("nodes")
    }

    pub fn incarnation(&self) -> String {
        self.named("incarnation")
    }

    pub fn generation(&self) -> String {
        self.named("generation")
    }

    /// A server's offset to cluster time.
    pub fn clock(&self, run_id: &str) -> String {
        format!("{}{run_id}", self.clocks())
    }

    pub fn clocks(&self) -> String {
        self.named("clock:")
    }

    pub fn secret(&self, name: &str) -> String {
        format!("{}secret:{}", self.prefix, escaped(name))
    }

    /// Who is present on a realtime topic.
    pub fn presence(&self, key: &TopicKey) -> String {
        format!("{}presence:{}", self.prefix, topic(key))
    }

    /// The keys that a script about presences is given: who is there, who is gone, and since when.
    pub fn presences(&self, key: &TopicKey) -> Vec<String> {
        let presence = self.presence(key);
        let beside = |what: &str| format!("{presence}:{what}");
        vec![presence.clone(), beside("gone"), beside("gone_at")]
    }

    /// The last broadcasts of a realtime topic.
    pub fn broadcasts(&self, key: &TopicKey) -> String {
        format!("{}broadcasts:{}", self.prefix, topic(key))
    }

    /// The keys of a tenant's last broadcasts by their last write. No topic's: no separator stands in the braces.
    pub fn streams(&self, tenant: &str) -> String {
        format!("{}broadcasts:{{{}}}", self.prefix, escaped(tenant))
    }

    /// A tenant's stream of participation events, and how many they are.
    pub fn events(&self, tenant: &str) -> Vec<String> {
        let stream = format!("{}sel:{{{}}}", self.prefix, escaped(tenant));
        let waiting = format!("{stream}:waiting");
        vec![stream, waiting]
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A realtime topic's hash tag. Between the two separators stands a word that no name can change.
fn topic(key: &TopicKey) -> String {
    let kind = if key.private { "realtime-private" } else { "realtime" };
    format!("{{{}:{kind}:{}}}", escaped(&key.tenant), escaped(&key.name))
}

/// Letters, digits, `.`, `_` and `-` as they are, every other byte as `%` and two hexadecimal digits.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => escaped.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}
