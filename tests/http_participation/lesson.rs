//! A lesson that is over, as its events.

use std::sync::Arc;

use downbeat::{
    participation::{Batch, Event, EventId, Kind, NotePlayed, Reflection, SessionId},
    room::{ReflectionType, RoomKey},
};
use serde_json::{Value, json};

use crate::school::now_us;

const SECOND_US: i64 = 1_000_000;
pub const DAY_US: i64 = 86_400 * SECOND_US;

/// What happened in one session, in the making.
pub struct Lesson {
    pub session: SessionId,
    pub opened_us: i64,
    tenant: Arc<str>,
    events: Vec<Event>,
}

impl Lesson {
    /// Of a room that was opened so many days ago.
    pub fn days_ago(tenant: &str, code: &str, days: i64) -> Self {
        Self::opened_at(tenant, code, now_us() - days * DAY_US)
    }

    pub fn opened_at(tenant: &str, code: &str, opened_us: i64) -> Self {
        let room = RoomKey { tenant: tenant.into(), code: code.parse().expect("a code") };
        let session = SessionId::of(&room, opened_us);
        let mut lesson = Self { session, opened_us, tenant: tenant.into(), events: Vec::new() };
        let opened = json!({ "name": "Tuesday band", "teacher_id": "mrs-lee", "bpm": 120, "beats_per_bar": 4 });
        lesson.event(0, Kind::ROOM_OPENED, None, Some(opened));
        lesson
    }

    /// Ten minutes with these students, who each play as many notes as their place in the list, and the end.
    pub fn played_by(mut self, students: &[&str]) -> Self {
        for (at, student) in students.iter().enumerate() {
            self.event(1 + at as i64, Kind::JOINED, Some(student), Some(json!({ "name": student, "role": "student" })));
            for note in 0..=at as i64 {
                self.note(60 + note * 30, student);
            }
        }
        self.event(600, Kind::ROOM_CLOSED, None, None);
        self
    }

    pub fn reflection(mut self, student: &str, text: &str) -> Self {
        let number = self.number(300);
        let reflection = Reflection {
            reflection_id: number.to_string(),
            text: text.to_owned(),
            reflection_type: ReflectionType::ExitTicket,
            competency: None,
            mood: Some(4),
            metadata: None,
        };
        let details = serde_json::to_value(reflection).expect("plain data");
        self.event(300, Kind::REFLECTION_SUBMITTED, Some(student), Some(details));
        self
    }

    pub fn and(mut self, at_s: i64, kind: Kind, student: Option<&str>, details: Value) -> Self {
        self.event(at_s, kind, student, Some(details));
        self
    }

    pub fn batch(self) -> Batch {
        Batch { tenant: self.tenant, events: self.events }
    }

    fn note(&mut self, at_s: i64, student: &str) {
        let note = NotePlayed { midi: 60, velocity: 64, offset_us: Some(-5_000), uncertainty_us: 300, assigned: false };
        self.event(at_s, Kind::NOTE_PLAYED, Some(student), None);
        if let Some(event) = self.events.last_mut() {
            event.note = Some(note);
        }
    }

    fn number(&self, at_s: i64) -> EventId {
        EventId::new(self.opened_us + at_s * SECOND_US, 7, self.events.len() as u32)
    }

    fn event(&mut self, at_s: i64, kind: Kind, student: Option<&str>, details: Option<Value>) {
        self.events.push(Event {
            id: self.number(at_s),
            session: self.session.clone(),
            kind,
            student: student.map(Into::into),
            actor: None,
            at_us: self.opened_us + at_s * SECOND_US,
            run: 0,
            beat_ub: None,
            note: None,
            details,
        });
    }
}
