//! What is asked of a room's conductor, from this node or another, and what it answers.
//!
//! Between nodes it travels as MessagePack with named fields, so that neighbouring releases understand each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    relay::{RoomUpdate, Snapshot, Stamp},
    room::{Actor, Control, Join, Refusal, RoomKey},
    store::{Home, MemberRecord},
};

/// The part of a node that answers these calls.
pub(super) const SERVICE: &str = "rooms";

/// Names one request of one connection, so that its repetition is answered and not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    pub connection: u64,
    /// The socket's ref and the request's fingerprint.
    pub request: String,
}

/// A call to another node about one room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoomCall {
    pub key: RoomKey,
    pub ask: Ask,
}

/// What may be asked. Each may be asked twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Let a connection in. A gateway without the room's mirror wants the room to open it with.
    Admit {
        join: Join,
        home: Home,
        wants_snapshot: bool,
    },
    /// A gateway has connections of this member that the conductor does not know.
    Return {
        member: MemberRecord,
    },
    /// A connection has gone, or was on its way in.
    Depart {
        connection: u64,
    },
    /// What a connection shows of itself in presence from now on, as the JSON text of an object; None: nothing.
    /// A former release does not know of it, and leaves it unanswered.
    Track {
        student_id: String,
        connection: u64,
        fields: Option<Arc<str>>,
    },
    Control {
        actor: Actor,
        control: Control,
        request: Option<RequestId>,
    },
    /// A gateway knows of changes that were acknowledged in an earlier reign and are not in this one.
    Restore {
        snapshot: Snapshot,
    },
    /// A gateway has dropped a plan of this node's, because it knows a higher reign.
    TooLow {
        stamp: Stamp,
    },
    /// The room is the asked node's by now: it should conduct it.
    TakeUp,
    /// To a gateway: take this in and say so. For changes that must hold everywhere before they are acknowledged.
    Confirm {
        update: RoomUpdate,
    },
    /// To a gateway: what do you know of this room, and who of it is with you?
    RollCall,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Done,
    /// A control's.
    Value(Value),
    Snapshot(Box<Snapshot>),
    Roll(Roll),
    Refused(Refusal),
    NotFound,
    /// The asked node does not conduct the room and may not take it up.
    NoConductor,
    /// The store does not answer.
    Unavailable,
}

/// What one gateway says of a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Roll {
    /// The room as it knows it.
    pub snapshot: Option<Box<Snapshot>>,
    /// The members that it has connections of, with these alone.
    pub residents: Vec<MemberRecord>,
    /// False: nobody is in the room here, nor on the way in.
    pub is_attended: bool,
}

/// Why a conductor did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Declined {
    Refused(Refusal),
    /// This conductor's reign is over: ask again, another will answer.
    Deposed,
    /// The store does not answer.
    Unavailable,
}

impl From<Result<Reply, Declined>> for Reply {
    fn from(answer: Result<Self, Declined>) -> Self {
        match answer {
            Ok(reply) => reply,
            Err(Declined::Refused(refusal)) => Self::Refused(refusal),
            Err(Declined::Deposed) => Self::NoConductor,
            Err(Declined::Unavailable) => Self::Unavailable,
        }
    }
}

/// As MessagePack with named fields.
pub(super) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    rmp_serde::to_vec_named(message).inspect_err(|error| tracing::error!(%error, "a call could not be written")).ok()
}

/// Reads what [`encode`] wrote, on this or a neighbouring release.
pub(super) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    rmp_serde::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(%error, "a call of another release could not be read"))
        .ok()
}
