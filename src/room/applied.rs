//! What a change to a room means for everybody outside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Connections, Controls, Member, role::TokenRole};

/// What follows from a request that was carried out. To a control the reply is an empty object.
///
/// The room has already changed. When `controls_changed`, its record must be stored before anything else here is
/// done, and where that fails, `Room::roll_back` takes the change back.
#[derive(Debug, Default)]
pub struct Applied {
    /// For everybody in the room, in this order.
    pub events: Vec<RoomEvent>,
    /// The controls, and with them `rev`, have changed.
    pub controls_changed: bool,
    /// Everybody needs a new `timeline`, after the events, and the gateways a new plan.
    pub timeline_changed: bool,
    pub member_changes: Vec<MemberChange>,
    /// Connections that end here, after the events.
    pub ejected: Vec<Ejected>,
    /// The room is no more: its record goes, and all its connections are among the `ejected`.
    pub closed: bool,
    pub(super) before: Before,
}

/// A push to the room's topic.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    pub event: &'static str,
    pub payload: Value,
}

/// What presence and the member list have to learn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum MemberChange {
    /// A connection has come.
    Joined {
        student_id: String,
        connection: u64,
        name: String,
        role: TokenRole,
        joined_at_us: i64,
        /// The person was not here before.
        first: bool,
    },
    /// A connection has gone, or is to go.
    Left {
        student_id: String,
        connection: u64,
        /// The person is no longer here.
        last: bool,
    },
    /// Another name, a hand raised or lowered, or something else that a connection shows of itself.
    Changed { student_id: String },
}

/// A person whose connections to the room are ended for good (`phx_close`).
#[derive(Clone, Debug, PartialEq)]
pub struct Ejected {
    pub student_id: String,
    pub connections: Connections,
    /// What these connections alone get before the end.
    pub last_event: Option<RoomEvent>,
}

/// What has to be put back when the change cannot be stored.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub controls: Option<Box<Controls>>,
    /// Members that the change touched, as they were; None: not here.
    pub members: Vec<(String, Option<Member>)>,
    pub empty_since_us: Option<i64>,
}

impl Applied {
    /// This change and then another, as one.
    pub fn merge(&mut self, later: Self) {
        self.events.extend(later.events);
        self.controls_changed |= later.controls_changed;
        self.timeline_changed |= later.timeline_changed;
        self.member_changes.extend(later.member_changes);
        self.ejected.extend(later.ejected);
        self.closed |= later.closed;
        // What has to be put back is the earliest: members are put back in reverse.
        self.before.controls = self.before.controls.take().or(later.before.controls);
        self.before.members.extend(later.before.members);
    }

    pub(super) fn tell(&mut self, event: &'static str, payload: Value) {
        self.events.push(RoomEvent { event, payload });
    }
}
