//! A room's life: made, joined, left, and closed when it has long been empty.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    applied::{Applied, MemberChange},
    code::RoomKey,
    connections::{ByConnection, Connections},
    control::{Bpm, CreateRoom},
    permission::Refusal,
    role::TokenRole,
    state::{Controls, Member, Members, Room, Settings},
    tracks::adopt_tracks,
};
use crate::tempo::Meter;

/// A room that nobody has been in for this long is closed.
pub const EMPTY_ROOM_LIFETIME_US: i64 = 3_600_000_000;

/// A connection that wants in. The role is the token's, the id checked (`is_student_id`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    pub student_id: String,
    pub name: String,
    pub role: TokenRole,
    pub connection: u64,
}

impl Room {
    /// A new room, at rev 1.
    #[must_use]
    pub fn create(
        key: RoomKey,
        request: CreateRoom,
        teacher_id: &str,
        default_bpm: u32,
        default_max_students: u32,
        now_us: i64,
    ) -> Self {
        let meter = request.beats_per_bar.and_then(|beats| Meter::new(beats, Vec::new(), 0).ok()).unwrap_or_default();
        let controls = Controls {
            teacher_id: teacher_id.to_owned(),
            settings: Settings {
                autostart: request.autostart.unwrap_or(true),
                max_students: request.max_students.unwrap_or(default_max_students),
                locked: false,
                name: request.name.unwrap_or_default(),
            },
            rev: 1,
            run: 0,
            bpm: request.bpm.unwrap_or(Bpm::clamped(default_bpm)).get(),
            playing: false,
            timeline: None,
            meter,
            muted: BTreeSet::new(),
            all_muted: false,
            exempt: BTreeSet::new(),
            assignments: BTreeMap::new(),
            roles: BTreeMap::new(),
            admitted: BTreeSet::new(),
            removed: BTreeSet::new(),
            created_at_us: now_us,
            last_active_at_us: now_us,
            closed: false,
        };
        Self::restored(key, controls, now_us)
    }

    /// A room from its record. Who was in it has to join again; until then it counts as empty from now on.
    #[must_use]
    pub fn restored(key: RoomKey, controls: Controls, now_us: i64) -> Self {
        Self { key, controls, members: Members::new(), empty_since_us: Some(now_us) }
    }

    /// Lets a connection in, beside others of the same person. The first join of all starts the clock of a room
    /// that starts by itself.
    ///
    /// Teachers always get in. A locked room lets in those who were there when it was locked: a lost connection
    /// (or a restarted node) must not shut a student out.
    ///
    /// # Errors
    /// `removed_from_room`, `room_locked` or `room_full`; the room is then unchanged.
    pub fn admit(&mut self, join: &Join, now_us: i64, lead_us: i64) -> Result<Applied, Refusal> {
        self.check_admission(join)?;
        let mut applied = self.begin();
        if self.controls.settings.autostart && self.controls.run == 0 {
            self.start_clock(0, now_us, lead_us, &mut applied);
        }
        self.part_from_other_ids(join, &mut applied);
        self.enter(join, now_us, &mut applied);
        if applied.member_changes.iter().any(is_first) && join.role == TokenRole::Student {
            self.announce_mute(&join.student_id, &mut applied);
        }
        Ok(self.finish(applied, now_us))
    }

    /// Takes back connections of a member that were lost sight of while the class went on. They were let in once, so
    /// neither a lock nor a full room keeps them out.
    ///
    /// # Errors
    /// `Room not found` once it is closed, `removed_from_room` for who was removed; the room is then unchanged.
    pub fn readmit(&mut self, returning: &Member, now_us: i64) -> Result<Applied, Refusal> {
        if self.controls.closed {
            return Err(Refusal::RoomNotFound);
        }
        if returning.role == TokenRole::Student && self.controls.removed.contains(&returning.student_id) {
            return Err(Refusal::RemovedFromRoom);
        }
        let mut applied = self.begin_with_members();
        let id = &returning.student_id;
        let known = self.members.get(id);
        let first = known.is_none();
        let is_new = |connection: &u64| known.is_none_or(|member| !member.connections.contains(connection));
        let new: Vec<u64> = returning.connections.iter().copied().filter(is_new).collect();
        self.touch(id, &mut applied);
        if !new.is_empty() {
            let member = self.members.get_or_insert(Member { tracks: ByConnection::new(), ..returning.clone() });
            member.connections.extend(new.iter().copied());
            if returning.role == TokenRole::Teacher {
                member.role = TokenRole::Teacher;
            }
            let joined = new.into_iter().map(|connection| MemberChange::Joined {
                student_id: id.clone(),
                connection,
                name: member.name.clone(),
                role: returning.role,
                joined_at_us: member.joined_at_us,
                first,
            });
            applied.member_changes.extend(joined);
        }
        if adopt_tracks(&mut self.members, id, &returning.tracks) && applied.member_changes.is_empty() {
            applied.member_changes.push(MemberChange::Changed { student_id: id.clone() });
        }
        self.note_emptiness(now_us);
        Ok(applied)
    }

    /// Ends a connection; the person leaves with the last one. A connection that is not here changes nothing.
    pub fn depart(&mut self, connection: u64, now_us: i64) -> Applied {
        let mut applied = self.begin_with_members();
        if let Some(student_id) = self.owner_of(connection) {
            self.disconnect(&student_id, connection, &mut applied);
        }
        self.note_emptiness(now_us);
        applied
    }

    /// Closes the room when it has been empty for [`EMPTY_ROOM_LIFETIME_US`]. Once a minute is often enough.
    pub fn tick(&mut self, now_us: i64) -> Option<Applied> {
        let empty_since_us = self.empty_since_us?;
        if self.controls.closed || now_us.saturating_sub(empty_since_us) < EMPTY_ROOM_LIFETIME_US {
            return None;
        }
        let mut applied = self.begin();
        self.close(&mut applied);
        Some(self.finish(applied, now_us))
    }

    /// Ends the room and every connection to it.
    pub(super) fn close(&mut self, applied: &mut Applied) {
        self.controls.closed = true;
        self.controls.playing = false;
        applied.controls_changed = true;
        applied.closed = true;
        applied.tell("room_closed", json!({}));
        let everybody: Vec<String> = self.members.keys().map(str::to_owned).collect();
        for student_id in everybody {
            self.eject(&student_id, None, applied);
        }
    }

    fn check_admission(&self, join: &Join) -> Result<(), Refusal> {
        let Controls { settings, removed, admitted, closed, .. } = &self.controls;
        if *closed {
            return Err(Refusal::RoomNotFound);
        }
        if join.role == TokenRole::Teacher {
            return Ok(());
        }
        if removed.contains(&join.student_id) {
            return Err(Refusal::RemovedFromRoom);
        }
        if self.members.contains_key(&join.student_id) {
            return Ok(());
        }
        if settings.locked && !admitted.contains(&join.student_id) {
            return Err(Refusal::RoomLocked);
        }
        let students = self.students().count();
        if students >= settings.max_students as usize {
            return Err(Refusal::RoomFull);
        }
        Ok(())
    }

    /// The members that are no teachers.
    pub(super) fn students(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.role == TokenRole::Student)
    }

    fn enter(&mut self, join: &Join, now_us: i64, applied: &mut Applied) {
        let Join { student_id, name, role, connection } = join;
        self.touch(student_id, applied);
        let first = !self.members.contains_key(student_id);
        let member = self.members.get_or_insert(Member {
            student_id: student_id.clone(),
            name: name.clone(),
            role: *role,
            hand: false,
            joined_at_us: now_us,
            connections: Connections::default(),
            tracks: ByConnection::new(),
        });
        member.name.clone_from(name);
        if *role == TokenRole::Teacher {
            member.role = TokenRole::Teacher;
        }
        let change = if member.connections.insert(*connection) {
            MemberChange::Joined {
                student_id: student_id.clone(),
                connection: *connection,
                name: name.clone(),
                role: *role,
                joined_at_us: now_us,
                first,
            }
        } else {
            MemberChange::Changed { student_id: student_id.clone() }
        };
        applied.member_changes.push(change);
    }

    /// A connection is one person: after a rejoin with another token it is no longer the former one.
    fn part_from_other_ids(&mut self, join: &Join, applied: &mut Applied) {
        let former = self.owner_of(join.connection);
        if let Some(former) = former.filter(|former| *former != join.student_id) {
            self.disconnect(&former, join.connection, applied);
        }
    }

    fn owner_of(&self, connection: u64) -> Option<String> {
        self.members
            .values()
            .find(|member| member.connections.contains(&connection))
            .map(|member| member.student_id.clone())
    }

    pub(super) fn disconnect(&mut self, student_id: &str, connection: u64, applied: &mut Applied) {
        self.touch(student_id, applied);
        let Some(member) = self.members.get_mut(student_id) else {
            return;
        };
        member.retain_connections(|other| other != connection);
        let last = member.connections.is_empty();
        if last {
            self.members.remove(student_id);
        }
        let student_id = student_id.to_owned();
        applied.member_changes.push(MemberChange::Left { student_id, connection, last });
    }
}

fn is_first(change: &MemberChange) -> bool {
    matches!(change, MemberChange::Joined { first: true, .. })
}
