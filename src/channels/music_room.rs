//! One connection's channel to a music room.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Number, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::{Answer, Bridge, Followed, Handled, OTHER_SUB, Payload, Peer, Push, Services, join::Stay};
use crate::{
    auth::{Claims, Tenant},
    conductor::{ControlRefused, NoteLimits, RequestId, RoomMirror, RoomState, Seat},
    protocol::Status,
    rate::Rate,
    room::{Actor, ClockSync, Control, Note, TokenRole, ms},
};

/// `get_room` of one connection.
const ROOM_READS_PER_SECOND: u32 = 5;
const SECOND_US: i64 = 1_000_000;
/// What members may push over the bridge, where an unknown event does not end the channel.
const UNKNOWN_EVENT: &str = "unknown event: a room takes broadcast, presence, access_token, play_note, clock_sync, clock_report, get_room, submit_reflection \
     and its controls";

/// A joined room. Dropping it is leaving.
pub struct MusicRoom {
    pub(super) services: Arc<Services>,
    pub(super) tenant: Arc<Tenant>,
    pub(super) room: Arc<RoomMirror>,
    pub(super) student_id: Arc<str>,
    pub(super) role: TokenRole,
    /// The token's, which a student may do without.
    sub: Option<String>,
    reads: Rate,
    pub(super) reflections: Rate,
    pub(super) reports: Rate,
    /// It was joined as a realtime topic.
    pub(super) bridge: Option<Box<Bridge>>,
    stay: Stay,
    /// Holds the room's mirror on this node; released after the departure is on its way.
    _seat: Seat,
}

#[derive(Serialize)]
struct ClockSyncReply {
    i: Number,
    t0: Number,
    /// When the probe was read and when this was written, in ms of the cluster's clock.
    t1: f64,
    t2: f64,
    unc_us: i64,
}

impl MusicRoom {
    pub(super) fn new(
        services: Arc<Services>,
        peer: &Peer,
        stay: Stay,
        seat: Seat,
        room: Arc<RoomMirror>,
        student_id: String,
        bridge: Option<Box<Bridge>>,
    ) -> Self {
        Self {
            services,
            tenant: peer.tenant.clone(),
            room,
            student_id: student_id.into(),
            role: peer.claims.role,
            sub: peer.claims.sub.clone(),
            reads: Rate::default(),
            reflections: Rate::default(),
            reports: Rate::default(),
            bridge,
            stay,
            _seat: seat,
        }
    }

    pub(super) fn set_tenant(&mut self, tenant: Arc<Tenant>) {
        self.tenant = tenant;
    }

    pub fn room(&self) -> &Arc<RoomMirror> {
        &self.room
    }

    pub fn student_id(&self) -> &Arc<str> {
        &self.student_id
    }

    pub fn connection(&self) -> u64 {
        self.stay.connection()
    }

    pub fn bridge(&self) -> Option<&Bridge> {
        self.bridge.as_deref()
    }

    pub fn role(&self) -> TokenRole {
        self.role
    }

    pub fn is_teacher(&self) -> bool {
        self.role == TokenRole::Teacher
    }

    /// Why the room has ended for this connection between its admission and now, if it has.
    pub fn ended(&self, state: &RoomState) -> Option<&'static str> {
        if state.room.controls.closed {
            return Some("Room not found");
        }
        (!state.is_here(&self.student_id, self.connection())).then_some("removed_from_room")
    }

    /// The join's reply, as JSON text.
    pub fn join_reply(&mut self, state: &RoomState) -> String {
        let mut reply = self.view(state);
        if let (Some(bridge), Some(fields)) = (&mut self.bridge, reply.as_object_mut()) {
            fields.insert("postgres_changes".to_owned(), bridge.take_postgres_changes().into());
        }
        reply.to_string()
    }

    /// The room as this member sees it.
    fn view(&self, state: &RoomState) -> Value {
        state.room.join_reply(&self.student_id, self.role, self.room.moment(state))
    }

    /// What follows the join's reply: events and their payloads, in order.
    pub fn welcome(&self, state: &mut RoomState) -> [(&'static str, String); 3] {
        let assignments = serde_json::json!({ "assignments": state.room.controls.assignments });
        [
            ("timeline", self.room.timeline_json(state)),
            ("beat_assignments", assignments.to_string()),
            ("presence_state", state.roster.state_json()),
        ]
    }

    /// A fresh token counts from now on, for what its role may do: the same person's, and good for this room.
    pub fn follow(&mut self, claims: &Claims) -> Followed {
        if claims.sub != self.sub {
            return Followed::Ends(OTHER_SUB.to_owned());
        }
        if claims.room.as_deref().is_some_and(|room| room != self.room.key().code.as_str()) {
            return Followed::Ends("unauthorized: the token's `room` claim names another room".to_owned());
        }
        self.role = claims.role;
        Followed::Stays
    }

    pub fn handle(&self, push: Push<'_>) -> Handled {
        if let (Some(bridge), "broadcast" | "presence") = (&self.bridge, push.event) {
            return self.handle_bridged(bridge, push);
        }
        match push.payload {
            Payload::Json(payload) => self.handle_event(push, payload),
            Payload::Broadcast(_) => Handled::Now(Answer::no_binary()),
        }
    }

    /// One of the room's own events.
    pub(super) fn handle_event(&self, push: Push<'_>, payload: &str) -> Handled {
        match push.event {
            "play_note" => self.play_note(payload),
            "clock_sync" => Handled::Now(self.clock_sync(push, payload)),
            "clock_report" => self.clock_report(payload),
            "get_room" => Handled::Now(self.get_room()),
            "submit_reflection" => self.submit_reflection(payload),
            _ => self.control(push, payload),
        }
    }

    /// As long as the room has members, and read under its lock: so not as often as one likes.
    fn get_room(&self) -> Answer {
        if !self.reads.admits(ROOM_READS_PER_SECOND, SECOND_US, self.services.clock.boot_us()) {
            return Answer::error("rate_limit_exceeded");
        }
        let state = self.room.lock();
        match self.ended(&state) {
            Some(reason) => Answer::error(reason),
            None => Answer::Reply { status: Status::Ok, response: self.view(&state).to_string() },
        }
    }

    fn play_note(&self, payload: &str) -> Handled {
        let note = match Note::parse(payload) {
            Ok(note) => note,
            Err(bad) => return Handled::Now(Answer::error(&bad.to_string())),
        };
        match self.room.play(&self.student_id, self.connection(), self.role, note, self.note_limits()) {
            Ok(receipt) if receipt.is_settled() => Handled::Now(Answer::ok()),
            // Everybody has heard it by now: only the ok waits until it is recorded.
            Ok(receipt) => Handled::Recorded(receipt),
            Err(refused) => Handled::Now(Answer::error(&refused.to_string())),
        }
    }

    pub(super) fn note_limits(&self) -> NoteLimits {
        let limits = &self.tenant.limits;
        NoteLimits { student: limits.notes_per_second, teacher: limits.teacher_notes_per_second }
    }

    /// NTP's four timestamps: the client adds its own t3.
    fn clock_sync(&self, push: Push<'_>, payload: &str) -> Answer {
        let probe = match ClockSync::parse(payload) {
            Ok(probe) => probe,
            Err(bad) => return Answer::error(&bad.to_string()),
        };
        let clock = &self.services.clock;
        let reply = ClockSyncReply {
            i: probe.i,
            t0: probe.t0,
            t1: ms(push.received_us),
            t2: ms(clock.now_us()),
            unc_us: clock.uncertainty_us(),
        };
        // A struct of numbers always serialises.
        Answer::Reply { status: Status::Ok, response: serde_json::to_string(&reply).unwrap_or_default() }
    }

    fn control(&self, push: Push<'_>, payload: &str) -> Handled {
        let control = match Control::parse(push.event, payload) {
            Ok(Some(control)) => control,
            Ok(None) if self.bridge.is_some() => return Handled::Now(Answer::error(UNKNOWN_EVENT)),
            Ok(None) => return Handled::Now(Answer::Crash),
            Err(bad) => return Handled::Now(Answer::error(&bad.to_string())),
        };
        let actor = Actor { student_id: self.student_id.to_string(), role: self.role, connection: self.connection() };
        let request = self.request_id(push, payload);
        let router = self.services.router.clone();
        let key = self.room.key().clone();
        Handled::Later(Box::pin(async move {
            match router.control(&key, actor, control, request).await {
                Ok(reply) => Answer::Reply { status: Status::Ok, response: reply.to_string() },
                Err(ControlRefused::Refused(refusal)) => Answer::error(&refusal.to_string()),
                Err(refused) => Answer::error(&refused.to_string()),
            }
        }))
    }

    /// A push without a ref cannot be repeated. The fingerprint lets a client that is careless with its refs
    /// still give two different orders under one.
    fn request_id(&self, push: Push<'_>, payload: &str) -> Option<RequestId> {
        let reference = push.reference?;
        let fingerprint = xxh3_64(push.event.as_bytes()) ^ xxh3_64(payload.as_bytes()).rotate_left(1);
        Some(RequestId { connection: self.connection(), request: format!("{reference}:{fingerprint:016x}") })
    }
}
