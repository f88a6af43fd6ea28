//! One room's mirror: it beats from the last plan, and speaks to the room's audience. How it follows the room's
//! conductor stands in `follow.rs`.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use super::{
    Audience, Class, Mirror, Recipients,
    emitter::Emitter,
    mirror::{Errand, Wake},
    notes::NoteBook,
    people::Homes,
    roster::{self, Roster},
    update::{plan_of, snapshot_of},
};
use crate::{
    participation::SessionId,
    relay::{Plan, Snapshot, Stamp},
    room::{Join, Moment, Room, RoomKey, Source, TokenRole, ms},
    store::Lineage,
    time::BATCH_WINDOW_US,
};

/// No plan for this long: the gateway plays on from the last one (three plan intervals).
const HOLDOVER_AFTER_US: i64 = 3_000_000;
/// How often a conductor that is not heard is called for.
const SUMMON_EVERY_US: i64 = 2_000_000;
/// How often members get the timeline, and teachers the participation.
const PERIODIC_US: i64 = 5_000_000;
/// Moments of that period at which one room or another sends them.
const STAGGERS: u64 = 50;

/// One room as this node knows it.
pub struct RoomMirror {
    pub(super) mirror: Arc<Mirror>,
    pub(super) key: RoomKey,
    /// A number of this mirror's own.
    serial: u64,
    pub(super) audience: Arc<dyn Audience>,
    state: Mutex<RoomState>,
}

/// What the lock of a room's mirror guards.
pub struct RoomState {
    /// The highest (epoch, nonce, rev) accepted; lower ones are dropped, this node's own included.
    pub stamp: Stamp,
    pub room: Room,
    pub source: Source,
    pub roster: Roster,
    pub(super) homes: Homes,
    /// The number of the last change of the members that was taken in.
    pub(super) members_rev: u64,
    /// The node and session that the last plan came from.
    pub(super) conductor: Option<(Arc<str>, u64)>,
    /// The connections of this node that were let in, whatever the conductor knows of them.
    pub(super) residents: BTreeMap<u64, Join>,
    pub(super) lineage: Lineage,
    /// The room as it was in reigns before, until it is known that the present one has inherited it, or has dealt with
    /// what it had not.
    pub(super) former: Vec<Snapshot>,
    /// Something was missed: the room's record has to be read again.
    pub(super) is_stale: bool,
    /// Connections that the conductor believes to be here and that are not, as of the last reconciliation.
    pub(super) suspects: Vec<u64>,
    pub(super) told_too_low_us: i64,
    /// When the room's conductor was last called for.
    summoned_us: i64,
    pub(super) notes: NoteBook,
    /// When the room was opened, and its session, once a note has asked for it.
    pub(super) session: Option<(i64, SessionId)>,
    pub(super) emitter: Emitter,
    generation: u64,
    pub(super) plan_heard_us: i64,
    pub(super) lost: bool,
    periodic_at_us: i64,
}

impl RoomMirror {
    pub(super) fn opened(
        mirror: &Arc<Mirror>,
        key: &RoomKey,
        snapshot: &Snapshot,
        serial: u64,
        audience: Arc<dyn Audience>,
    ) -> Self {
        let boot_us = mirror.clock.boot_us();
        let now_us = mirror.clock.now_us();
        let (members, homes) = Homes::settle(&snapshot.members);
        let controls = (*snapshot.controls).clone();
        let plan = plan_of(snapshot.stamp, &controls, snapshot.members_rev);
        let room = Room { members, ..Room::restored(key.clone(), controls, now_us) };
        let state = RoomState {
            stamp: snapshot.stamp,
            emitter: Emitter::starting(plan, now_us),
            roster: Roster::of(&room.members),
            room,
            homes,
            members_rev: snapshot.members_rev,
            conductor: None,
            residents: BTreeMap::new(),
            lineage: snapshot.lineage.clone(),
            former: Vec::new(),
            is_stale: false,
            suspects: Vec::new(),
            told_too_low_us: i64::MIN,
            summoned_us: 0,
            source: Source::Clock,
            notes: NoteBook::default(),
            session: None,
            generation: 0,
            plan_heard_us: boot_us,
            lost: false,
            // Rooms that were opened together do not send together.
            periodic_at_us: boot_us + PERIODIC_US - (serial % STAGGERS) as i64 * (PERIODIC_US / STAGGERS as i64),
        };
        Self { mirror: mirror.clone(), key: key.clone(), serial, audience, state: Mutex::new(state) }
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub fn key(&self) -> &RoomKey {
        &self.key
    }

    pub fn audience(&self) -> &Arc<dyn Audience> {
        &self.audience
    }

    pub(super) fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The room's state; while the guard is held nothing is sent to its audience.
    pub fn lock(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock()
    }

    pub(super) fn end(&self) {
        let mut state = self.lock();
        if !state.room.controls.closed {
            state.room.controls.closed = true;
            state.room.controls.playing = false;
            let silence = Plan { playing: false, timeline: None, ..state.emitter.plan().clone() };
            state.emitter.follow(silence);
            self.audience.send(Recipients::All, Class::Control, "room_closed", "{}");
            self.audience.end_all(true);
        }
    }

    /// Goes by this plan from now on.
    pub(super) fn follow(self: &Arc<Self>, state: &mut RoomState, plan: &Plan) {
        state.stamp = plan.stamp;
        state.plan_heard_us = self.mirror.clock.boot_us();
        let relocked = std::mem::replace(&mut state.source, Source::Clock) == Source::Holdover;
        let was_lost = std::mem::take(&mut state.lost);
        let changed = state.emitter.plan() != plan;
        if changed {
            state.emitter.follow(plan.clone());
        }
        if was_lost {
            // The beats of the silence are not made up for.
            state.emitter.begin_at(self.mirror.clock.now_us());
            self.audience.send(Recipients::All, Class::Control, "clock_restored", "{}");
        }
        if relocked {
            self.send_timeline(state);
        }
        if changed || was_lost {
            self.schedule(state);
        }
    }

    pub(super) fn schedule(self: &Arc<Self>, state: &mut RoomState) {
        state.generation += 1;
        let Some(due_us) = state.emitter.next_due_us(self.mirror.clock.now_us()) else {
            return;
        };
        let wake = Wake { room: Arc::downgrade(self), generation: state.generation };
        self.mirror.wheel.schedule(self.mirror.clock.boot_at(due_us), wake);
    }

    pub(super) fn wake(self: &Arc<Self>, generation: u64) {
        let mut state = self.lock();
        if state.generation != generation || state.lost {
            return;
        }
        // The beat thread hands over what is due within its batch's window.
        let now_us = self.mirror.clock.now_us() + BATCH_WINDOW_US;
        let source = state.source;
        while let Some(due) = state.emitter.take_due(now_us, source) {
            // A struct of numbers and names always serialises.
            let payload = serde_json::to_string(&due.view).unwrap_or_default();
            self.audience.send(Recipients::All, Class::Beat, "beat", &payload);
            let lateness_us = self.mirror.clock.now_us() - due.due_us;
            self.mirror.metrics.beat_lateness_seconds.observe(lateness_us as f64 / 1e6);
        }
        self.mirror.metrics.beats_skipped.inc_by(state.emitter.take_skipped());
        self.schedule(&mut state);
    }

    /// True while the room is in holdover.
    pub(super) fn sweep(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if state.room.controls.closed {
            // Its last seats are about to go.
            return false;
        }
        let boot_us = self.mirror.clock.boot_us();
        if let Some(diff) = state.roster.take_diff() {
            self.audience.send(Recipients::All, Class::Presence, "presence_diff", &diff);
        }
        let silent_us = boot_us - state.plan_heard_us;
        if silent_us > HOLDOVER_AFTER_US && state.source == Source::Clock {
            state.source = Source::Holdover;
            self.send_timeline(&state);
        }
        if silent_us > HOLDOVER_AFTER_US && boot_us >= state.summoned_us + SUMMON_EVERY_US && self.mirror.stands() {
            state.summoned_us = boot_us;
            self.mirror.run_errand(Errand::Summon { key: self.key.clone() });
        }
        if silent_us > self.mirror.settings.holdover_us && !state.lost {
            state.lost = true;
            let since_us = self.mirror.clock.now_us() - silent_us;
            let payload = serde_json::json!({ "since": ms(since_us) }).to_string();
            self.audience.send(Recipients::All, Class::Control, "clock_lost", &payload);
        }
        if boot_us >= state.periodic_at_us {
            state.periodic_at_us = boot_us + PERIODIC_US;
            self.send_timeline(&state);
            self.reconcile(&mut state);
            let RoomState { room, notes, .. } = &mut *state;
            notes.forget_strangers(&room.members);
            if room.members.values().any(|member| member.role == TokenRole::Teacher) {
                let payload = roster::participation(&room.members, notes);
                self.audience.send(Recipients::Teachers, Class::Presence, "participation", &payload);
            }
        }
        state.source == Source::Holdover
    }

    pub(super) fn send_timeline(&self, state: &RoomState) {
        let payload = self.timeline_json(state);
        self.audience.send(Recipients::All, Class::Control, "timeline", &payload);
    }

    /// What the views of the room need beside it.
    pub fn moment<'a>(&'a self, state: &RoomState) -> Moment<'a> {
        Moment {
            epoch: state.stamp.epoch,
            time_base: self.mirror.clock.time_base(),
            source: state.source,
            server_now_us: self.mirror.clock.now_us(),
        }
    }

    pub fn timeline_json(&self, state: &RoomState) -> String {
        // A struct of numbers and names always serialises.
        serde_json::to_string(&state.room.controls.timeline_view(self.moment(state))).unwrap_or_default()
    }
}

impl RoomState {
    /// Whether this connection is the member's, now: the socket may not have heard yet that it is not.
    pub fn is_here(&self, student_id: &str, connection: u64) -> bool {
        let Room { controls, members, .. } = &self.room;
        let Some(member) = members.get(student_id) else { return false };
        // That a student was removed may be known here before the list of members is. It binds students alone.
        let is_removed = member.role == TokenRole::Student && controls.removed.contains(student_id);
        !controls.closed && !is_removed && member.connections.contains(&connection)
    }

    /// This node has a connection in the room, which its conductor has let in.
    pub fn settle(&mut self, join: Join) {
        self.residents.insert(join.connection, join);
    }

    /// It has gone.
    pub fn unsettle(&mut self, connection: u64) {
        self.residents.remove(&connection);
    }

    /// The room as this gateway knows it.
    pub(super) fn snapshot(&self) -> Snapshot {
        // A plan may have told of a higher rev before its controls are known.
        let stamp = Stamp { rev: self.room.controls.rev, ..self.stamp };
        snapshot_of(stamp, &self.room, &self.homes, self.lineage.clone(), self.members_rev)
    }
}
