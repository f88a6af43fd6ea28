//! Made-up lessons: thirty students, six to twelve thousand events in 45 minutes, nearly all of them notes.

use std::sync::Arc;

use downbeat::{
    participation::{Event, EventId, Kind, NotePlayed, Reflection, SessionId},
    room::{Competency, ReflectionType},
};
use serde_json::{Value, json};

const STUDENTS: u64 = 30;
const MINUTE_US: u64 = 60_000_000;
const LENGTH_US: u64 = 45 * MINUTE_US;
/// At 96 beats a minute.
const BEAT_US: i64 = 625_000;

/// Which lesson.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// Among all lessons of the run: what it is made of follows from it.
    pub number: u64,
    /// Which of its school's classes has it: each has students of its own.
    pub class: u64,
    pub opened_us: i64,
}

/// SplitMix64: as random as made-up lessons need it, and the same in every run.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

impl Lesson {
    pub fn session(&self) -> Option<SessionId> {
        SessionId::parse(&format!("MUSIC-{:04}.{:x}", self.number % 10_000, self.opened_us))
    }

    /// Students have a class' number and their own in it.
    fn student(&self, number: u64) -> Arc<str> {
        format!("student-{:02}-{number:02}", self.class).into()
    }

    /// In the order of time.
    pub fn events(&self) -> Vec<Event> {
        let Some(session) = self.session() else { return Vec::new() };
        let mut making = Making { lesson: *self, session, dice: Dice::of(self.number), events: Vec::new() };
        making.run();
        let mut events = making.events;
        events.sort_by_key(|event| event.at_us);
        for (count, event) in (0u32..).zip(&mut events) {
            event.id = EventId::new(event.at_us, self.number, count);
        }
        events
    }
}

struct Making {
    lesson: Lesson,
    session: SessionId,
    dice: Dice,
    events: Vec<Event>,
}

impl Making {
    fn run(&mut self) {
        let students: Vec<Arc<str>> = (0..STUDENTS).map(|number| self.lesson.student(number)).collect();
        let teacher: Arc<str> = format!("teacher-{:02}", self.lesson.class).into();
        let opened = json!({ "name": format!("Class {} music", self.lesson.class), "teacher_id": &*teacher, "bpm": 96,
            "beats_per_bar": 4 });
        self.push(0, Kind::ROOM_OPENED, None, Some(opened));
        self.push(1, Kind::JOINED, Some(&teacher), Some(json!({ "name": "A. Teacher", "role": "teacher" })));
        for (number, student) in students.iter().enumerate() {
            let joined = json!({ "name": format!("Student {number}"), "role": "student" });
            let at_us = 2 + self.dice.below(3 * MINUTE_US);
            self.push(at_us, Kind::JOINED, Some(student), Some(joined));
        }
        self.push(4 * MINUTE_US, Kind::CLOCK_STARTED, None, None);
        for part in 0..3u64 {
            let at_us = (5 + 12 * part) * MINUTE_US;
            let groups: Vec<&[Arc<str>]> = students.chunks(8).collect();
            let assigned: serde_json::Map<String, Value> = (1..=4usize)
                .map(|beat| (beat.to_string(), json!(groups.get(beat - 1).map(|group| to_texts(group)))))
                .collect();
            let details = json!({ "assignments": assigned, "beats_per_bar": 4 });
            self.push(at_us, Kind::BEATS_ASSIGNED, None, Some(details));
            self.push(at_us + MINUTE_US, Kind::TEMPO_CHANGED, None, Some(json!({ "bpm": 90 + 6 * part })));
        }
        for _ in 0..25 {
            let (who, at_us) = (self.dice.below(STUDENTS) as usize, 6 * MINUTE_US + self.dice.below(36 * MINUTE_US));
            let kinds = if self.dice.below(3) == 0 {
                [Kind::STUDENT_MUTED, Kind::STUDENT_UNMUTED]
            } else {
                [Kind::HAND_RAISED, Kind::HAND_LOWERED]
            };
            for (kind, at_us) in kinds.into_iter().zip([at_us, at_us + MINUTE_US / 2]) {
                self.push(at_us, kind, Some(&students[who]), None);
            }
        }
        for _ in 0..6_000 + self.dice.below(6_000) {
            self.note(&students);
        }
        for (number, student) in students.iter().enumerate() {
            if number % 3 > 0 {
                self.reflection(student, number);
            }
            let at_us = LENGTH_US - MINUTE_US + self.dice.below(MINUTE_US);
            self.push(at_us, Kind::LEFT, Some(student), None);
        }
        self.push(LENGTH_US, Kind::ROOM_CLOSED, None, None);
    }

    fn push(&mut self, since_us: u64, kind: Kind, student: Option<&Arc<str>>, details: Option<Value>) {
        let at_us = self.lesson.opened_us + since_us as i64;
        self.events.push(Event {
            id: EventId::first_at(at_us),
            session: self.session.clone(),
            kind,
            student: student.cloned(),
            actor: None,
            at_us,
            run: u64::from(since_us >= 4 * MINUTE_US),
            beat_ub: None,
            note: None,
            details,
        });
    }

    fn note(&mut self, students: &[Arc<str>]) {
        // Some play far more than others.
        let who = self.dice.below(STUDENTS).min(self.dice.below(STUDENTS)) as usize;
        let since_us = 5 * MINUTE_US + self.dice.below(LENGTH_US - 6 * MINUTE_US);
        self.push(since_us, Kind::NOTE_PLAYED, Some(&students[who]), None);
        let offset_us = self.dice.below(120_000) as i32 - 50_000;
        let beat = (since_us - 4 * MINUTE_US) as i64 / BEAT_US;
        let note = NotePlayed {
            midi: 48 + self.dice.below(36) as u8,
            velocity: 40 + self.dice.below(80) as u8,
            offset_us: Some(offset_us),
            uncertainty_us: 400 + self.dice.below(1_500) as u32,
            assigned: beat % 4 == who as i64 / 8,
        };
        if let Some(event) = self.events.last_mut() {
            event.beat_ub = Some(beat * 1_000_000 + i64::from(offset_us) * 1_000_000 / BEAT_US);
            event.note = Some(note);
        }
    }

    fn reflection(&mut self, student: &Arc<str>, number: usize) {
        let reflection = Reflection {
            reflection_id: format!("{:016x}{:016x}", self.lesson.number, number),
            text: "I kept the beat in the second half, and liked how the low voices came in together.".to_owned(),
            reflection_type: ReflectionType::ExitTicket,
            competency: Some(Competency::SelfAwareness),
            mood: Some(1 + self.dice.below(5) as u8),
            metadata: None,
        };
        let at_us = LENGTH_US - 3 * MINUTE_US + self.dice.below(MINUTE_US);
        let details = serde_json::to_value(reflection).ok();
        self.push(at_us, Kind::REFLECTION_SUBMITTED, Some(student), details);
    }
}

fn to_texts(ids: &[Arc<str>]) -> Vec<&str> {
    ids.iter().map(|id| &**id).collect()
}
