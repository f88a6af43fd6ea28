//! What the events of one session say of one person.

use std::sync::Arc;

use super::{
    super::NotePlayed,
    figures::{StudentRow, TeacherRow},
    statistics::{median, ms, rounded, seconds, share},
};
use crate::room::RoomRole;

/// A pause that is longer than this ends a turn.
const TURN_PAUSE_US: i64 = 5_000_000;
/// Above this a note's offset says more about clocks than about the player.
const UNCERTAINTY_MAX_US: u32 = 10_000;
/// How far from the beat is still with it.
const WITH_THE_BEAT_US: u32 = 50_000;
/// A note shows that its player is here and not muted, unless a leave or a mute came so shortly before that the note
/// may have been on its way: events of different nodes are that much out of order.
const UNDER_WAY_US: i64 = 2_000_000;

/// A beat of a run.
pub(super) type Beat = (u64, i64);

pub(super) struct Person {
    pub id: Arc<str>,
    pub name: Option<String>,
    pub is_teacher: bool,
    pub is_here: bool,
    pub is_muted: bool,
    pub role: Option<RoomRole>,
    /// When presence or mute last changed, as an event said it.
    changed_us: i64,
    /// Up to when the times below are counted.
    counted_us: i64,
    attended_us: i64,
    muted_us: i64,
    silent_us: i64,
    pub could_play_us: i64,
    has_left: bool,
    reconnects: u64,
    pub hands_raised: u64,
    roles: Vec<String>,
    /// Of all notes.
    pub notes_us: Vec<i64>,
    /// Of the timed notes.
    offsets_us: Vec<i32>,
    pub assigned: Vec<Beat>,
    pub hit: Vec<Beat>,
}

impl Person {
    pub fn new(id: Arc<str>, from_us: i64) -> Self {
        Self {
            id,
            name: None,
            is_teacher: false,
            is_here: false,
            is_muted: false,
            role: None,
            changed_us: i64::MIN,
            counted_us: from_us,
            attended_us: 0,
            muted_us: 0,
            silent_us: 0,
            could_play_us: 0,
            has_left: false,
            reconnects: 0,
            hands_raised: 0,
            roles: Vec::new(),
            notes_us: Vec::new(),
            offsets_us: Vec::new(),
            assigned: Vec::new(),
            hit: Vec::new(),
        }
    }

    /// Counts the time up to now, as it has been since the last change.
    pub fn count_until(&mut self, at_us: i64, soloist_is_here: bool) {
        let passed_us = at_us.saturating_sub(self.counted_us).max(0);
        self.counted_us = self.counted_us.max(at_us);
        if !self.is_here {
            return;
        }
        self.attended_us += passed_us;
        if self.is_teacher || self.can_play(soloist_is_here) {
            self.could_play_us += passed_us;
        } else if self.is_muted {
            self.muted_us += passed_us;
        } else {
            self.silent_us += passed_us;
        }
    }

    /// The rule of [`crate::room::Controls::may_play`].
    pub fn can_play(&self, soloist_is_here: bool) -> bool {
        if self.is_teacher {
            return self.is_here;
        }
        let role_lets = match self.role {
            Some(RoomRole::Listener) => false,
            Some(RoomRole::CoTeacher | RoomRole::Soloist) => true,
            Some(RoomRole::Section(_)) | None => !soloist_is_here,
        };
        self.is_here && !self.is_muted && role_lets
    }

    pub fn is_soloist_here(&self) -> bool {
        self.is_here && self.role == Some(RoomRole::Soloist)
    }

    pub fn come(&mut self, at_us: i64) {
        self.is_here = true;
        self.changed_us = at_us;
        self.reconnects += u64::from(std::mem::take(&mut self.has_left));
    }

    /// Does nothing for who is away already.
    pub fn leave(&mut self, at_us: i64) {
        if std::mem::take(&mut self.is_here) {
            self.changed_us = at_us;
            self.has_left = true;
        }
    }

    pub fn set_muted(&mut self, is_muted: bool, at_us: i64) {
        self.is_muted = is_muted;
        self.changed_us = at_us;
    }

    pub fn set_role(&mut self, role: Option<RoomRole>) {
        if let Some(name) = role.as_ref().map(RoomRole::to_string)
            && !self.roles.contains(&name)
        {
            self.roles.push(name);
        }
        self.role = role;
    }

    /// A note was let through: whether that shows that a join or an unmute is missing in the record.
    pub fn is_belied_by_a_note(&self, at_us: i64) -> bool {
        (!self.is_here || self.is_muted) && at_us.saturating_sub(self.changed_us) > UNDER_WAY_US
    }

    /// The note's player is here and not muted, whatever was recorded.
    pub fn show(&mut self) {
        self.is_here = true;
        self.is_muted = false;
    }

    pub fn play(&mut self, at_us: i64, note: Option<&NotePlayed>) {
        self.notes_us.push(at_us);
        let offset_us = note.filter(|note| note.uncertainty_us <= UNCERTAINTY_MAX_US).and_then(|note| note.offset_us);
        self.offsets_us.extend(offset_us);
    }

    /// Whether there is anything to say.
    pub fn took_part(&self) -> bool {
        self.attended_us > 0 || self.is_here || self.has_left || !self.notes_us.is_empty()
    }

    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Puts what was gathered in order, once no more comes.
    pub fn conclude(&mut self) {
        self.notes_us.sort_unstable();
        self.offsets_us.sort_unstable();
        self.assigned.extend_from_slice(&self.hit);
        for beats in [&mut self.assigned, &mut self.hit] {
            beats.sort_unstable();
            beats.dedup();
        }
    }

    pub fn student_row(&self) -> StudentRow {
        let (notes, timed) = (self.notes_us.len() as u64, self.offsets_us.len() as u64);
        let (assigned, hit) = (self.assigned.len() as u64, self.hit.len() as u64);
        let with_the_beat = self.offsets_us.iter().filter(|offset| offset.unsigned_abs() <= WITH_THE_BEAT_US).count();
        StudentRow {
            student_id: self.id.to_string(),
            name: self.shown_name().to_owned(),
            attended_s: seconds(self.attended_us),
            muted_s: seconds(self.muted_us),
            silent_by_role_s: seconds(self.silent_us),
            could_play_s: seconds(self.could_play_us),
            notes,
            notes_per_minute: (self.could_play_us >= 1_000_000)
                .then(|| rounded(notes as f64 * 60e6 / self.could_play_us as f64, 2)),
            turns: self.turns(),
            assigned_beats: assigned,
            assigned_beats_hit: hit,
            assigned_beats_hit_share: share(hit, assigned),
            offset_median_ms: self.offset_median_ms(),
            within_50_ms_share: share(with_the_beat as u64, timed),
            notes_timed: timed,
            notes_untimed: notes - timed,
            hands_raised: self.hands_raised,
            reconnects: self.reconnects,
            first_note_at_ms: self.notes_us.first().copied().map(ms),
            roles: self.roles.clone(),
        }
    }

    pub fn teacher_row(&self) -> TeacherRow {
        TeacherRow {
            teacher_id: self.id.to_string(),
            name: self.shown_name().to_owned(),
            attended_s: seconds(self.attended_us),
            notes: self.notes_us.len() as u64,
        }
    }

    fn turns(&self) -> u64 {
        let pauses = self.notes_us.windows(2).filter(|pair| pair[1].saturating_sub(pair[0]) > TURN_PAUSE_US);
        u64::from(!self.notes_us.is_empty()) + pauses.count() as u64
    }

    fn offset_median_ms(&self) -> Option<f64> {
        let middle = self.offsets_us.len() / 2;
        let around =
            if self.offsets_us.len() % 2 == 1 { middle..middle + 1 } else { middle.saturating_sub(1)..middle + 1 };
        let mut around: Vec<f64> = self.offsets_us.get(around)?.iter().copied().map(f64::from).collect();
        median(&mut around).map(|offset_us| rounded(offset_us / 1e3, 1))
    }
}
