//! What can be asked of a room, once it has been read and found well formed.
//!
//! A control may travel to the node that conducts its room, so every one of them survives serde.

use serde::{Deserialize, Serialize};

use super::{
    fields::BadField,
    role::{RoomRole, TokenRole},
};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub student_id: String,
    /// What the token proves; the role of the person inside the room is the room's own knowledge.
    pub role: TokenRole,
    pub connection: u64,
}

/// A tempo in beats a minute, 1 to 299.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Bpm(u32);

/// A place in the pattern, 1 to 64, which is what students are assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Place(u32);

/// When a new tempo begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantise {
    /// As soon as every gateway can know of it.
    #[default]
    Now,
    Beat,
    Bar,
}

/// All that a room does when it is asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    SetTempo {
        bpm: Bpm,
        at: Quantise,
    },
    /// A linear accelerando or ritardando to `bpm` over 1 to 1024 beats.
    RampTempo {
        bpm: Bpm,
        beats: u32,
    },
    /// `count_in` beats, 0 to 64, before beat 0; none when resuming.
    StartClock {
        count_in: u32,
        resume: bool,
    },
    StopClock,
    ResetClock,
    /// `groups` is empty or adds up to `beats_per_bar`, 1 to 64.
    SetMeter {
        beats_per_bar: u32,
        groups: Vec<u32>,
    },
    MuteStudent {
        student_id: String,
    },
    UnmuteStudent {
        student_id: String,
    },
    MuteAll,
    UnmuteAll,
    AssignBeat {
        student_id: String,
        beat: Place,
    },
    ClearBeat {
        beat: Place,
    },
    ClearBeats,
    /// None takes the role away.
    AssignRole {
        student_id: String,
        role: Option<RoomRole>,
    },
    LockRoom,
    UnlockRoom,
    RemoveStudent {
        student_id: String,
    },
    CloseRoom,
    RaiseHand,
    /// One's own hand when no id is given.
    LowerHand {
        student_id: Option<String>,
    },
    ChangeSettings(ChangeSettings),
    /// Take a person out of everything that is remembered of the room. Nobody's to ask for: it goes with erasing what is
    /// recorded of him.
    ForgetStudent {
        student_id: String,
    },
}

/// What `PATCH` may change of a room; what is None stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSettings {
    pub autostart: Option<bool>,
    pub max_students: Option<u32>,
    pub name: Option<String>,
    pub bpm: Option<Bpm>,
}

/// What a new room is to be; what is None takes the tenant's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRoom {
    pub bpm: Option<Bpm>,
    pub autostart: Option<bool>,
    pub beats_per_bar: Option<u32>,
    pub max_students: Option<u32>,
    pub name: Option<String>,
}

impl Bpm {
    /// The nearest tempo in range, for a setting that was checked elsewhere.
    #[must_use]
    pub fn clamped(bpm: u32) -> Self {
        Self(bpm.clamp(1, 299))
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// In the timeline's unit.
    #[must_use]
    pub fn milli(self) -> u32 {
        self.0 * 1_000
    }
}

impl TryFrom<u32> for Bpm {
    type Error = BadField;

    fn try_from(bpm: u32) -> Result<Self, BadField> {
        let in_range = (1..=299).contains(&bpm);
        in_range.then_some(Self(bpm)).ok_or(BadField::new("bpm", "BPM must be between 1 and 299"))
    }
}

impl From<Bpm> for u32 {
    fn from(bpm: Bpm) -> u32 {
        bpm.0
    }
}

impl Place {
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Place {
    type Error = BadField;

    fn try_from(place: u32) -> Result<Self, BadField> {
        let in_range = (1..=64).contains(&place);
        in_range.then_some(Self(place)).ok_or(BadField::new("beat", "beat out of range"))
    }
}

impl From<Place> for u32 {
    fn from(place: Place) -> u32 {
        place.0
    }
}
