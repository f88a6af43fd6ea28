//! The controls that are about people: mutes, roles, the lock, removal, and the room's settings.

use serde_json::json;

use super::{
    applied::{Applied, Ejected, RoomEvent},
    control::{Actor, ChangeSettings, Quantise},
    permission::Refusal,
    role::{RoomRole, TokenRole},
    state::{Controls, Room},
};

/// How many students a room remembers as muted, removed, with a role or at one place of the pattern. More than a
/// room holds; it bounds what a stream of ever new ids can leave behind.
const ON_RECORD_MAX: usize = 10_000;

impl Room {
    pub(super) fn mute(&mut self, student_id: &str, applied: &mut Applied) -> Result<(), Refusal> {
        self.check_member(student_id)?;
        if self.controls.is_muted(student_id) {
            return Ok(());
        }
        check_space(self.controls.muted.len())?;
        self.controls.exempt.remove(student_id);
        self.controls.muted.insert(student_id.to_owned());
        tell_change("student_muted", student_id, applied);
        Ok(())
    }

    pub(super) fn unmute(&mut self, student_id: &str, applied: &mut Applied) -> Result<(), Refusal> {
        self.check_member(student_id)?;
        if !self.controls.is_muted(student_id) {
            return Ok(());
        }
        check_space(self.controls.exempt.len())?;
        self.controls.muted.remove(student_id);
        if self.controls.all_muted {
            self.controls.exempt.insert(student_id.to_owned());
        }
        tell_change("student_unmuted", student_id, applied);
        Ok(())
    }

    /// Mutes every student but co-teachers, and those who come later.
    pub(super) fn mute_all(&mut self, applied: &mut Applied) {
        let audible: Vec<String> = self
            .students()
            .map(|member| &member.student_id)
            .filter(|id| !self.controls.is_muted(id) && !self.controls.has_role(id, &RoomRole::CoTeacher))
            .cloned()
            .collect();
        let news = !self.controls.all_muted || !self.controls.exempt.is_empty();
        applied.controls_changed = news || !audible.is_empty();
        self.controls.all_muted = true;
        self.controls.exempt.clear();
        for student_id in audible {
            tell_change("student_muted", &student_id, applied);
            self.controls.muted.insert(student_id);
        }
    }

    pub(super) fn unmute_all(&mut self, applied: &mut Applied) {
        let Controls { muted, all_muted, .. } = &self.controls;
        applied.controls_changed = *all_muted || !muted.is_empty();
        let silent: Vec<String> = self.muted().map(str::to_owned).collect();
        self.controls.muted.clear();
        self.controls.exempt.clear();
        self.controls.all_muted = false;
        for student_id in silent {
            tell_change("student_unmuted", &student_id, applied);
        }
    }

    /// Everybody whose notes are kept back: those muted by name, present or not, and those present whom `mute_all`
    /// covers.
    pub fn muted(&self) -> impl Iterator<Item = &str> {
        let Controls { muted, .. } = &self.controls;
        let covered = self
            .students()
            .map(|member| &member.student_id)
            .filter(move |id| !muted.contains(*id) && self.controls.is_muted(id));
        muted.iter().chain(covered).map(String::as_str)
    }

    /// Tells the room of somebody who came while all are muted; nothing has to be stored for that.
    pub(super) fn announce_mute(&self, student_id: &str, applied: &mut Applied) {
        if self.controls.all_muted && self.controls.is_muted(student_id) {
            applied.tell("student_muted", json!({ "student_id": student_id }));
        }
    }

    pub(super) fn assign_role(
        &mut self,
        student_id: &str,
        role: Option<&RoomRole>,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        self.check_member(student_id)?;
        if self.controls.roles.get(student_id) == role {
            return Ok(());
        }
        check_space(self.controls.roles.len())?;
        let was_muted = self.controls.is_muted(student_id);
        match role {
            Some(role) => self.controls.roles.insert(student_id.to_owned(), role.clone()),
            None => self.controls.roles.remove(student_id),
        };
        applied.controls_changed = true;
        applied.tell("role_assigned", json!({ "student_id": student_id, "role": role }));
        // `mute_all` passes co-teachers by, so a role may give a voice or take it.
        match (was_muted, self.controls.is_muted(student_id)) {
            (true, false) => tell_change("student_unmuted", student_id, applied),
            (false, true) => tell_change("student_muted", student_id, applied),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn lock(&mut self, applied: &mut Applied) {
        if self.controls.settings.locked {
            return;
        }
        self.controls.admitted = self.members.keys().map(str::to_owned).collect();
        self.set_locked(true, "room_locked", applied);
    }

    pub(super) fn unlock(&mut self, applied: &mut Applied) {
        if self.controls.settings.locked {
            self.controls.admitted.clear();
            self.set_locked(false, "room_unlocked", applied);
        }
    }

    fn set_locked(&mut self, locked: bool, event: &'static str, applied: &mut Applied) {
        self.controls.settings.locked = locked;
        applied.controls_changed = true;
        applied.tell(event, json!({}));
    }

    /// Sends a person away for good, and forgets what was assigned to them. (A teacher may come back: a removal
    /// binds students' tokens only.) A co-teacher cannot send a teacher away.
    pub(super) fn remove(&mut self, actor: &Actor, student_id: &str, applied: &mut Applied) -> Result<(), Refusal> {
        let member = self.members.get(student_id).ok_or(Refusal::UnknownStudent)?;
        if member.role == TokenRole::Teacher && actor.role != TokenRole::Teacher {
            return Err(Refusal::Unauthorized);
        }
        check_space(self.controls.removed.len())?;
        let Controls { removed, roles, muted, exempt, admitted, .. } = &mut self.controls;
        removed.insert(student_id.to_owned());
        roles.remove(student_id);
        for ids in [muted, exempt, admitted] {
            ids.remove(student_id);
        }
        tell_change("student_removed", student_id, applied);
        self.withdraw_from_beats(student_id, applied);
        let farewell = RoomEvent { event: "removed_from_room", payload: json!({ "student_id": student_id }) };
        self.eject(student_id, Some(farewell), applied);
        Ok(())
    }

    /// Takes a person out of all that is remembered, here or not, and ends his connections. He may join again.
    pub(super) fn forget(&mut self, student_id: &str, applied: &mut Applied) {
        self.withdraw_from_beats(student_id, applied);
        self.eject(student_id, None, applied);
        let Controls { removed, roles, muted, exempt, admitted, .. } = &mut self.controls;
        let mut was_known = roles.remove(student_id).is_some();
        for ids in [removed, muted, exempt, admitted] {
            was_known |= ids.remove(student_id);
        }
        applied.controls_changed |= was_known;
    }

    /// Ends every connection of a person.
    pub(super) fn eject(&mut self, student_id: &str, last_event: Option<RoomEvent>, applied: &mut Applied) {
        let Some(member) = self.members.get(student_id) else {
            return;
        };
        let connections = member.connections.clone();
        for connection in &connections {
            self.disconnect(student_id, *connection, applied);
        }
        applied.ejected.push(Ejected { student_id: student_id.to_owned(), connections, last_event });
    }

    /// A smaller `max_students` sends nobody away.
    pub(super) fn change_settings(
        &mut self,
        change: &ChangeSettings,
        now_us: i64,
        lead_us: i64,
        applied: &mut Applied,
    ) {
        let mut settings = self.controls.settings.clone();
        settings.autostart = change.autostart.unwrap_or(settings.autostart);
        settings.max_students = change.max_students.unwrap_or(settings.max_students);
        settings.name = change.name.clone().unwrap_or(settings.name);
        if settings != self.controls.settings {
            applied.controls_changed = true;
            applied.tell("settings_changed", json!({ "settings": settings }));
            self.controls.settings = settings;
        }
        if let Some(bpm) = change.bpm {
            self.set_tempo(bpm, Quantise::Now, now_us, lead_us, applied);
        }
    }
}

pub(super) fn check_space(on_record: usize) -> Result<(), Refusal> {
    (on_record < ON_RECORD_MAX).then_some(()).ok_or(Refusal::TooManyOnRecord)
}

fn tell_change(event: &'static str, student_id: &str, applied: &mut Applied) {
    applied.controls_changed = true;
    applied.tell(event, json!({ "student_id": student_id }));
}
