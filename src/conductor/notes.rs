//! A note's one hop: checked against the mirror, given to the room's own members at once, then published.

use hashbrown::HashMap;

use super::{
    Class, Recipients,
    room_mirror::{RoomMirror, RoomState},
};
use crate::{
    participation::Receipt,
    rate::Rate,
    relay::{self, Body, Topic},
    room::{Members, Note, NoteView, Refusal, TokenRole},
};

/// Why a note was not played; the text is the reply's `reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteRefused {
    #[error(transparent)]
    Rule(#[from] Refusal),
    #[error("rate_limit_exceeded")]
    TooFast,
}

/// Players remembered before those who have left are forgotten.
const PLAYERS_MAX: usize = 10_000;
const SECOND_US: i64 = 1_000_000;

/// What this node remembers of who has played, for the limit and for the live participation.
#[derive(Debug, Default)]
pub(super) struct NoteBook {
    players: HashMap<String, Player>,
}

#[derive(Debug, Default)]
struct Player {
    rate: Rate,
    notes: u64,
    last_note_at_us: i64,
}

impl NoteBook {
    /// True when one more note of this student keeps the rate; a second's worth may come at once.
    pub(super) fn admits(&mut self, student_id: &str, per_second: u32, boot_us: i64) -> bool {
        self.player(student_id).rate.admits(per_second, SECOND_US, boot_us)
    }

    pub(super) fn record(&mut self, student_id: &str, now_us: i64) {
        let player = self.player(student_id);
        player.notes += 1;
        player.last_note_at_us = now_us;
    }

    fn player(&mut self, student_id: &str) -> &mut Player {
        self.players.entry_ref(student_id).or_default()
    }

    /// Keeps the book from growing with ids that come and go; who is here, or has been lately, stays in it.
    pub(super) fn forget_strangers(&mut self, members: &Members) {
        if self.players.len() > PLAYERS_MAX {
            self.players.retain(|student_id, _| members.contains_key(student_id));
        }
    }

    /// (notes, cluster time of the last one in µs) of a student.
    pub(super) fn of(&self, student_id: &str) -> (u64, i64) {
        self.players.get(student_id).map_or((0, 0), |player| (player.notes, player.last_note_at_us))
    }
}

/// Notes per second that a tenant allows, for students and for teachers.
#[derive(Clone, Copy, Debug)]
pub struct NoteLimits {
    pub student: u32,
    pub teacher: u32,
}

impl NoteLimits {
    pub(super) fn of(self, role: TokenRole) -> u32 {
        match role {
            TokenRole::Teacher => self.teacher,
            TokenRole::Student => self.student,
        }
    }
}

impl RoomMirror {
    /// Plays a note of a member: the room's rules, the rate, then everybody on this node, then the relay. Last of all
    /// it is recorded; the receipt tells when that is safe.
    pub fn play(
        &self,
        student_id: &str,
        connection: u64,
        role: TokenRole,
        note: Note,
        limits: NoteLimits,
    ) -> Result<Receipt, NoteRefused> {
        let clock = &self.mirror().clock;
        let mut state = self.lock();
        let now_us = clock.now_us();
        if !state.is_here(student_id, connection) {
            return Err(Refusal::RemovedFromRoom.into());
        }
        state.room.controls.may_play(&state.room.members, student_id, role)?;
        if !state.notes.admits(student_id, limits.of(role), clock.boot_us()) {
            return Err(NoteRefused::TooFast);
        }
        state.notes.record(student_id, now_us);
        let payload = student_note(&state, student_id, note, now_us);
        self.audience().send(Recipients::All, Class::Note, "student_note", &payload);
        let recorder = &self.mirror().recorder;
        let is_recorded = recorder.is_on(&self.key().tenant);
        let event = is_recorded.then(|| state.note_event(recorder, student_id, note, now_us, clock.uncertainty_us()));
        drop(state);
        self.mirror().publish(
            &Topic::Room(self.key().clone()),
            Body::Note(relay::Note { student_id: student_id.into(), payload: payload.into() }),
        );
        let record = |event| recorder.record(&self.key().tenant, event);
        Ok(event.map(record).unwrap_or_default())
    }
}

fn student_note(state: &RoomState, student_id: &str, note: Note, now_us: i64) -> String {
    let view = NoteView {
        midi: note.midi,
        velocity: note.velocity,
        student_id,
        timestamp: now_us.div_euclid(1_000),
        beat: state.room.controls.beat_at(now_us),
    };
    // A struct of numbers and one string always serialises.
    serde_json::to_string(&view).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_of_notes_may_come_at_once_and_then_one_each_interval() {
        let mut book = NoteBook::default();
        let at_once = (0..20).filter(|_| book.admits("ada", 10, 5_000_000)).count();
        assert_eq!(at_once, 10);
        assert!(!book.admits("ada", 10, 5_099_999));
        assert!(book.admits("ada", 10, 5_100_000));
        assert!(!book.admits("ada", 10, 5_100_001));
    }

    #[test]
    fn one_student_s_rate_is_not_another_s() {
        let mut book = NoteBook::default();
        while book.admits("ada", 10, 0) {}
        assert!(book.admits("bob", 10, 0));
    }
}
