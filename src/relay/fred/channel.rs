//! Topics as Redis channels.

use super::super::Topic;
use crate::redis_url::{Deployment, RedisUrl};

/// The channels of one service on one Redis.
///
/// | | a room's topic | a node's inbox |
/// |---|---|---|
/// | one server, Sentinel | `<prefix>acme:music_room:MUSIC-1234` | `<prefix>node:a` |
/// | Cluster (sharded) | `<prefix>acme:music_room:MUSIC-1234:{acme:MUSIC-1234}` | `<prefix>node:a:{a}` |
///
/// What stands in braces puts the channel beside the room's record, and a node's beside its lease; a realtime topic's
/// is its whole text. Pub/sub knows no
/// databases: so that services in different ones do not hear each other, `db3:` follows the prefix in database 3.
pub struct Channels {
    before: String,
    /// Redis Cluster: a channel lives on the servers of its slot alone.
    pub sharded: bool,
}

impl Channels {
    pub fn new(url: &RedisUrl) -> Self {
        let before = match url.database {
            0 => url.prefix.clone(),
            database => format!("{}db{database}:", url.prefix),
        };
        Self { before, sharded: matches!(url.deployment, Deployment::Cluster(_)) }
    }

    pub fn of(&self, topic: &Topic) -> String {
        let text = topic.to_string();
        if !self.sharded {
            return format!("{}{text}", self.before);
        }
        // The text is escaped: a brace or a colon in it is never the tenant's own.
        let tag = match topic {
            Topic::Room(key) => format!("{}:{}", text.split(':').next().unwrap_or_default(), key.code),
            Topic::Realtime(_) => text.clone(),
            Topic::Node(_) => text.split(':').nth(1).unwrap_or_default().to_owned(),
            Topic::Nodes => text.clone(),
        };
        format!("{}{text}:{{{tag}}}", self.before)
    }

    /// Where the process called `process` sends its `n`th probe. No topic has such a text.
    pub fn probe(&self, process: u64, n: u32) -> String {
        format!("{}{n}}}", self.probes(process))
    }

    /// What all probes' channels of a process begin with.
    pub fn probes(&self, process: u64) -> String {
        format!("{}probe:{{{process:016x}-", self.before)
    }
}
