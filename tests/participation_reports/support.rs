//! A lesson, told event by event.

use std::sync::Arc;

use downbeat::participation::{
    Event, EventId, Kind, NotePlayed, ReportOptions, SessionFold, SessionHead, SessionId, SessionReport, StudentRow,
};
use serde_json::{Value, json};

/// 2025-11-22T16:00:00Z, a Saturday.
pub const OPENED_US: i64 = 1_763_827_200_000_000;
pub const SECOND_US: i64 = 1_000_000;

/// Seconds since the room was opened.
pub fn at(seconds: f64) -> i64 {
    OPENED_US + (seconds * 1e6).round() as i64
}

/// A lesson of so many seconds, at 120 bpm in four.
pub struct Lesson {
    pub head: SessionHead,
    pub events: Vec<Event>,
}

impl Lesson {
    pub fn of_s(seconds: f64) -> Self {
        let session = SessionId::parse(&format!("MUSIC-1234.{OPENED_US:x}")).expect("a session");
        let head = SessionHead {
            session,
            name: "Year 5 drums".to_owned(),
            teacher_id: Some("tess".to_owned()),
            opened_at_us: OPENED_US,
            closed_at_us: Some(at(seconds)),
            last_event_at_us: at(seconds),
        };
        let lesson = Self { head, events: Vec::new() };
        lesson.room(
            0.0,
            Kind::ROOM_OPENED,
            json!({ "name": "Year 5 drums", "teacher_id": "tess", "bpm": 120, "beats_per_bar": 4 }),
        )
    }

    /// Something about the whole room.
    pub fn room(self, seconds: f64, kind: Kind, details: Value) -> Self {
        self.with(seconds, kind, None, details)
    }

    /// Something about one student.
    pub fn of(self, seconds: f64, kind: Kind, student: &str) -> Self {
        self.with(seconds, kind, Some(student), Value::Null)
    }

    pub fn with(mut self, seconds: f64, kind: Kind, student: Option<&str>, details: Value) -> Self {
        self.push(seconds, kind, student).details = Some(details).filter(|details| !details.is_null());
        self
    }

    pub fn join(self, seconds: f64, student: &str) -> Self {
        self.with(seconds, Kind::JOINED, Some(student), json!({ "name": student, "role": "student" }))
    }

    pub fn leave(self, seconds: f64, student: &str) -> Self {
        self.of(seconds, Kind::LEFT, student)
    }

    /// A note 10 ms after the beat.
    pub fn note(self, seconds: f64, student: &str) -> Self {
        self.timed(seconds, student, Some(10_000), 300, false)
    }

    pub fn notes(self, seconds: &[f64], student: &str) -> Self {
        seconds.iter().fold(self, |lesson, seconds| lesson.note(*seconds, student))
    }

    pub fn timed(
        mut self,
        seconds: f64,
        student: &str,
        offset_us: Option<i32>,
        uncertainty_us: u32,
        assigned: bool,
    ) -> Self {
        let note = NotePlayed { midi: 60, velocity: 64, offset_us, uncertainty_us, assigned };
        self.push(seconds, Kind::NOTE_PLAYED, Some(student)).note = Some(note);
        self
    }

    /// The last event happened at this beat of this run.
    pub fn beat(mut self, run: u64, beat: f64) -> Self {
        let last = self.events.last_mut().expect("an event");
        last.run = run;
        last.beat_ub = Some((beat * 1e6).round() as i64);
        self
    }

    fn push(&mut self, seconds: f64, kind: Kind, student: Option<&str>) -> &mut Event {
        let count = u32::try_from(self.events.len()).expect("few events");
        self.events.push(Event {
            id: EventId::new(at(seconds), 7, count),
            session: self.head.session.clone(),
            kind,
            student: student.map(Arc::from),
            actor: None,
            at_us: at(seconds),
            run: 0,
            beat_ub: None,
            note: None,
            details: None,
        });
        self.events.last_mut().expect("it was just put there")
    }

    pub fn report(&self) -> SessionReport {
        self.report_with(ReportOptions { bucket_us: None, now_us: self.head.last_event_at_us })
    }

    pub fn report_with(&self, options: ReportOptions) -> SessionReport {
        let mut fold = SessionFold::new(&self.head, options).expect("good options");
        self.events.iter().for_each(|event| fold.take(event));
        fold.finish()
    }

    pub fn row(&self, student: &str) -> StudentRow {
        let rows = self.report().students;
        rows.into_iter().find(|row| row.student_id == student).expect("a row")
    }
}
