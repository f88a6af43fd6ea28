//! A room as REST and the listings show it.

use serde::Serialize;

use crate::room::{Code, Controls, RoomKey, Settings};

/// A room as REST and the listings show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoomStanding {
    pub room_id: Code,
    pub name: String,
    pub bpm: u32,
    pub beats_per_bar: u32,
    pub playing: bool,
    pub teacher_id: String,
    /// How many people are in the room.
    pub members: usize,
    pub settings: Settings,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub last_active_at: i64,
    /// When the room was opened, µs since 1970: with the code, what its session is called by.
    #[serde(skip)]
    pub opened_us: i64,
}

impl RoomStanding {
    pub(super) fn of(key: &RoomKey, controls: &Controls, members: usize) -> Self {
        Self {
            room_id: key.code.clone(),
            name: controls.settings.name.clone(),
            bpm: controls.bpm,
            beats_per_bar: controls.meter.beats_per_bar,
            playing: controls.playing,
            teacher_id: controls.teacher_id.clone(),
            members,
            settings: controls.settings.clone(),
            created_at: controls.created_at_us.div_euclid(1_000),
            last_active_at: controls.last_active_at_us.div_euclid(1_000),
            opened_us: controls.created_at_us,
        }
    }
}
