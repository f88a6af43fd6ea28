//! Requests that are no controls: joining, playing, clock probes, reflections.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{
    Code,
    fields::{BadField, Fields, Integer, STUDENT_ID_CHARS_MAX, integer_of},
};

const DEFAULT_VELOCITY: u8 = 64;
const MIDI_MAX: u8 = 127;
const REFLECTION_CHARS_MAX: usize = 2_000;
const METADATA_BYTES_MAX: usize = 4 * 1024;
/// On its way it stands within other things, and readers of JSON give up somewhere past a hundred.
const METADATA_DEPTH_MAX: usize = 16;

const MIDI_REQUIRED: BadField = BadField::new("midi", "midi required");
const MIDI_WRONG: BadField = BadField::new("midi", "midi must be an integer from 0 to 127");
const AT_WRONG: BadField =
    BadField::new("at", "at must be a number (the time of the note in ms of the cluster's clock)");
const UNC_WRONG: BadField =
    BadField::new("unc_us", "unc_us must be a number (how far `at` may be wrong, in microseconds)");
const UNC_US_WRONG: &str = "unc_us must be an integer (how far the client's time may be wrong, in microseconds)";
const ROUND_TRIP_WRONG: &str = "round_trip_us must be an integer (the shortest round trip, in microseconds)";
const VELOCITY_WRONG: BadField = BadField::new("velocity", "velocity must be a number from 0 to 127");

/// `play_note`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// 0 to 127.
    pub midi: u8,
    /// 0 to 127.
    pub velocity: u8,
    /// When its player played it, where the client says so.
    pub played: Option<PlayedAt>,
}

/// When a note was played, by a client that keeps in time with the cluster's clock. It says how its player kept the
/// beat, and nothing else goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayedAt {
    /// Cluster time, µs.
    pub at_us: i64,
    /// How far that may be wrong, µs.
    pub uncertainty_us: u32,
}

/// `clock_sync`: the client's number of the probe and its own time, both given back as they came.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockSync {
    pub i: Number,
    pub t0: Number,
}

/// `clock_report`: how well a client knows the cluster's clock. Others see it in presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockReport {
    /// How far its time may be wrong, µs.
    pub unc_us: u32,
    /// The shortest round trip that it goes by, µs.
    pub round_trip_us: u32,
}

/// What a join may say of the person. A role is not among it: that is the token's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinParams {
    /// Counts only where the token has no `sub`.
    pub student_id: Option<String>,
    /// 1 to 64 printable characters; by default the student id.
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReflectionType {
    PreSession,
    PostSession,
    ExitTicket,
}

/// The five competencies of social and emotional learning (CASEL's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Competency {
    SelfAwareness,
    SelfManagement,
    SocialAwareness,
    RelationshipSkills,
    ResponsibleDecisionMaking,
}

/// What a student thinks of the lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reflection {
    /// The one that this takes the place of: 32 hexadecimal digits.
    pub id: Option<String>,
    /// REST requires it; on a room's channel the room is the channel's.
    pub room_id: Option<Code>,
    /// The author, when it is not who asks.
    pub student_id: Option<String>,
    /// 1 to 2,000 characters.
    pub reflection_text: String,
    pub reflection_type: ReflectionType,
    pub competency: Option<Competency>,
    /// 1 to 5.
    pub mood: Option<u32>,
    /// At most 4 KiB of JSON.
    pub metadata: Option<Map<String, Value>>,
}

/// The two fields of a note; the rest is skipped without a copy.
#[derive(Deserialize)]
struct NoteFields {
    #[serde(default)]
    midi: Value,
    #[serde(default)]
    velocity: Value,
    #[serde(default)]
    at: Value,
    #[serde(default)]
    unc_us: Value,
}

impl NoteFields {
    fn note(&self) -> Result<Note, BadField> {
        Note::from_values(Some(&self.midi), Some(&self.velocity), Some(&self.at), Some(&self.unc_us))
    }
}

impl Note {
    /// Reads the payload of `play_note`. A velocity is rounded and clamped to 0–127, 64 when it is missing. `at` (ms of
    /// the cluster's clock) counts only beside `unc_us` (µs): how late a note was cannot be said by a clock of which
    /// nobody knows how wrong it is.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    pub fn parse(payload: &str) -> Result<Self, BadField> {
        // An object first: serde would also read `[60, 64]`. A field given twice is left to the patient way, where
        // the last one wins, as in JavaScript.
        if payload.trim_ascii_start().starts_with('{')
            && let Ok(fields) = serde_json::from_str::<NoteFields>(payload)
        {
            return fields.note();
        }
        let fields = Fields::read(payload)?;
        Self::from_values(fields.get("midi"), fields.get("velocity"), fields.get("at"), fields.get("unc_us"))
    }

    fn from_values(
        midi: Option<&Value>,
        velocity: Option<&Value>,
        at: Option<&Value>,
        unc_us: Option<&Value>,
    ) -> Result<Self, BadField> {
        let midi = match integer_of(midi) {
            Integer::Missing => return Err(MIDI_REQUIRED),
            Integer::Is(midi) => u8::try_from(midi).ok().filter(|midi| *midi <= MIDI_MAX).ok_or(MIDI_WRONG)?,
            Integer::Huge | Integer::Wrong => return Err(MIDI_WRONG),
        };
        let velocity = match velocity {
            None | Some(Value::Null) => DEFAULT_VELOCITY,
            Some(Value::Number(number)) => clamped(number).ok_or(VELOCITY_WRONG)?,
            Some(_) => return Err(VELOCITY_WRONG),
        };
        let at_us = optional_float(at, AT_WRONG)?.map(|at_ms| (at_ms * 1_000.0).round());
        let unc_us = optional_float(unc_us, UNC_WRONG)?.filter(|unc_us| *unc_us >= 0.0);
        // The casts saturate.
        let played_at = |(at_us, unc_us)| PlayedAt { at_us: at_us as i64, uncertainty_us: f64::ceil(unc_us) as u32 };
        Ok(Self { midi, velocity, played: at_us.zip(unc_us).map(played_at) })
    }
}

fn optional_float(value: Option<&Value>, wrong: BadField) -> Result<Option<f64>, BadField> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(_) => Err(wrong),
    }
}

fn clamped(velocity: &Number) -> Option<u8> {
    let velocity = velocity.as_f64()?;
    // Rounded and in range: the cast loses nothing.
    Some(velocity.round().clamp(0.0, f64::from(MIDI_MAX)) as u8)
}

impl ClockSync {
    /// Reads the payload of `clock_sync`.
    ///
    /// # Errors
    /// The field that is no number.
    pub fn parse(payload: &str) -> Result<Self, BadField> {
        let fields = Fields::read(payload)?;
        Ok(Self {
            i: fields.number("i", "i must be a number")?,
            t0: fields.number("t0", "t0 must be a number (the client's time in ms)")?,
        })
    }
}

impl ClockReport {
    /// Reads the payload of `clock_report`.
    ///
    /// # Errors
    /// The field that is no integer from 0 to 4,294,967,295.
    pub fn parse(payload: &str) -> Result<Self, BadField> {
        let fields = Fields::read(payload)?;
        Ok(Self {
            unc_us: fields.required_u32("unc_us", 0..=u32::MAX, UNC_US_WRONG)?,
            round_trip_us: fields.required_u32("round_trip_us", 0..=u32::MAX, ROUND_TRIP_WRONG)?,
        })
    }
}

impl JoinParams {
    /// Reads the payload of a join.
    ///
    /// # Errors
    /// The field that is wrong. Whether `student_id` may be missing is for the token to say.
    pub fn parse(payload: &str) -> Result<Self, BadField> {
        let fields = Fields::read(payload)?;
        Ok(Self {
            student_id: fields.optional_student_id()?,
            name: fields.optional_name(
                "name",
                STUDENT_ID_CHARS_MAX,
                "name must be a string of at most 64 printable characters",
            )?,
        })
    }
}

impl Reflection {
    /// Reads a reflection, from a channel or from REST.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn parse(payload: &str) -> Result<Self, BadField> {
        const TYPE: &str = "reflection_type must be pre_session, post_session or exit_ticket";
        const COMPETENCY: &str = "competency must be self_awareness, self_management, social_awareness, \
                                  relationship_skills or responsible_decision_making";
        let fields = Fields::read(payload)?;
        Ok(Self {
            id: reflection_id(&fields)?,
            room_id: fields.optional_word("room_id", "room_id must be a room's code, such as MUSIC-1234")?,
            student_id: fields.optional_student_id()?,
            reflection_text: reflection_text(&fields)?,
            reflection_type: fields
                .optional_word("reflection_type", TYPE)?
                .ok_or(BadField::new("reflection_type", TYPE))?,
            competency: fields.optional_word("competency", COMPETENCY)?,
            mood: fields.optional_u32("mood", 1..=5, "mood must be an integer from 1 to 5")?,
            metadata: metadata(&fields)?,
        })
    }
}

fn reflection_id(fields: &Fields) -> Result<Option<String>, BadField> {
    const WRONG: BadField = BadField::new("id", "id must be what the reflection's first submission was answered with");
    let is_id = |id: &str| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match fields.get("id") {
        None => Ok(None),
        Some(Value::String(id)) if is_id(id) => Ok(Some(id.clone())),
        Some(_) => Err(WRONG),
    }
}

fn reflection_text(fields: &Fields) -> Result<String, BadField> {
    match fields.get("reflection_text") {
        // Prose may have line breaks; only its length is bounded, and NUL, which PostgreSQL cannot keep.
        Some(Value::String(text))
            if !text.trim().is_empty() && text.chars().count() <= REFLECTION_CHARS_MAX && !text.contains('\0') =>
        {
            Ok(text.clone())
        }
        _ => Err(BadField::new("reflection_text", "reflection_text must be a string of 1 to 2000 characters")),
    }
}

fn metadata(fields: &Fields) -> Result<Option<Map<String, Value>>, BadField> {
    const WRONG: BadField =
        BadField::new("metadata", "metadata must be a JSON object of at most 4096 bytes, nested at most 16 deep");
    let fits = |value: &Value| depth(value) <= METADATA_DEPTH_MAX && value.to_string().len() <= METADATA_BYTES_MAX;
    match fields.get("metadata") {
        None => Ok(None),
        Some(value @ Value::Object(map)) if fits(value) => Ok(Some(map.clone())),
        Some(_) => Err(WRONG),
    }
}

/// How many objects and lists stand within each other; what was read is never so deep that this is too much.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
