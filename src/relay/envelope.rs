//! What nodes say to each other, as MessagePack with named fields.
//!
//! Nodes of neighbouring releases share a cluster while it is upgraded. So a field, or a kind of body, that a node
//! does not know is left aside; a change that this cannot carry raises [`MAJOR`], and other majors are refused.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    protocol::Broadcast,
    room::{Controls, MemberChange},
    store::{Home, Lineage, MemberRecord, MemberWrite, PresenceWrite},
    tempo::{Meter, Timeline},
};

/// The version that must agree.
pub const MAJOR: u16 = 1;
/// The version that tells what was added since, for people.
pub const MINOR: u16 = 0;
/// The longest envelope, in bytes of MessagePack.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;
/// The longest broadcast that fits one, whatever its names.
pub const BROADCAST_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - (8 << 10);

/// A message and who sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The id of the node that published it.
    pub origin: Arc<str>,
    /// That node's session.
    pub incarnation: u64,
    pub body: Body,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Plan(Plan),
    Note(Note),
    RoomUpdate(RoomUpdate),
    Snapshot(Snapshot),
    Call(Call),
    Answer(Answer),
    Usage(Usage),
    /// On a realtime topic.
    Broadcast(Arc<Broadcast>),
    Presences(Presences),
}

/// Which reign and which change of a room a message belongs to. Ordered: gateways keep the highest and drop less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    pub epoch: u64,
    pub nonce: u64,
    pub rev: u64,
}

/// The beat plan: all that a gateway needs to send a room's beats by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub stamp: Stamp,
    pub run: u64,
    pub playing: bool,
    /// None before the first start.
    pub timeline: Option<Timeline>,
    pub meter: Meter,
    /// The number of the last change of the members.
    #[serde(default)]
    pub members_rev: u64,
}

/// A note that its gateway has checked and delivered to its own members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Who played it, so that each gateway can hold its mute against it.
    pub student_id: Arc<str>,
    /// The JSON text of `student_note`'s payload.
    pub payload: Arc<str>,
}

/// One applied change of a room, for every gateway with members in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomUpdate {
    /// The stamp after the change.
    pub stamp: Stamp,
    /// The controls after the change, if it changed them.
    #[serde(default)]
    pub controls: Option<Arc<Controls>>,
    /// The number of the last change of the members: one more than before, if this is one.
    #[serde(default)]
    pub members_rev: u64,
    /// The members that were changed, as they are now.
    #[serde(default)]
    pub members: Vec<MemberWrite>,
    #[serde(default)]
    pub member_changes: Vec<MemberChange>,
    /// For everybody, in this order.
    #[serde(default)]
    pub events: Vec<RoomEvent>,
    #[serde(default)]
    pub timeline_changed: bool,
    /// Connections that end here, after the events.
    #[serde(default)]
    pub ejected: Vec<Ejection>,
    /// The room is no more.
    #[serde(default)]
    pub closed: bool,
}

/// Connections of one person that end for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ejection {
    pub connections: Vec<u64>,
    /// What they alone get before the end.
    pub last_event: Option<RoomEvent>,
}

/// Everything about a room at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub stamp: Stamp,
    /// Which reign inherited what: whoever knows of a change that none did, knows of one that was lost.
    pub lineage: Lineage,
    pub members_rev: u64,
    pub controls: Arc<Controls>,
    pub members: Vec<MemberRecord>,
}

/// A question to another node, which answers under the same number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// New for every call of a node.
    pub number: u64,
    /// Which part of the node is asked.
    pub service: Arc<str>,
    /// MessagePack of that part's own.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Of what trace this is a step, as W3C's `traceparent`; none while traces are off. Former releases leave it aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The answer to a [`Call`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The call's.
    pub number: u64,
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

/// What a node's tenants use of their limits, each second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub tenants: Vec<TenantUsage>,
}

/// One tenant's use of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantUsage {
    pub tenant: Arc<str>,
    /// Sockets that are open now.
    pub users: u64,
    /// Joins and client messages of the last second, those that were refused included.
    pub joins: u64,
    pub events: u64,
}

/// What has changed among the presences that one process has on a realtime topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presences {
    pub home: Home,
    /// Counts what this process has said on this topic, from 1: whoever misses one reads them all again.
    pub serial: u64,
    pub changes: Vec<PresenceWrite>,
}

/// One event for everybody in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomEvent {
    pub event: Arc<str>,
    /// The JSON text of its payload.
    pub payload: Arc<str>,
}

/// Why an envelope was not written or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadEnvelope {
    #[error("the message is of major version {found}, and this node speaks {MAJOR}: finish the upgrade of all nodes")]
    UnknownMajor { found: u16 },
    /// Expected while a cluster is upgraded: leave it aside.
    #[error("the message is of a kind that this release does not know yet: leave it aside")]
    UnknownBody,
    #[error("the message has {bytes} bytes, and {ENVELOPE_BYTES_MAX} are allowed: split it")]
    TooLong { bytes: usize },
    #[error("the message is not an envelope ({reason}): find out who else publishes on these topics")]
    Malformed { reason: String },
}

/// What every version of the envelope begins with.
#[derive(Deserialize)]
struct Version {
    v: u16,
}

/// The envelope on the wire. Of the bodies exactly one is there, under its own name:
/// so an older node finds none that it knows, instead of something that it cannot read.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u16,
    #[serde(default)]
    minor: u16,
    origin: Arc<str>,
    incarnation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<Part<'a, Plan>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Part<'a, Note>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_update: Option<Part<'a, RoomUpdate>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<Part<'a, Snapshot>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<Part<'a, Call>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Part<'a, Answer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Part<'a, Usage>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broadcast: Option<Part<'a, Arc<Broadcast>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    presences: Option<Part<'a, Presences>>,
}

/// A body: borrowed to be written, owned once it is read.
type Part<'a, T> = std::borrow::Cow<'a, T>;

impl Envelope {
    /// As MessagePack.
    pub fn encode(&self) -> Result<Vec<u8>, BadEnvelope> {
        let mut wire = Wire {
            v: MAJOR,
            minor: MINOR,
            origin: Arc::clone(&self.origin),
            incarnation: self.incarnation,
            plan: None,
            note: None,
            room_update: None,
            snapshot: None,
            call: None,
            answer: None,
            usage: None,
            broadcast: None,
            presences: None,
        };
        match &self.body {
            Body::Plan(plan) => wire.plan = Some(Part::Borrowed(plan)),
            Body::Note(note) => wire.note = Some(Part::Borrowed(note)),
            Body::RoomUpdate(update) => wire.room_update = Some(Part::Borrowed(update)),
            Body::Snapshot(snapshot) => wire.snapshot = Some(Part::Borrowed(snapshot)),
            Body::Call(call) => wire.call = Some(Part::Borrowed(call)),
            Body::Answer(answer) => wire.answer = Some(Part::Borrowed(answer)),
            Body::Usage(usage) => wire.usage = Some(Part::Borrowed(usage)),
            Body::Broadcast(broadcast) => wire.broadcast = Some(Part::Borrowed(broadcast)),
            Body::Presences(presences) => wire.presences = Some(Part::Borrowed(presences)),
        }
        let bytes =
            rmp_serde::to_vec_named(&wire).map_err(|error| BadEnvelope::Malformed { reason: error.to_string() })?;
        check_length(&bytes)?;
        Ok(bytes)
    }

    /// Reads what [`Envelope::encode`] wrote, on this or a neighbouring release.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadEnvelope> {
        check_length(bytes)?;
        let malformed = |error: rmp_serde::decode::Error| BadEnvelope::Malformed { reason: error.to_string() };
        // By itself, because another major may mean something else by every other field.
        let Version { v } = rmp_serde::from_slice(bytes).map_err(malformed)?;
        if v != MAJOR {
            return Err(BadEnvelope::UnknownMajor { found: v });
        }
        let wire: Wire = rmp_serde::from_slice(bytes).map_err(malformed)?;
        let body = None
            .or(wire.plan.map(|plan| Body::Plan(plan.into_owned())))
            .or(wire.note.map(|note| Body::Note(note.into_owned())))
            .or(wire.room_update.map(|update| Body::RoomUpdate(update.into_owned())))
            .or(wire.snapshot.map(|snapshot| Body::Snapshot(snapshot.into_owned())))
            .or(wire.call.map(|call| Body::Call(call.into_owned())))
            .or(wire.answer.map(|answer| Body::Answer(answer.into_owned())))
            .or(wire.usage.map(|usage| Body::Usage(usage.into_owned())))
            .or(wire.broadcast.map(|broadcast| Body::Broadcast(broadcast.into_owned())))
            .or(wire.presences.map(|presences| Body::Presences(presences.into_owned())))
            .ok_or(BadEnvelope::UnknownBody)?;
        Ok(Self { origin: wire.origin, incarnation: wire.incarnation, body })
    }
}

fn check_length(bytes: &[u8]) -> Result<(), BadEnvelope> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(BadEnvelope::TooLong { bytes: bytes.len() });
    }
    Ok(())
}
