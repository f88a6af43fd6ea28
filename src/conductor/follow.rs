//! How a gateway's mirror follows its room's conductor: what it takes in, what it drops, and what it asks for when it
//! has missed something.
//!
//! The gateway's fence: it keeps the highest (epoch, nonce, rev) that it has accepted and drops less, whoever says it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Class, Recipients,
    mirror::Errand,
    people::{self, Homes},
    room_mirror::{RoomMirror, RoomState},
    update::{event_of, plan_of},
};
use crate::{
    relay::{Body, Envelope, Note, Plan, RoomEvent, RoomUpdate, Snapshot, Stamp},
    room::{ByConnection, Join, Member, Members, Room, RoomRole, Source, TokenRole, difference},
    store::{Fate, Home, MemberRecord},
    telemetry::count,
};

/// Earlier reigns whose room is kept until it is known what became of it.
const FORMER_MAX: usize = 4;
/// How often one room says that a plan is too low.
const TOO_LOW_EVERY_US: i64 = 500_000;

impl RoomMirror {
    /// What another node says of this room.
    pub(super) fn hear(self: &Arc<Self>, envelope: &Envelope) {
        match &envelope.body {
            Body::Note(note) => self.hear_note(note),
            Body::Plan(plan) => {
                self.hear_from(envelope, plan.stamp);
                self.accept_plan(plan);
            }
            Body::RoomUpdate(update) => {
                self.hear_from(envelope, update.stamp);
                self.accept(update);
            }
            Body::Snapshot(snapshot) => {
                self.hear_from(envelope, snapshot.stamp);
                self.accept_snapshot(snapshot);
            }
            Body::Broadcast(broadcast) => self.audience.broadcast(None, broadcast),
            Body::Call(_) | Body::Answer(_) | Body::Usage(_) | Body::Presences(_) => {}
        }
    }

    /// Remembers who conducts; says so to one that cannot know that its reign is over.
    fn hear_from(&self, envelope: &Envelope, stamp: Stamp) {
        let mut state = self.lock();
        if stamp >= state.stamp {
            state.conductor = Some((envelope.origin.clone(), envelope.incarnation));
        } else {
            let boot_us = self.mirror.clock.boot_us();
            if boot_us.saturating_sub(state.told_too_low_us) >= TOO_LOW_EVERY_US {
                state.told_too_low_us = boot_us;
                let (node, stamp) = (envelope.origin.clone(), state.stamp);
                self.mirror.run_errand(Errand::TooLow { key: self.key.clone(), node, stamp });
            }
        }
    }

    /// A note that another gateway has checked. Its student may have been muted meanwhile, or sent away.
    fn hear_note(&self, note: &Note) {
        let mut state = self.lock();
        if state.room.controls.closed || state.keeps_back(&note.student_id) {
            return;
        }
        let now_us = self.mirror.clock.now_us();
        state.notes.record(&note.student_id, now_us);
        self.audience.send(Recipients::All, Class::Note, "student_note", &note.payload);
    }

    /// One change, from the conductor here or elsewhere.
    pub(super) fn accept(self: &Arc<Self>, update: &RoomUpdate) {
        let mut state = self.lock();
        if !self.may_follow(&state, update.stamp) {
            return;
        }
        let is_new_rev = update.stamp > state.stamp;
        let is_new_member = update.members_rev > state.members_rev && !update.members.is_empty();
        if !is_new_rev && !is_new_member {
            // Heard before: on the topic, and in a call that asks for a confirmation.
            return;
        }
        let is_same_reign = is_of_one_reign(update.stamp, state.stamp);
        state.leave_reign(update.stamp);
        let missed_events = is_new_rev && (!is_same_reign || update.stamp.rev > state.stamp.rev + 1);
        let missed_members = update.members_rev > state.members_rev + u64::from(is_new_member);
        let unspoken = if is_new_rev { self.take_controls(&mut state, update) } else { Vec::new() };
        // Whoever is sent away is not kept among the members because he is here.
        for connection in update.ejected.iter().flat_map(|ejection| &ejection.connections) {
            state.residents.remove(connection);
        }
        if is_new_member {
            state.members_rev = update.members_rev;
            state.take_members(update);
        }
        let catch_up = if missed_events || update.events.is_empty() { &unspoken[..] } else { &[] };
        let is_told = |event: &&RoomEvent| catch_up.iter().all(|told| told.event != event.event);
        for event in catch_up.iter().chain(update.events.iter().filter(is_told)) {
            self.audience.send(Recipients::All, Class::Control, &event.event, &event.payload);
        }
        if missed_members || !is_same_reign || (is_new_rev && update.controls.is_none()) {
            self.become_stale(&mut state);
        }
        let plan = plan_of(update.stamp, &state.room.controls, state.members_rev);
        self.follow(&mut state, &plan);
        if update.timeline_changed || !unspoken.is_empty() && missed_events {
            self.send_timeline(&state);
        }
        for ejection in &update.ejected {
            let last = ejection.last_event.as_ref().map(|last| (&*last.event, &*last.payload));
            self.audience.eject(&ejection.connections, last);
        }
        if update.closed {
            state.room.controls.closed = true;
            self.mirror.note_closed(&self.key, update.stamp.epoch);
            self.audience.end_all(true);
        }
    }

    /// Takes over the controls; answers the events that lead there.
    fn take_controls(&self, state: &mut RoomState, update: &RoomUpdate) -> Vec<RoomEvent> {
        let Some(controls) = &update.controls else { return Vec::new() };
        let events = difference(&state.room.controls, controls).into_iter().map(event_of).collect();
        state.room.controls = (**controls).clone();
        events
    }

    /// The room whole: of a new reign, or read from its record.
    pub(super) fn accept_snapshot(self: &Arc<Self>, snapshot: &Snapshot) {
        let mut state = self.lock();
        if !self.may_follow(&state, snapshot.stamp) {
            return;
        }
        state.is_stale = false;
        state.leave_reign(snapshot.stamp);
        state.lineage = snapshot.lineage.clone();
        self.check_inheritance(&mut state, snapshot.stamp);
        let events = difference(&state.room.controls, &snapshot.controls);
        let changed = state.room.controls != *snapshot.controls;
        if changed {
            state.room.controls = (*snapshot.controls).clone();
        }
        for event in events.into_iter().map(event_of) {
            self.audience.send(Recipients::All, Class::Control, &event.event, &event.payload);
        }
        if snapshot.members_rev >= state.members_rev || snapshot.stamp.epoch > state.stamp.epoch {
            state.replace_members(snapshot);
        }
        let plan = plan_of(snapshot.stamp, &state.room.controls, state.members_rev);
        self.follow(&mut state, &plan);
        // Also where only the reign is new: its epoch and rev are part of what clients know.
        self.send_timeline(&state);
        self.return_residents(&state);
    }

    /// The conductor's regular plan. False: it is below what was accepted before.
    pub(super) fn accept_plan(self: &Arc<Self>, plan: &Plan) -> bool {
        let mut state = self.lock();
        if !self.may_follow(&state, plan.stamp) {
            return false;
        }
        let missed = plan.stamp != state.stamp || plan.members_rev != state.members_rev;
        // Only the number of a reign and a rev of which everything is known is accepted; the times hold at once.
        let before = state.stamp;
        state.leave_reign(plan.stamp);
        self.follow(&mut state, plan);
        if missed {
            if is_of_one_reign(plan.stamp, before) {
                state.stamp = before;
            }
            self.become_stale(&mut state);
        }
        true
    }

    /// A reign that began with less than is known here is given what it lacks, until it says that it has dealt with it.
    fn check_inheritance(&self, state: &mut RoomState, present: Stamp) {
        let RoomState { former, lineage, .. } = state;
        // The lineage of an earlier reign knows nothing of what this one has inherited.
        if lineage.present() != Some((present.epoch, present.nonce)) {
            return;
        }
        former.retain(|former| {
            let Stamp { epoch, nonce, rev } = former.stamp;
            lineage.fate(epoch, nonce, rev, present.rev) != Fate::Kept
        });
        for former in former {
            count(&self.mirror.metrics.losses, "rev_missing");
            self.mirror.run_errand(Errand::Restore { key: self.key.clone(), snapshot: Box::new(former.clone()) });
        }
    }

    /// The conductor has dealt with what this gateway knew of an earlier reign.
    pub(super) fn dealt_with(&self, stamp: Stamp) {
        self.lock().former.retain(|former| former.stamp != stamp);
    }

    /// The gateway's fence: nothing from below the highest (epoch, nonce, rev) that it has accepted.
    fn may_follow(&self, state: &RoomState, stamp: Stamp) -> bool {
        let may_follow = stamp >= state.stamp;
        if !may_follow {
            count(&self.mirror.metrics.relay_messages, "fenced");
        }
        may_follow
    }

    /// Something was missed: the room's record has to be read again.
    pub(super) fn become_stale(&self, state: &mut RoomState) {
        if !state.is_stale {
            state.is_stale = true;
            self.mirror.run_errand(Errand::ReRead { key: self.key.clone() });
        }
    }

    /// Connections that are here and that the conductor has lost sight of are given back to it; those that it believes
    /// to be here for two rounds, and that are not, are parted from it.
    pub(super) fn reconcile(&self, state: &mut RoomState) {
        let stamp = state.stamp;
        self.check_inheritance(state, stamp);
        if state.source == Source::Holdover {
            // That nobody speaks of the room may mean that it was closed, and that this was not heard here.
            self.become_stale(state);
        }
        self.return_residents(state);
        let home = self.mirror.home();
        let is_strange =
            |connection: &u64| !state.residents.contains_key(connection) && state.homes.get(*connection) == Some(&home);
        let members = state.room.members.values();
        let strange: Vec<u64> = members.flat_map(|member| &member.connections).copied().filter(is_strange).collect();
        for connection in strange.iter().filter(|connection| state.suspects.contains(connection)) {
            self.mirror.run_errand(Errand::Depart { key: self.key.clone(), connection: *connection });
        }
        state.suspects = strange;
    }

    fn return_residents(&self, state: &RoomState) {
        for member in state.unknown_residents(&self.mirror.home()) {
            self.mirror.run_errand(Errand::Return { key: self.key.clone(), member: Box::new(member) });
        }
    }
}

fn is_of_one_reign(one: Stamp, other: Stamp) -> bool {
    (one.epoch, one.nonce) == (other.epoch, other.nonce)
}

impl RoomState {
    /// Whether a note of this person that is under way goes no further. A teacher's always does; that a soloist has come
    /// meanwhile stops no note that was allowed.
    fn keeps_back(&self, student_id: &str) -> bool {
        let Room { controls, members, .. } = &self.room;
        let is_teacher = members.get(student_id).is_some_and(|member| member.role == TokenRole::Teacher);
        let is_listener = || controls.roles.get(student_id) == Some(&RoomRole::Listener);
        !is_teacher && (controls.is_muted(student_id) || controls.removed.contains(student_id) || is_listener())
    }

    /// Whether all of this is known here already.
    pub(super) fn knows(&self, snapshot: &Snapshot) -> bool {
        let revs = (snapshot.stamp, snapshot.members_rev);
        revs == (self.stamp, self.members_rev)
            && self.room.controls == *snapshot.controls
            && self.lineage == snapshot.lineage
    }

    /// Keeps what is known of the reign before, where `stamp` is of another.
    fn leave_reign(&mut self, stamp: Stamp) {
        if !is_of_one_reign(stamp, self.stamp) && self.former.len() < FORMER_MAX {
            self.former.push(self.snapshot());
        }
    }

    fn take_members(&mut self, update: &RoomUpdate) {
        let touched = |members: &Members| -> Members {
            let students = update.members.iter().map(|write| &write.student_id);
            students.filter_map(|id| members.get(id).cloned()).collect()
        };
        let before = touched(&self.room.members);
        for write in &update.members {
            // A home says that the conductor knows of the connection: only what it says now counts.
            for connection in before.get(&write.student_id).iter().flat_map(|member| &member.connections) {
                self.homes.remove(*connection);
            }
            match &write.member {
                Some(record) => {
                    for (connection, home) in record.connections.iter() {
                        self.homes.insert(*connection, home.clone());
                    }
                    self.room.members.insert(people::member_of(record));
                }
                None => {
                    self.room.members.remove(&write.student_id);
                }
            }
        }
        self.keep_residents(&before, |id| update.members.iter().any(|write| write.student_id == *id));
        self.homes.keep_only(&self.room.members);
        self.roster.follow(&before, &touched(&self.room.members));
    }

    /// The members are now those of the snapshot, and whoever is here whatever it says.
    fn replace_members(&mut self, snapshot: &Snapshot) {
        let (members, homes) = Homes::settle(&snapshot.members);
        let before = std::mem::replace(&mut self.room.members, members);
        // Whoever is here and not in the snapshot has no home there: so it is known that he must be given back.
        self.homes = homes;
        self.members_rev = snapshot.members_rev;
        self.keep_residents(&before, |_| true);
        self.roster.follow(&before, &self.room.members);
    }

    /// Who is here stays a member here, whatever the conductor knows of him: it will be told.
    fn keep_residents(&mut self, before: &Members, may_be_missing: impl Fn(&String) -> bool) {
        for (connection, join) in self.residents.iter().filter(|(_, join)| may_be_missing(&join.student_id)) {
            let removed = self.room.controls.removed.contains(&join.student_id);
            let is_known = |member: &Member| member.connections.contains(connection);
            if removed || self.room.members.get(&join.student_id).is_some_and(is_known) {
                continue;
            }
            let mut member = before.get(&join.student_id).cloned().unwrap_or_else(|| newcomer(join));
            let track = member.tracks.remove(connection);
            member.retain_connections(|_| false);
            let entry = self.room.members.get_or_insert(member);
            entry.connections.insert(*connection);
            entry.tracks.extend(track.map(|track| (*connection, track)));
        }
    }

    /// The residents that the conductor does not have among the members, or that it may not have.
    fn unknown_residents(&self, home: &Home) -> Vec<MemberRecord> {
        let unknown = self.residents.values().filter(|join| self.homes.get(join.connection) != Some(home));
        let students: BTreeSet<&String> = unknown.map(|join| &join.student_id).collect();
        students.into_iter().filter_map(|student_id| self.resident_record(student_id, home)).collect()
    }

    /// A member with the connections alone that are here.
    fn resident_record(&self, student_id: &str, home: &Home) -> Option<MemberRecord> {
        let here: Vec<&Join> = self.residents.values().filter(|join| join.student_id == student_id).collect();
        let first = here.first()?;
        let mut member = self.room.members.get(student_id).cloned().unwrap_or_else(|| newcomer(first));
        let connections: ByConnection<Home> = here.iter().map(|join| (join.connection, home.clone())).collect();
        member.retain_connections(|connection| connections.contains_key(&connection));
        let Member { student_id, name, role, hand, joined_at_us, tracks, .. } = member;
        Some(MemberRecord { student_id, name, role, hand, joined_at_us, connections, tracks })
    }

    /// Everybody who is here, for a conductor that takes the room up.
    pub(super) fn resident_records(&self, home: &Home) -> Vec<MemberRecord> {
        let students: BTreeSet<&str> = self.residents.values().map(|join| join.student_id.as_str()).collect();
        students.into_iter().filter_map(|student_id| self.resident_record(student_id, home)).collect()
    }
}

/// A member as it came in, for one that nobody remembers otherwise.
fn newcomer(join: &Join) -> Member {
    Member {
        student_id: join.student_id.clone(),
        name: join.name.clone(),
        role: join.role,
        hand: false,
        joined_at_us: 0,
        connections: [join.connection].into(),
        tracks: ByConnection::new(),
    }
}
