//! What a room is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    by_student::{ByStudent, Person},
    code::RoomKey,
    connections::{ByConnection, Connections},
    role::{RoomRole, TokenRole},
    tracks::Track,
};
use crate::tempo::{Meter, Timeline};

/// What the teacher chose when the room was made or patched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub autostart: bool,
    pub max_students: u32,
    pub locked: bool,
    pub name: String,
}

/// Everything about a room that must survive its conductor: what the room record stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    pub teacher_id: String,
    pub settings: Settings,
    /// The number of the room's last change; never restarts.
    pub rev: u64,
    /// The number of the current count of beats; 0 before the first start.
    pub run: u64,
    /// The tempo last asked for (the target of a ramp), 1 to 299.
    pub bpm: u32,
    pub playing: bool,
    /// None before the first start, and after a reset while stopped.
    pub timeline: Option<Timeline>,
    pub meter: Meter,
    /// Muted one by one, or present when all were; whether somebody is muted, `is_muted` says.
    pub muted: BTreeSet<String>,
    /// `mute_all` is in force: who joins later is muted too.
    pub all_muted: bool,
    /// Those that were unmuted one by one since `mute_all`.
    #[serde(default)]
    pub exempt: BTreeSet<String>,
    /// Place in the pattern (1 to 64) → student ids, in order of assignment.
    pub assignments: BTreeMap<u32, Vec<String>>,
    pub roles: BTreeMap<String, RoomRole>,
    /// Those that were here when the room was locked: they may come back after a lost connection.
    #[serde(default)]
    pub admitted: BTreeSet<String>,
    /// Students who were removed and may not come back.
    pub removed: BTreeSet<String>,
    pub created_at_us: i64,
    /// When `rev` last grew.
    pub last_active_at_us: i64,
    pub closed: bool,
}

/// Teacher or student, as members show it.
pub type MemberRole = TokenRole;

/// A person in the room, with at least one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub student_id: String,
    pub name: String,
    /// Teacher as soon as one of the connections is a teacher's.
    pub role: MemberRole,
    pub hand: bool,
    pub joined_at_us: i64,
    pub connections: Connections,
    /// What connections show of themselves in presence; those that never did are not there.
    #[serde(default, skip_serializing_if = "ByConnection::is_empty")]
    pub tracks: ByConnection<Track>,
}

/// Who is here, by student id. Live state: it ends with the connections.
pub type Members = ByStudent<Member>;

impl Person for Member {
    fn student_id(&self) -> &str {
        &self.student_id
    }
}

/// A room as its conductor holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub key: RoomKey,
    pub controls: Controls,
    pub members: Members,
    /// Since when nobody is here; None while somebody is.
    pub empty_since_us: Option<i64>,
}
