//! Lessons to be recorded.

use downbeat::{
    participation::{Batch, Event, EventId, Kind, NotePlayed, SessionId},
    room::RoomKey,
};
use serde_json::{Value, json};

/// A Saturday in November 2025.
pub const OPENED_US: i64 = 1_763_829_429_123_456;
pub const SECOND_US: i64 = 1_000_000;

pub fn session(code: &str, opened_us: i64) -> SessionId {
    SessionId::of(&RoomKey { tenant: "acme".into(), code: code.parse().expect("a code") }, opened_us)
}

pub fn lesson() -> SessionId {
    session("MUSIC-1234", OPENED_US)
}

/// A lesson that is being recorded: each event has the next number.
pub struct Lesson {
    pub session: SessionId,
    process: u64,
    count: u32,
}

impl Lesson {
    pub fn new() -> Self {
        Self::of(lesson())
    }

    pub fn of(session: SessionId) -> Self {
        Self { session, process: 7, count: 0 }
    }

    /// Recorded by another process.
    pub fn by(mut self, process: u64) -> Self {
        self.process = process;
        self
    }

    pub fn event(&mut self, kind: Kind, at_us: i64, student: Option<&str>, details: Option<Value>) -> Event {
        self.count += 1;
        Event {
            id: EventId::new(at_us, self.process, self.count),
            session: self.session.clone(),
            kind,
            student: student.map(Into::into),
            actor: None,
            at_us,
            run: 0,
            beat_ub: None,
            note: None,
            details,
        }
    }

    pub fn note(&mut self, student: &str, at_us: i64) -> Event {
        let played =
            NotePlayed { midi: 60, velocity: 64, offset_us: Some(-5_000), uncertainty_us: 300, assigned: true };
        let event = self.event(Kind::NOTE_PLAYED, at_us, Some(student), None);
        Event { run: 1, beat_ub: Some(3_990_000), note: Some(played), ..event }
    }

    pub fn notes(&mut self, student: &str, from_us: i64, count: i64) -> Vec<Event> {
        (0..count).map(|index| self.note(student, from_us + index * 1_000)).collect()
    }

    pub fn reflection(&mut self, student: &str, at_us: i64, id: &str, text: &str) -> Event {
        let details = json!({
            "reflection_id": id, "text": text, "reflection_type": "exit_ticket", "competency": "self_awareness",
            "mood": 4, "metadata": { "page": 3 },
        });
        self.event(Kind::REFLECTION_SUBMITTED, at_us, Some(student), Some(details))
    }

    pub fn withdrawal(&mut self, student: &str, at_us: i64, id: &str) -> Event {
        let details = Some(json!({ "reflection_id": id }));
        self.event(Kind::REFLECTION_WITHDRAWN, at_us, Some(student), details)
    }
}

pub fn batch(events: Vec<Event>) -> Batch {
    batch_of("acme", events)
}

pub fn batch_of(tenant: &str, events: Vec<Event>) -> Batch {
    Batch { tenant: tenant.into(), events }
}
