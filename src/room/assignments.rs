//! Who plays at which place of the pattern.

use serde_json::json;

use super::{applied::Applied, control::Place, people::check_space, permission::Refusal, state::Room};

impl Room {
    /// Several people may share a place, and one may have several.
    pub(super) fn assign_beat(&mut self, student_id: &str, beat: Place, applied: &mut Applied) -> Result<(), Refusal> {
        self.check_member(student_id)?;
        let at_place = self.controls.assignments.get(&beat.get());
        if at_place.is_some_and(|ids| ids.iter().any(|id| id == student_id)) {
            return Ok(());
        }
        check_space(at_place.map_or(0, Vec::len))?;
        self.controls.assignments.entry(beat.get()).or_default().push(student_id.to_owned());
        applied.tell("beat_assigned", json!({ "student_id": student_id, "beat": beat.get() }));
        self.tell_assignments(Some(beat), Some(student_id), applied);
        Ok(())
    }

    pub(super) fn clear_beat(&mut self, beat: Place, applied: &mut Applied) {
        if self.controls.assignments.remove(&beat.get()).is_some() {
            self.tell_assignments(Some(beat), None, applied);
        }
    }

    pub(super) fn clear_beats(&mut self, applied: &mut Applied) {
        if !self.controls.assignments.is_empty() {
            self.controls.assignments.clear();
            self.tell_assignments(None, None, applied);
        }
    }

    /// Takes a person out of every place.
    pub(super) fn withdraw_from_beats(&mut self, student_id: &str, applied: &mut Applied) {
        let assignments = &mut self.controls.assignments;
        let assigned = |ids: &Vec<String>| ids.iter().any(|id| id == student_id);
        if assignments.values().any(assigned) {
            assignments.retain(|_, ids| {
                ids.retain(|id| id != student_id);
                !ids.is_empty()
            });
            self.tell_assignments(None, Some(student_id), applied);
        }
    }

    /// The place and the person that the change was about; null where it was about all of them.
    fn tell_assignments(&self, beat: Option<Place>, student_id: Option<&str>, applied: &mut Applied) {
        applied.controls_changed = true;
        let assignments = &self.controls.assignments;
        applied.tell(
            "beat_assignment_updated",
            json!({ "beat": beat, "student_id": student_id, "assignments": assignments }),
        );
    }
}
