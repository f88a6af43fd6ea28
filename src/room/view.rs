//! What clients are shown of a room.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{
    role::TokenRole,
    state::{Controls, Room},
};
use crate::tempo::{BEAT_UB, Meter, Segment, Timeline};

/// Microseconds as the milliseconds that JavaScript counts in, with their fraction.
#[must_use]
pub fn ms(us: i64) -> f64 {
    us as f64 / 1_000.0
}

/// A position in beats, with their fraction.
#[must_use]
pub fn beats(position_ub: i64) -> f64 {
    position_ub as f64 / BEAT_UB as f64
}

/// A tempo, written as an integer of beats a minute where it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MilliBpm(pub u32);

/// Whose timeline a gateway goes by: its conductor's of now, or the last one heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Clock,
    Holdover,
}

/// What a view needs besides the room.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub epoch: u64,
    /// Names the clock that the times are of.
    pub time_base: &'a str,
    pub source: Source,
    pub server_now_us: i64,
}

/// All that a client needs to compute every beat to come; the payload of `timeline`.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineView<'a> {
    pub epoch: u64,
    pub rev: u64,
    pub run: u64,
    pub time_base: &'a str,
    pub server_now_us: i64,
    pub playing: bool,
    pub source: Source,
    /// Empty before the first start.
    pub segments: &'a [Segment],
    pub stop_at_ub: Option<i64>,
    pub meter: &'a Meter,
}

/// The payload of `beat`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BeatView {
    pub beat: i64,
    pub run: u64,
    /// When it is due, in ms of the cluster's clock.
    pub at: f64,
    pub bpm: MilliBpm,
    pub bar: i64,
    pub pulse: u32,
    pub source: Source,
}

/// The payload of `student_note`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NoteView<'a> {
    pub midi: u8,
    pub velocity: u8,
    pub student_id: &'a str,
    /// Whole ms of the cluster's clock.
    pub timestamp: i64,
    /// The position at which it arrived; null before the first start.
    pub beat: Option<f64>,
}

/// One of `members`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemberView<'a> {
    pub student_id: &'a str,
    pub name: &'a str,
    pub role: TokenRole,
    /// How many.
    pub connections: usize,
    pub muted: bool,
    pub hand: bool,
}

impl BeatView {
    /// Beat number `beat` of `run`, due at `due_us`.
    #[must_use]
    pub fn new(run: u64, meter: &Meter, timeline: &Timeline, beat: i64, due_us: i64, source: Source) -> Self {
        let place = meter.position(beat);
        Self {
            beat,
            run,
            at: ms(due_us),
            bpm: MilliBpm(timeline.milli_bpm_at(due_us)),
            bar: place.bar,
            pulse: place.pulse,
            source,
        }
    }
}

impl Controls {
    #[must_use]
    pub fn timeline_view<'a>(&'a self, moment: Moment<'a>) -> TimelineView<'a> {
        TimelineView {
            epoch: moment.epoch,
            rev: self.rev,
            run: self.run,
            time_base: moment.time_base,
            server_now_us: moment.server_now_us,
            playing: self.playing,
            source: moment.source,
            segments: self.timeline.as_ref().map_or(&[], Timeline::segments),
            stop_at_ub: self.timeline.as_ref().and_then(Timeline::stop_at_ub),
            meter: &self.meter,
        }
    }

    /// The position in beats at a time; it stands still where the clock stopped. None before the first start.
    #[must_use]
    pub fn beat_at(&self, t_us: i64) -> Option<f64> {
        let timeline = self.timeline.as_ref()?;
        Some(beats(timeline.position_at(t_us)))
    }
}

impl Room {
    pub fn member_views(&self) -> impl Iterator<Item = MemberView<'_>> {
        self.members.values().map(|member| MemberView {
            student_id: &member.student_id,
            name: &member.name,
            role: member.role,
            connections: member.connections.len(),
            muted: member.role == TokenRole::Student && self.controls.is_muted(&member.student_id),
            hand: member.hand,
        })
    }

    /// The answer to a join and to `get_room`. `role` is the token's.
    #[must_use]
    pub fn join_reply(&self, student_id: &str, role: TokenRole, moment: Moment<'_>) -> Value {
        let Controls { bpm, playing, assignments, roles, settings, .. } = &self.controls;
        json!({
            "room_id": self.key.code,
            "bpm": bpm,
            "role": role,
            "student_id": student_id,
            "playing": playing,
            "timeline": self.controls.timeline_view(moment),
            "assignments": assignments,
            "muted": self.muted().collect::<Vec<_>>(),
            "roles": roles,
            "settings": settings,
            "members": self.member_views().collect::<Vec<_>>(),
            "server_time": ms(moment.server_now_us),
        })
    }
}

impl Serialize for MilliBpm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1_000) {
            serializer.serialize_u32(self.0 / 1_000)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 1_000.0)
        }
    }
}
