use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::room::{Code, Controls, RoomKey};

/// How many answers a room keeps for repeated commands.
pub const DONE_PER_ROOM: usize = 64;

/// How many reflections are kept under one code.
pub const REFLECTIONS_PER_CODE: usize = 10_000;

/// A room as it is stored: who conducts it, in which reign, and its controls.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomRecord {
    pub key: RoomKey,
    /// The id of the node that conducts the room.
    pub owner: String,
    /// That node's session.
    pub incarnation: u64,
    /// The number of the reign; at least the time of its beginning in ms, so below 2⁵³.
    pub epoch: u64,
    /// Drawn at random by each claimant, to tell reigns of the same epoch apart.
    /// Below 2⁵³: Redis scripts compare it as a double.
    pub nonce: u64,
    pub controls: Controls,
}

impl RoomRecord {
    /// What the owner proves its writes with.
    pub fn fence(&self) -> Fence {
        Fence { incarnation: self.incarnation, epoch: self.epoch, nonce: self.nonce }
    }
}

/// A conductor's right to write a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    pub incarnation: u64,
    pub epoch: u64,
    pub nonce: u64,
}

/// A node in one of its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub node: String,
    pub incarnation: u64,
}

/// A claim to conduct a room whose owner is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// The owner that the claimant knows to be dead, or to be itself in an earlier session.
    pub expected: Owner,
    pub claimant: Owner,
    /// Random, below 2⁵³.
    pub nonce: u64,
    /// The highest epoch that the claimant has heard of for this room; 0 for none.
    pub highest_seen_epoch: u64,
    /// Milliseconds since 1970 by the cluster's clock. A store with a clock of its own reads that one instead.
    pub now_ms: u64,
}

/// An answered command, kept so that its repetition is answered and not applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    pub connection: u64,
    /// The socket's ref and the command's fingerprint.
    pub request: String,
    pub reply: Value,
}

/// What a node tells of itself in its session, anew at each renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Where the node can be reached, for people.
    pub address: String,
    /// The node's release.
    pub version: String,
    /// How it hashes rooms to nodes; nodes that differ in these two must not share rooms.
    pub ring_version: u32,
    pub ring_points: u32,
    /// It leaves, and takes no new rooms.
    pub draining: bool,
    pub rooms: u64,
    pub sockets: u64,
}

/// A session as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub node: String,
    pub incarnation: u64,
    /// How often it was renewed.
    pub renewals: u64,
    pub info: SessionInfo,
}

/// Where a list of rooms goes on. Its text is opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomCursor(Code);

/// A cursor that no list gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cursor is not one that this list gave out: leave it away to start from the beginning")]
pub struct BadCursor;

impl RoomCursor {
    /// The place right after the room with this code.
    pub fn after(code: Code) -> Self {
        Self(code)
    }

    /// The code of the last room of the page before.
    pub fn code(&self) -> &Code {
        &self.0
    }
}

impl fmt::Display for RoomCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.to_string()))
    }
}

impl FromStr for RoomCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let code = std::str::from_utf8(&bytes).map_err(|_| BadCursor)?;
        code.parse().map(Self).map_err(|_| BadCursor)
    }
}

/// A reflection to be stored. The texts are checked by whoever accepts them.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReflection {
    pub room: RoomKey,
    pub student_id: String,
    pub text: String,
    /// `pre_session`, `post_session` or `exit_ticket`.
    pub reflection_type: String,
    pub competency: Option<String>,
    /// 1 to 5.
    pub mood: Option<u8>,
    /// Null for none.
    pub metadata: Value,
    pub created_at_us: i64,
}

/// A reflection with its id.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredReflection {
    pub id: String,
    pub reflection: NewReflection,
}
