//! What happened in a room, as it is recorded.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Unexpected, Visitor},
};
use serde_json::Value;

use crate::room::{Code, RoomKey};

/// The number of an event. No other event has it, so that one which arrives twice is recorded once.
///
/// Its first six bytes are the event's time in milliseconds since 1970: numbers of one room grow with time, and a
/// database that keeps them in order appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

/// One life of a room, from its opening to its close. A code may serve many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Arc<str>);

/// What kind of thing happened. Kinds of later releases are passed on as they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Kind(Cow<'static, str>);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub session: SessionId,
    pub kind: Kind,
    /// Whom it is about; none where it is about the whole room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<Arc<str>>,
    /// Who did it, where that is somebody else: a teacher, for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Arc<str>>,
    /// Microseconds since 1970, cluster time.
    pub at_us: i64,
    /// The count of beats that was running; 0 before the first.
    #[serde(default)]
    pub run: u64,
    /// The position in it, in millionths of a beat; none where there is no timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat_ub: Option<i64>,
    /// Of a note alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<NotePlayed>,
    /// What else there is to say, as the kind has it: see [`Kind`]'s constants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// A note, and how it sat on the beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotePlayed {
    /// 0 to 127.
    pub midi: u8,
    /// 0 to 127.
    pub velocity: u8,
    /// How much later than the nearest beat it was played, µs; negative: earlier. None while the clock stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_us: Option<i32>,
    /// How far `offset_us` may be wrong because clocks are, µs.
    pub uncertainty_us: u32,
    /// The nearest beat was one that was assigned to the student.
    pub assigned: bool,
}

/// Events of one tenant, in the order in which they happened here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub tenant: Arc<str>,
    pub events: Vec<Event>,
}

impl Batch {
    /// There is nothing else in it.
    pub fn tells_of_losses(&self) -> bool {
        self.events.iter().all(|event| event.kind == Kind::EVENTS_MISSING)
    }
}

impl EventId {
    /// `at_us` since 1970; `process` (48 bits) is random for each process, and `count` its own count of events.
    pub fn new(at_us: i64, process: u64, count: u32) -> Self {
        let at_ms = u128::from(at_us.div_euclid(1_000).unsigned_abs() & 0xffff_ffff_ffff);
        let process = u128::from(process & 0xffff_ffff_ffff);
        Self(at_ms << 80 | process << 32 | u128::from(count))
    }

    /// The least number that an event of this time can have.
    pub fn first_at(at_us: i64) -> Self {
        Self::new(at_us, 0, 0)
    }

    /// In the order of the numbers.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Each event of each batch comes by here: formatting costs several times as much.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.to_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        serializer.serialize_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KindName)
    }
}

/// Reads a kind; nearly all are notes, which need no copy of their text.
struct KindName;

impl Visitor<'_> for KindName {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind of event")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Kind, E> {
        Ok(if text == Kind::NOTE_PLAYED.as_str() { Kind::NOTE_PLAYED } else { Kind::named(text.to_owned()) })
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Digits)
    }
}

/// Reads an id without a copy of its text.
struct Digits;

impl Visitor<'_> for Digits {
    type Value = EventId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EventId, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let id = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
        id.map(Self).ok_or(NoEventId)
    }
}

/// The text is no event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event's id is 32 hexadecimal digits")]
pub struct NoEventId;

impl SessionId {
    /// The session of the room that was opened at this time: `MUSIC-1234.643f1c2a5b9d0`.
    pub fn of(room: &RoomKey, opened_us: i64) -> Self {
        Self(format!("{}.{:x}", room.code, opened_us.max(0)).into())
    }

    /// Reads what a request names.
    pub fn parse(text: &str) -> Option<Self> {
        let session = Self(text.into());
        (session.parts().is_some() && text.len() <= 40).then_some(session)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn code(&self) -> Option<Code> {
        self.parts().map(|(code, _)| code)
    }

    /// When the room was opened, µs since 1970.
    pub fn opened_us(&self) -> Option<i64> {
        self.parts().map(|(_, opened_us)| opened_us)
    }

    fn parts(&self) -> Option<(Code, i64)> {
        let (code, opened) = self.0.split_once('.')?;
        Some((code.parse().ok()?, i64::from_str_radix(opened, 16).ok()?))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kind {
    /// `{"name", "teacher_id", "bpm", "beats_per_bar"}`
    pub const ROOM_OPENED: Self = Self::new("room_opened");
    pub const ROOM_CLOSED: Self = Self::new("room_closed");
    /// Who was in the room when another conductor took it up, `{"students": ["ada"], "muted": ["bob"]}`: a leave or a
    /// mute whose record died with its conductor ends or begins here at the latest.
    pub const ROLL: Self = Self::new("roll");
    /// A person came who was not here. `{"name", "role", "muted"}`
    pub const JOINED: Self = Self::new("joined");
    /// The last of a person's connections went.
    pub const LEFT: Self = Self::new("left");
    pub const NOTE_PLAYED: Self = Self::new("note_played");
    /// `{"bpm"}`, and for a ramp `{"beats"}`
    pub const TEMPO_CHANGED: Self = Self::new("tempo_changed");
    pub const CLOCK_STARTED: Self = Self::new("clock_started");
    pub const CLOCK_STOPPED: Self = Self::new("clock_stopped");
    /// `{"beats_per_bar", "groups", "bar0_ub"}`
    pub const METER_CHANGED: Self = Self::new("meter_changed");
    pub const STUDENT_MUTED: Self = Self::new("student_muted");
    pub const STUDENT_UNMUTED: Self = Self::new("student_unmuted");
    pub const HAND_RAISED: Self = Self::new("hand_raised");
    pub const HAND_LOWERED: Self = Self::new("hand_lowered");
    /// All assignments as they are from now on, `{"assignments": {"1": ["ada"]}, "beats_per_bar": 4, "bar0_ub": 0}`.
    pub const BEATS_ASSIGNED: Self = Self::new("beats_assigned");
    /// `{"role"}`; null takes it back.
    pub const ROLE_ASSIGNED: Self = Self::new("role_assigned");
    pub const ROOM_LOCKED: Self = Self::new("room_locked");
    pub const ROOM_UNLOCKED: Self = Self::new("room_unlocked");
    pub const SETTINGS_CHANGED: Self = Self::new("settings_changed");
    pub const STUDENT_REMOVED: Self = Self::new("student_removed");
    /// A [`super::Reflection`], new or changed.
    pub const REFLECTION_SUBMITTED: Self = Self::new("reflection_submitted");
    /// `{"reflection_id"}`
    pub const REFLECTION_WITHDRAWN: Self = Self::new("reflection_withdrawn");
    /// `{"count"}` events of this session were lost on their way.
    pub const EVENTS_MISSING: Self = Self::new("events_missing");

    const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    pub fn named(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        SessionId::of(
            &RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") },
            1_763_829_429_123_456,
        )
    }

    fn note() -> Event {
        Event {
            id: EventId::new(1_763_829_430_000_000, 7, 3),
            session: session(),
            kind: Kind::NOTE_PLAYED,
            student: Some("ada".into()),
            actor: None,
            at_us: 1_763_829_430_000_000,
            run: 2,
            beat_ub: Some(3_990_000),
            note: Some(NotePlayed {
                midi: 60,
                velocity: 64,
                offset_us: Some(-5_000),
                uncertainty_us: 300,
                assigned: true,
            }),
            details: None,
        }
    }

    #[test]
    fn numbers_grow_with_time_and_differ_within_a_millisecond_and_between_processes() {
        let ids = [EventId::new(1_000, 9, 9), EventId::new(2_000, 1, 0), EventId::new(2_000, 1, 1)];
        assert!(ids.is_sorted());
        assert_ne!(EventId::new(2_000, 1, 0), EventId::new(2_000, 2, 0));
        assert_eq!(EventId::from_bytes(ids[2].to_bytes()), ids[2]);
        assert!(EventId::first_at(2_000) <= ids[1] && EventId::first_at(2_000) > ids[0]);
    }

    #[test]
    fn an_event_comes_back_from_its_text_as_it_was() {
        let closed = Event { kind: Kind::ROOM_CLOSED, student: None, note: None, beat_ub: None, ..note() };
        for event in [note(), closed] {
            let text = serde_json::to_string(&event).expect("plain data");
            assert_eq!(serde_json::from_str::<Event>(&text).expect("its own text"), event, "{text}");
        }
    }

    #[test]
    fn a_kind_of_a_later_release_is_passed_on() {
        let text = serde_json::to_string(&note()).expect("plain data").replace("note_played", "note_bent");
        let event: Event = serde_json::from_str(&text).expect("an event");
        assert_eq!(event.kind.as_str(), "note_bent");
    }

    #[test]
    fn a_session_tells_its_code_and_when_it_began() {
        let session = session();
        assert_eq!(session.code().expect("a code").as_str(), "MUSIC-1234");
        assert_eq!(session.opened_us(), Some(1_763_829_429_123_456));
        assert_eq!(SessionId::parse(session.as_str()), Some(session));
        for bad in ["", "MUSIC-1234", "MUSIC-1234.", "music.12", "MUSIC-1234.zz", "MUSIC-1234.1.2"] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }
}
