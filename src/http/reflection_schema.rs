//! The JSON of reflections and of one person's file, described for the OpenAPI document.
#![expect(dead_code, reason = "these types describe; the room and the desk have the real ones")]

use serde_json::Value;
use utoipa::ToSchema;

use super::report_schema::{SessionFacts, StudentRow, TeacherRow};

/// What a student thinks of the lesson.
#[derive(ToSchema)]
#[schema(example = json!({
    "room_id": "MUSIC-1234", "reflection_text": "I waited for Bob and it worked", "reflection_type": "exit_ticket",
    "competency": "relationship_skills", "mood": 4
}))]
pub(super) struct NewReflection {
    /// The room's code: the reflection is of its present session.
    room_id: String,
    /// Whose it is. A student may name only themself; default: who asks.
    student_id: Option<String>,
    #[schema(min_length = 1, max_length = 2000)]
    reflection_text: String,
    /// `pre_session`, `post_session` or `exit_ticket`.
    reflection_type: String,
    /// `self_awareness`, `self_management`, `social_awareness`, `relationship_skills` or
    /// `responsible_decision_making`.
    competency: Option<String>,
    #[schema(minimum = 1, maximum = 5)]
    mood: Option<u32>,
    /// At most 4 KiB of JSON.
    metadata: Option<Value>,
}

/// A reflection is kept.
#[derive(ToSchema)]
pub(super) struct ReflectionKept {
    /// With which it can be changed and withdrawn, until its room closes.
    #[schema(example = "0643f1c2a5b900c0ffee00c0ffee0001")]
    id: String,
    #[schema(example = "MUSIC-1234")]
    room_id: String,
    #[schema(example = "MUSIC-1234.643f1c2a5b9d0")]
    session: String,
    student_id: String,
}

/// The reflections of a session.
#[derive(ToSchema)]
pub(super) struct Reflections {
    session_id: String,
    reflections: Vec<Reflection>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
    /// Events of the school that are on their way, reflections among them; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// A reflection as it is now.
#[derive(ToSchema)]
pub(super) struct Reflection {
    id: String,
    session_id: String,
    student_id: String,
    /// Who wrote it, where a teacher did for the student.
    author_id: String,
    reflection_text: String,
    #[schema(example = "exit_ticket")]
    reflection_type: String,
    competency: Option<String>,
    mood: Option<u32>,
    metadata: Option<Value>,
    /// Milliseconds since 1970.
    submitted_at_ms: i64,
    /// When it was last changed.
    updated_at_ms: i64,
}

/// A page of everything that is held on one person.
#[derive(ToSchema)]
pub(super) struct StudentFile {
    student_id: String,
    /// The earliest first.
    sessions: Vec<SessionOfStudent>,
    /// Those of these sessions.
    reflections: Vec<Reflection>,
    /// Live rooms that the person is in, or that remember them.
    rooms: Vec<String>,
    /// All of these sessions that are about the person, session by session. What they said of others is left out.
    events: Vec<Event>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
    /// Events of these sessions that are known to be lost.
    events_missing: u64,
    /// Events of the school that are on their way and not in this answer yet; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// A session, and the person's figures in it.
#[derive(ToSchema)]
pub(super) struct SessionOfStudent {
    session: SessionFacts,
    /// Null where the person was a teacher, or never came in.
    student: Option<StudentRow>,
    teacher: Option<TeacherRow>,
}

/// Something that happened.
#[derive(ToSchema)]
pub(super) struct Event {
    id: String,
    session: String,
    #[schema(example = "note_played")]
    kind: String,
    student: Option<String>,
    /// Who did it, where that is somebody else.
    actor: Option<String>,
    /// Microseconds since 1970.
    at_us: i64,
    /// The count of beats that was running.
    run: u64,
    /// The position in it, in millionths of a beat.
    beat_ub: Option<i64>,
    note: Option<Note>,
    /// As the kind has it.
    details: Option<Value>,
}

/// A note, and how it sat on the beat.
#[derive(ToSchema)]
pub(super) struct Note {
    #[schema(minimum = 0, maximum = 127)]
    midi: u32,
    #[schema(minimum = 0, maximum = 127)]
    velocity: u32,
    /// How much later than the nearest beat it was played, µs; negative: earlier.
    offset_us: Option<i32>,
    /// How far `offset_us` may be wrong because clocks are, µs.
    uncertainty_us: u32,
    /// The nearest beat was one that was assigned to the student.
    assigned: bool,
}

/// What was erased.
#[derive(ToSchema)]
pub(super) struct ErasureDone {
    erased: Erased,
    /// Events of the school that were on their way meanwhile and are still; what of them is about the person is dropped
    /// when it arrives. Null: nobody knows how many.
    on_their_way: Option<u64>,
}

/// It is being erased, and goes on.
#[derive(ToSchema)]
pub(super) struct ErasureGoesOn {
    /// Always true.
    erasing: bool,
    /// What to do.
    message: String,
}

/// How much was erased.
#[derive(ToSchema)]
pub(super) struct Erased {
    events: u64,
    reflections: u64,
    /// In how many sessions the person was.
    sessions: u64,
    /// How many live rooms knew the person.
    rooms: u64,
}
