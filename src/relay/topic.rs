use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::{
    protocol::TopicKey,
    room::{Code, RoomKey},
};

/// Where a message goes.
///
/// Its text (`acme:music_room:MUSIC-1234`, `acme:realtime:chat`, `node:a`) is what the bus between nodes and the people who watch it see.
/// In it, whatever could be taken for a separator is escaped, so that different topics never have the same text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// To all gateways with members in this room.
    Room(RoomKey),
    /// To all gateways where somebody has joined this realtime topic.
    Realtime(TopicKey),
    /// To one node: its inbox.
    Node(Arc<str>),
    /// To all nodes that subscribe to it.
    Nodes,
}

/// A text that is no topic's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a topic: it must be <tenant>:music_room:<code>, <tenant>:realtime:<name>, node:<id> or nodes")]
pub struct BadTopic(String);

const ROOM: &str = "music_room";
const PUBLIC: &str = "realtime";
const PRIVATE: &str = "realtime-private";
const NODE: &str = "node";
const NODES: &str = "nodes";

impl Topic {
    /// The inbox of a node.
    pub fn node(id: impl Into<Arc<str>>) -> Self {
        Self::Node(id.into())
    }
}

impl From<RoomKey> for Topic {
    fn from(key: RoomKey) -> Self {
        Self::Room(key)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(key) => {
                escape(&key.tenant, f)?;
                write!(f, ":{ROOM}:{}", key.code)
            }
            Self::Realtime(key) => {
                escape(&key.tenant, f)?;
                write!(f, ":{}:", if key.private { PRIVATE } else { PUBLIC })?;
                escape(&key.name, f)
            }
            Self::Node(id) => {
                write!(f, "{NODE}:")?;
                escape(id, f)
            }
            Self::Nodes => f.write_str(NODES),
        }
    }
}

impl FromStr for Topic {
    type Err = BadTopic;

    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let parts: Vec<&str> = text.split(':').collect();
        let topic = match parts.as_slice() {
            [tenant, room, code] if *room == ROOM => unescape(tenant)
                .zip(code.parse::<Code>().ok())
                .map(|(tenant, code)| Self::Room(RoomKey { tenant, code })),
            [tenant, kind, name] if [PUBLIC, PRIVATE].contains(kind) => unescape(tenant)
                .zip(unescape(name))
                .map(|(tenant, name)| Self::Realtime(TopicKey { tenant, name, private: *kind == PRIVATE })),
            [node, id] if *node == NODE => unescape(id).map(Self::Node),
            [nodes] if *nodes == NODES => Some(Self::Nodes),
            _ => None,
        };
        topic
            // Each topic has one text: not a lower-case escape, nor one that was not needed.
            .filter(|topic| topic.to_string() == text)
            .ok_or_else(|| BadTopic(text.to_owned()))
    }
}

/// Writes letters, digits, `.`, `_` and `-` as they are, and every other byte as `%` and two hexadecimal digits.
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                write!(f, "{}", char::from(byte))?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

fn unescape(text: &str) -> Option<Arc<str>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Arc::from)
}
