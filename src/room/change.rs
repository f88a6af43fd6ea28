//! What every change to a room has in common: it is counted, and it can be taken back.

use super::{
    applied::{Applied, Before},
    state::Room,
};

impl Room {
    /// Takes back the last change, because it could not be stored: the room is as it was before.
    pub fn roll_back(&mut self, applied: Applied) {
        if let Some(controls) = applied.before.controls {
            self.controls = *controls;
        }
        // The latest first: where a member was touched twice, the earliest state is the one that stays.
        for (student_id, member) in applied.before.members.into_iter().rev() {
            match member {
                Some(member) => self.members.insert(member),
                None => self.members.remove(&student_id),
            };
        }
        self.empty_since_us = applied.before.empty_since_us;
    }

    /// The start of a change, with all that it takes to undo it.
    pub(super) fn begin(&self) -> Applied {
        let mut applied = self.begin_with_members();
        applied.before.controls = Some(Box::new(self.controls.clone()));
        applied
    }

    /// The start of a change that leaves the controls alone.
    pub(super) fn begin_with_members(&self) -> Applied {
        Applied {
            before: Before { controls: None, members: Vec::new(), empty_since_us: self.empty_since_us },
            ..Applied::default()
        }
    }

    /// The end of a change: counts it, if it is one.
    pub(super) fn finish(&mut self, applied: Applied, now_us: i64) -> Applied {
        if applied.controls_changed {
            self.controls.rev += 1;
            self.controls.last_active_at_us = now_us;
        }
        self.note_emptiness(now_us);
        applied
    }

    /// Remembers a member as it is before a change to it.
    pub(super) fn touch(&self, student_id: &str, applied: &mut Applied) {
        let before = self.members.get(student_id).cloned();
        applied.before.members.push((student_id.to_owned(), before));
    }

    pub(super) fn note_emptiness(&mut self, now_us: i64) {
        if self.members.is_empty() {
            self.empty_since_us.get_or_insert(now_us);
        } else {
            self.empty_since_us = None;
        }
    }
}
