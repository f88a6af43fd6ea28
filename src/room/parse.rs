//! From the text of a control's payload to the control.

use serde_json::Value;

use super::{
    control::{Bpm, ChangeSettings, Control, CreateRoom, Place, Quantise},
    fields::{BadField, Fields, Integer, integer_of},
    role::{RoomRole, UnknownRole},
};
use crate::tempo::{MAX_BEATS_PER_BAR, Meter, MeterError};

const RAMP_BEATS_MAX: u32 = 1_024;
const COUNT_IN_BEATS_MAX: u32 = 64;
const MAX_STUDENTS_MAX: u32 = 10_000;
const ROOM_NAME_CHARS_MAX: usize = 100;

const BPM_NO_INTEGER: BadField = BadField::new("bpm", "bpm must be an integer");
const BEAT_NO_INTEGER: BadField = BadField::new("beat", "beat must be an integer from 1 to 64");
const BEATS: &str = "beats must be an integer from 1 to 1024";
const COUNT_IN: &str = "count_in must be an integer from 0 to 64";
const COUNT_IN_RESUMED: BadField = BadField::new("count_in", "count_in must be 0 or absent when resume is true");
const RESUME: &str = "resume must be true or false";
const AT: &str = "at must be now, beat or bar";
const BEATS_PER_BAR: &str = "beats_per_bar must be an integer from 1 to 64";
const GROUPS: BadField =
    BadField::new("groups", "groups must be a list of positive integers that add up to beats_per_bar");
const AUTOSTART: &str = "autostart must be true or false";
const MAX_STUDENTS: &str = "max_students must be an integer from 1 to 10000";
const NAME: &str = "name must be a string of at most 100 printable characters";

impl Control {
    /// The events that are controls, in the order in which people look for them.
    pub const EVENTS: [&str; 20] = [
        "set_tempo",
        "ramp_tempo",
        "start_clock",
        "stop_clock",
        "reset_clock",
        "set_meter",
        "mute_student",
        "unmute_student",
        "mute_all",
        "unmute_all",
        "assign_beat",
        "clear_beat",
        "clear_beats",
        "assign_role",
        "lock_room",
        "unlock_room",
        "remove_student",
        "close_room",
        "raise_hand",
        "lower_hand",
    ];

    /// Reads the payload (JSON text) of `event`. None when the event is no control.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn parse(event: &str, payload: &str) -> Result<Option<Self>, BadField> {
        let read = match event {
            "set_tempo" => set_tempo,
            "ramp_tempo" => ramp_tempo,
            "start_clock" => start_clock,
            "set_meter" => set_meter,
            "stop_clock" => |_: &Fields| Ok(Self::StopClock),
            "reset_clock" => |_: &Fields| Ok(Self::ResetClock),
            "mute_student" => |f: &Fields| Ok(Self::MuteStudent { student_id: f.student_id()? }),
            "unmute_student" => |f: &Fields| Ok(Self::UnmuteStudent { student_id: f.student_id()? }),
            "mute_all" => |_: &Fields| Ok(Self::MuteAll),
            "unmute_all" => |_: &Fields| Ok(Self::UnmuteAll),
            "assign_beat" => |f: &Fields| Ok(Self::AssignBeat { student_id: f.student_id()?, beat: place(f)? }),
            "clear_beat" => |f: &Fields| Ok(Self::ClearBeat { beat: place(f)? }),
            "clear_beats" => |_: &Fields| Ok(Self::ClearBeats),
            "assign_role" => |f: &Fields| Ok(Self::AssignRole { student_id: f.student_id()?, role: role(f)? }),
            "lock_room" => |_: &Fields| Ok(Self::LockRoom),
            "unlock_room" => |_: &Fields| Ok(Self::UnlockRoom),
            "remove_student" => |f: &Fields| Ok(Self::RemoveStudent { student_id: f.student_id()? }),
            "close_room" => |_: &Fields| Ok(Self::CloseRoom),
            "raise_hand" => |_: &Fields| Ok(Self::RaiseHand),
            "lower_hand" => |f: &Fields| Ok(Self::LowerHand { student_id: f.optional_student_id()? }),
            _ => return Ok(None),
        } as fn(&Fields) -> Result<Self, BadField>;
        read(&Fields::read(payload)?).map(Some)
    }
}

impl ChangeSettings {
    /// Reads the body of a `PATCH`.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(body: &str) -> Result<Self, BadField> {
        let fields = Fields::read(body)?;
        Ok(Self {
            autostart: fields.optional_bool("autostart", AUTOSTART)?,
            max_students: max_students(&fields)?,
            name: fields.optional_name("name", ROOM_NAME_CHARS_MAX, NAME)?,
            bpm: optional_bpm(&fields)?,
        })
    }
}

impl CreateRoom {
    /// Reads the body of the request for a new room; an empty one takes every default.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(body: &str) -> Result<Self, BadField> {
        let fields = Fields::read(body)?;
        Ok(Self {
            bpm: optional_bpm(&fields)?,
            autostart: fields.optional_bool("autostart", AUTOSTART)?,
            beats_per_bar: fields.optional_u32("beats_per_bar", 1..=MAX_BEATS_PER_BAR, BEATS_PER_BAR)?,
            max_students: max_students(&fields)?,
            name: fields.optional_name("name", ROOM_NAME_CHARS_MAX, NAME)?,
        })
    }
}

fn set_tempo(fields: &Fields) -> Result<Control, BadField> {
    Ok(Control::SetTempo { bpm: bpm(fields)?, at: fields.optional_word::<Quantise>("at", AT)?.unwrap_or_default() })
}

fn ramp_tempo(fields: &Fields) -> Result<Control, BadField> {
    Ok(Control::RampTempo { bpm: bpm(fields)?, beats: fields.required_u32("beats", 1..=RAMP_BEATS_MAX, BEATS)? })
}

fn start_clock(fields: &Fields) -> Result<Control, BadField> {
    let count_in = fields.optional_u32("count_in", 0..=COUNT_IN_BEATS_MAX, COUNT_IN)?.unwrap_or(0);
    let resume = fields.optional_bool("resume", RESUME)?.unwrap_or(false);
    if resume && count_in > 0 {
        return Err(COUNT_IN_RESUMED);
    }
    Ok(Control::StartClock { count_in, resume })
}

fn set_meter(fields: &Fields) -> Result<Control, BadField> {
    let beats_per_bar = fields.required_u32("beats_per_bar", 1..=MAX_BEATS_PER_BAR, BEATS_PER_BAR)?;
    let groups = groups(fields.get("groups"), beats_per_bar)?;
    Ok(Control::SetMeter { beats_per_bar, groups })
}

fn groups(value: Option<&Value>, beats_per_bar: u32) -> Result<Vec<u32>, BadField> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MAX_BEATS_PER_BAR as usize => list,
        Some(_) => return Err(GROUPS),
    };
    let group = |value| match integer_of(Some(value)) {
        Integer::Is(integer) => u32::try_from(integer).ok().filter(|group| (1..=MAX_BEATS_PER_BAR).contains(group)),
        _ => None,
    };
    let groups: Vec<u32> = list.iter().map(group).collect::<Option<_>>().ok_or(GROUPS)?;
    Meter::new(beats_per_bar, groups, 0).map(|meter| meter.groups).map_err(BadField::from)
}

impl From<MeterError> for BadField {
    fn from(error: MeterError) -> Self {
        match error {
            MeterError::BeatsPerBar => Self::new("beats_per_bar", BEATS_PER_BAR),
            MeterError::Groups { .. } => GROUPS,
        }
    }
}

fn bpm(fields: &Fields) -> Result<Bpm, BadField> {
    optional_bpm(fields)?.ok_or(BPM_NO_INTEGER)
}

fn optional_bpm(fields: &Fields) -> Result<Option<Bpm>, BadField> {
    match fields.integer("bpm") {
        Integer::Missing => Ok(None),
        Integer::Wrong => Err(BPM_NO_INTEGER),
        Integer::Is(bpm) => Bpm::try_from(u32::try_from(bpm).unwrap_or(u32::MAX)).map(Some),
        Integer::Huge => Bpm::try_from(u32::MAX).map(Some),
    }
}

fn place(fields: &Fields) -> Result<Place, BadField> {
    match fields.integer("beat") {
        Integer::Missing | Integer::Wrong => Err(BEAT_NO_INTEGER),
        Integer::Is(beat) => Place::try_from(u32::try_from(beat).unwrap_or(u32::MAX)),
        Integer::Huge => Place::try_from(u32::MAX),
    }
}

fn max_students(fields: &Fields) -> Result<Option<u32>, BadField> {
    fields.optional_u32("max_students", 1..=MAX_STUDENTS_MAX, MAX_STUDENTS)
}

/// `none` takes the role away; a role that is missing is a mistake.
fn role(fields: &Fields) -> Result<Option<RoomRole>, BadField> {
    const WRONG: BadField = BadField::new("role", "role must be co_teacher, soloist, listener, section:<name> or none");
    match fields.get("role") {
        Some(Value::String(role)) if role == "none" => Ok(None),
        Some(Value::String(role)) => role.parse().map(Some).map_err(|UnknownRole| WRONG),
        _ => Err(WRONG),
    }
}
