use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::lineage::Lineage;
use crate::room::{ByConnection, Code, Controls, MemberRole, Person, RoomKey, Track};

/// How many answers a room keeps for repeated commands.
pub const DONE_PER_ROOM: usize = 64;

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
    /// When this reign began, milliseconds since 1970 by the store's clock.
    pub since_ms: u64,
    /// The node that conducted before; empty while the room is still with the node that it was made for.
    pub taken_from: String,
    /// The first beat that counts by this reign's plans, where the room was handed over in mid-beat.
    pub from_beat: Option<i64>,
    /// The number of the last change of the members; never restarts.
    pub members_rev: u64,
    /// Which reign inherited what; the last entry is the present one.
    pub lineage: Lineage,
    pub controls: Controls,
}

impl RoomRecord {
    /// Who owns the room, and in which reign.
    pub fn owned(&self) -> Owned {
        let owner = Owner { node: self.owner.clone(), incarnation: self.incarnation };
        Owned { key: self.key.clone(), owner, epoch: self.epoch, nonce: self.nonce }
    }

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

/// A room, who owns it and in which reign: what it takes to claim it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub key: RoomKey,
    pub owner: Owner,
    pub epoch: u64,
    pub nonce: u64,
}

/// What a new reign begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenOver {
    pub record: RoomRecord,
    /// The recent answers, the oldest first.
    pub done: Vec<Done>,
    pub members: StoredMembers,
}

/// A claim to conduct a room whose owner is gone, or gives it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// The owner that the claimant knows to be dead, or to be itself in an earlier session.
    pub expected: Owner,
    pub claimant: Owner,
    /// Refused also if the record's (epoch, nonce) are not these: for whoever gives away, or takes back, a reign that
    /// it knows.
    pub expected_reign: Option<(u64, u64)>,
    /// Random, below 2⁵³.
    pub nonce: u64,
    /// Kept in the record: see [`RoomRecord::from_beat`].
    pub from_beat: Option<i64>,
    /// The highest epoch that the claimant has heard of for this room; 0 for none.
    pub highest_seen_epoch: u64,
    /// Milliseconds since 1970 by the cluster's clock. A store with a clock of its own reads that one instead.
    pub now_ms: u64,
}

/// The process on which a connection ends. Its number tells it from an earlier one under the same node id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Home {
    pub node: Arc<str>,
    pub process: u64,
}

/// A member as it is stored and told to other nodes: live state, which ends with its connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    pub student_id: String,
    pub name: String,
    pub role: MemberRole,
    pub hand: bool,
    pub joined_at_us: i64,
    /// Where each of the member's connections ends.
    pub connections: ByConnection<Home>,
    /// What these show of themselves in presence; a former release knows nothing of it.
    #[serde(default, skip_serializing_if = "ByConnection::is_empty")]
    pub tracks: ByConnection<Track>,
}

impl Person for MemberRecord {
    fn student_id(&self) -> &str {
        &self.student_id
    }
}

/// One change of who is in a room: what is to stand there of this student, or that nothing is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberWrite {
    pub student_id: String,
    pub member: Option<MemberRecord>,
}

/// What a room's members were after the change of this number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredMembers {
    pub members_rev: u64,
    pub members: Vec<MemberRecord>,
}

/// A room as a node that knew it gives it back to a store that has lost everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Restoration {
    pub record: RoomRecord,
    pub members: Vec<MemberRecord>,
    pub done: Vec<Done>,
}

/// What became of a [`Restoration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    Written,
    /// The store knows as much or more: the same or a higher (epoch, nonce, rev).
    KnownAlready,
    /// The room was closed: it stays so.
    Closed,
}

/// One look at everything that nodes watch in the store, answered at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// All sessions, in no order.
    pub sessions: Vec<SessionRecord>,
    /// Names this life of the store: another one, or none, says that everything in it was lost.
    pub generation: Option<String>,
    /// None where the store has no clock of its own.
    pub server: Option<ServerClock>,
    /// The number of the last change of a tenant that somebody has told of here; 0: nobody has.
    pub tenant_change: i64,
}

/// The clock of the server that a store runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerClock {
    /// The server's process: another one has another clock.
    pub run_id: String,
    /// Microseconds since 1970 by that clock.
    pub time_us: i64,
    /// What to add to it for cluster time, if the nodes have agreed on it.
    pub offset_us: Option<i64>,
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
    /// Where its metrics can be read, for people; empty where a former release did not say.
    #[serde(default)]
    pub metrics_address: String,
    /// The node's release.
    pub version: String,
    /// How it hashes rooms to nodes; nodes that differ in these two must not share rooms.
    pub ring_version: u32,
    pub ring_points: u32,
    /// Random, below 2⁵³: tells this process from an earlier one under the same id.
    #[serde(default)]
    pub process: u64,
    /// How long the session lives after each renewal, for people; 0 where a former release did not say.
    #[serde(default)]
    pub ttl_ms: u64,
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
