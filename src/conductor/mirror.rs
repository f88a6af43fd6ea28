//! A gateway's copy of the rooms that have members on it: what a note is checked against, where beats come from.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::mpsc;

use super::{
    Audience, Audiences, Class, Recipients,
    emitter::Emitter,
    notes::NoteBook,
    roster::{self, Roster},
    update::{Update, plan_of},
};
use crate::{
    placement::Membership,
    relay::{Body, Envelope, Plan, Relay, Stamp, Topic},
    room::{MemberChange, Members, Moment, Room, RoomKey, Source, TokenRole, ms},
    telemetry::{Metrics, count},
    time::{BATCH_WINDOW_US, Clock, Wheel},
};

/// No plan for this long: the gateway plays on from the last one (three plan intervals).
const HOLDOVER_AFTER_US: i64 = 3_000_000;
/// The sweep's turns, one every hundredth of a second.
pub const SWEEP_SLOTS: usize = 10;
const SWEEP_PERIOD_US: i64 = 100_000;
/// How many sockets the beat thread writes to by itself at one waking: about a millisecond's worth.
const BEAT_THREAD_SOCKETS_MAX: usize = 128;
/// How often members get the timeline, and teachers the participation.
const PERIODIC_US: i64 = 5_000_000;

/// How long and how a mirror carries on.
#[derive(Clone, Copy, Debug)]
pub struct MirrorSettings {
    /// How long a room plays on without a conductor before `clock_lost`.
    pub holdover_us: i64,
}

/// A room whose next beat may be due. Stale wakings are told by their generation.
pub struct Wake {
    room: Weak<RoomMirror>,
    generation: u64,
}

/// All rooms with members on this node.
pub struct Mirror {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    membership: Arc<Membership>,
    relay: Arc<dyn Relay>,
    audiences: Arc<dyn Audiences>,
    wheel: Arc<Wheel<Wake>>,
    settings: MirrorSettings,
    slots: RwLock<HashMap<RoomKey, Slot>>,
    serials: AtomicU64,
    wishes: mpsc::UnboundedSender<Wish>,
    /// How many rooms were in holdover at each turn of the sweep.
    holdover_counts: Mutex<[usize; SWEEP_SLOTS]>,
}

/// A change of what this node hears of the relay, carried out in order by [`Mirror::run_subscriptions`].
enum Wish {
    Hear(Topic),
    Ignore(Topic),
}

/// The receiving end of a mirror's wishes.
pub struct Wishes(mpsc::UnboundedReceiver<Wish>);

/// A room and how many joins on this node hold it, those still under way included.
struct Slot {
    seats: usize,
    room: Option<Arc<RoomMirror>>,
}

/// One join's hold on a room's mirror; the mirror goes when the last is dropped.
pub struct Seat {
    mirror: Arc<Mirror>,
    key: RoomKey,
}

/// One room as this node knows it.
pub struct RoomMirror {
    mirror: Arc<Mirror>,
    key: RoomKey,
    /// A number of this mirror's own.
    serial: u64,
    audience: Arc<dyn Audience>,
    state: Mutex<RoomState>,
}

/// What the lock of a room's mirror guards.
pub struct RoomState {
    /// The highest (epoch, nonce, rev) accepted; lower ones are dropped, this node's own included.
    pub stamp: Stamp,
    pub room: Room,
    pub source: Source,
    pub roster: Roster,
    pub(super) notes: NoteBook,
    emitter: Emitter,
    generation: u64,
    plan_heard_us: i64,
    lost: bool,
    periodic_at_us: i64,
}

impl Mirror {
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        membership: Arc<Membership>,
        relay: Arc<dyn Relay>,
        audiences: Arc<dyn Audiences>,
        wheel: Arc<Wheel<Wake>>,
        settings: MirrorSettings,
    ) -> (Self, Wishes) {
        let (wishes, receiver) = mpsc::unbounded_channel();
        let mirror = Self {
            clock,
            metrics,
            membership,
            relay,
            audiences,
            wheel,
            settings,
            slots: RwLock::default(),
            serials: AtomicU64::new(1),
            wishes,
            holdover_counts: Mutex::default(),
        };
        (mirror, Wishes(receiver))
    }

    /// Takes a seat before joining, so that nothing that happens meanwhile is missed.
    pub fn enter(self: &Arc<Self>, key: &RoomKey) -> Seat {
        let mut slots = self.slots.write();
        slots.entry(key.clone()).or_insert(Slot { seats: 0, room: None }).seats += 1;
        Seat { mirror: self.clone(), key: key.clone() }
    }

    pub fn room(&self, key: &RoomKey) -> Option<Arc<RoomMirror>> {
        self.slots.read().get(key)?.room.clone()
    }

    /// Who this node knows to be in the room: for a conductor that takes it up again.
    pub(super) fn members(&self, key: &RoomKey) -> Members {
        self.room(key).map_or_else(Members::new, |room| room.lock().room.members.clone())
    }

    /// The highest epoch that this node has accepted for the room.
    pub(super) fn highest_epoch(&self, key: &RoomKey) -> u64 {
        self.room(key).map_or(0, |room| room.lock().stamp.epoch)
    }

    /// A conductor on this node speaks. `room` fills a mirror that is only now needed.
    pub(super) fn deliver(self: &Arc<Self>, room: &Room, update: &Update) {
        let existing = match self.slots.read().get(&room.key) {
            None => return,
            Some(slot) => slot.room.clone(),
        };
        match existing {
            Some(mirrored) => mirrored.accept(room, update),
            None => self.open(room, update.stamp),
        }
    }

    fn open(self: &Arc<Self>, room: &Room, stamp: Stamp) {
        // Under the lock from beginning to end, as is the goodbye in `Seat::drop`: neither may undo the other.
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(&room.key) else { return };
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let boot_us = self.clock.boot_us();
        let opened = Arc::new(RoomMirror {
            mirror: self.clone(),
            key: room.key.clone(),
            serial,
            audience: self.audiences.audience_of(&room.key, serial),
            state: Mutex::new(RoomState {
                stamp,
                emitter: Emitter::starting(plan_of(stamp, room), self.clock.now_us()),
                roster: Roster::of(&room.members),
                room: room.clone(),
                source: Source::Clock,
                notes: NoteBook::default(),
                generation: 0,
                plan_heard_us: boot_us,
                lost: false,
                // Rooms that were opened together do not send together.
                periodic_at_us: boot_us + PERIODIC_US - (serial % 50) as i64 * SWEEP_PERIOD_US,
            }),
        });
        slot.room = Some(opened.clone());
        self.metrics.rooms_attended.inc();
        self.wish(Wish::Hear(Topic::Room(room.key.clone())));
        drop(slots);
        opened.schedule(&mut opened.lock());
    }

    fn wish(&self, wish: Wish) {
        // Nobody carries wishes out any more only when the node is going down.
        let _ = self.wishes.send(wish);
    }

    /// Keeps the relay's subscriptions as the rooms come and go. Runs for the node's life.
    pub async fn run_subscriptions(&self, mut wishes: Wishes) {
        while let Some(wish) = wishes.0.recv().await {
            match wish {
                Wish::Hear(topic) => {
                    if let Err(error) = self.relay.subscribe(&topic).await {
                        tracing::error!(relay.topic = %topic, %error, "a room is not heard from other nodes");
                    }
                }
                Wish::Ignore(topic) => self.relay.unsubscribe(&topic).await,
            }
        }
    }

    /// The conductor's regular plan.
    pub(super) fn deliver_plan(&self, key: &RoomKey, plan: &Plan) {
        if let Some(room) = self.room(key) {
            room.accept_plan(plan);
        }
    }

    /// The room is no more, and its conductor may have failed before it said so.
    pub(super) fn end(&self, key: &RoomKey) {
        if let Some(room) = self.room(key) {
            room.end();
        }
    }

    /// Tells the other gateways; nothing goes out past the end of the node's session.
    pub(super) fn publish(&self, topic: &Topic, body: Body) {
        let Some(incarnation) = self.membership.standing() else {
            return;
        };
        let origin = self.membership.node().clone();
        if let Err(error) = self.relay.publish(topic, Envelope { origin, incarnation, body }) {
            count(&self.metrics.relay_messages, "not_published");
            tracing::debug!(relay.topic = %topic, %error, "not published");
        }
    }

    /// Sends every beat of a batch that is due.
    pub fn beat(&self, batch: Vec<Wake>) {
        for wake in batch {
            if let Some(room) = wake.room.upgrade() {
                let beaten = self.contain("beat", || room.wake(wake.generation));
                if beaten.is_none() {
                    self.contain("beat", || room.schedule(&mut room.lock()));
                }
            }
        }
    }

    /// The same on the beat thread itself, which spares the beat a task switch; answers what would hold that thread up,
    /// for the runtime to beat.
    pub fn beat_what_is_small(&self, mut batch: Vec<Wake>) -> Vec<Wake> {
        let mut budget = BEAT_THREAD_SOCKETS_MAX;
        let is_too_much = |wake: &mut Wake| {
            let size = wake.room.upgrade().map_or(0, |room| room.audience.size().max(1));
            let fits = size <= budget;
            budget -= if fits { size } else { 0 };
            !fits
        };
        let rest = batch.extract_if(.., is_too_much).collect();
        self.beat(batch);
        rest
    }

    /// A room that fails costs itself its beat, and no other room anything.
    fn contain<T>(&self, part: &'static str, act: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(act));
        if outcome.is_err() {
            count(&self.metrics.panics, part);
        }
        outcome.ok()
    }

    /// Presence diffs, holdover, the periodic timeline and participation of every [`SWEEP_SLOTS`]th room, so that no
    /// beat waits for the sweep of all. `turn` counts up; each room's turn comes ten times a second.
    pub fn sweep(&self, turn: usize) {
        let turn = turn % SWEEP_SLOTS;
        let is_due = |room: &&Arc<RoomMirror>| room.serial as usize % SWEEP_SLOTS == turn;
        let slots = self.slots.read();
        let rooms: Vec<_> = slots.values().filter_map(|slot| slot.room.as_ref()).filter(is_due).cloned().collect();
        drop(slots);
        let in_holdover = rooms.iter().filter(|room| self.contain("sweep", || room.sweep()).unwrap_or(false)).count();
        let mut counts = self.holdover_counts.lock();
        counts[turn] = in_holdover;
        self.metrics.rooms_in_holdover.set(counts.iter().sum::<usize>() as i64);
    }
}

impl Seat {
    /// The room, once its conductor has admitted somebody.
    pub fn room(&self) -> Option<Arc<RoomMirror>> {
        self.mirror.room(&self.key)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut slots = self.mirror.slots.write();
        let Some(slot) = slots.get_mut(&self.key) else { return };
        slot.seats -= 1;
        if slot.seats > 0 {
            return;
        }
        let Some(Slot { room: Some(room), .. }) = slots.remove(&self.key) else { return };
        // Under the lock: whoever comes next opens the room anew, and must not lose that audience to this goodbye.
        self.mirror.audiences.dismiss(&self.key);
        self.mirror.wish(Wish::Ignore(Topic::Room(self.key.clone())));
        self.mirror.metrics.rooms_attended.dec();
        drop(slots);
        drop(room);
    }
}

impl RoomMirror {
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

    fn accept(self: &Arc<Self>, room: &Room, update: &Update) {
        let mut state = self.lock();
        if !self.may_follow(&state, update.stamp) {
            return;
        }
        if state.stamp != update.stamp {
            state.room.controls = room.controls.clone();
        }
        for change in &update.member_changes {
            state.apply(room, change);
        }
        for event in &update.events {
            self.audience.send(Recipients::All, Class::Control, event.event, &event.payload.to_string());
        }
        self.follow(&mut state, &plan_of(update.stamp, room));
        if update.timeline_changed {
            self.send_timeline(&state);
        }
        for ejected in &update.ejected {
            let connections: Vec<u64> = ejected.connections.iter().copied().collect();
            let payload = ejected.last_event.as_ref().map(|last| (last.event, last.payload.to_string()));
            self.audience.eject(&connections, payload.as_ref().map(|(event, payload)| (*event, payload.as_str())));
        }
        if update.closed {
            self.audience.end_all(true);
        }
    }

    fn end(&self) {
        let mut state = self.lock();
        if !state.room.controls.closed {
            state.room.controls.closed = true;
            self.audience.send(Recipients::All, Class::Control, "room_closed", "{}");
            self.audience.end_all(true);
        }
    }

    fn accept_plan(self: &Arc<Self>, plan: &Plan) {
        let mut state = self.lock();
        if self.may_follow(&state, plan.stamp) {
            self.follow(&mut state, plan);
        }
    }

    /// The gateway's fence: nothing from below the highest (epoch, nonce, rev) that it has accepted.
    fn may_follow(&self, state: &RoomState, stamp: Stamp) -> bool {
        let may_follow = stamp >= state.stamp;
        if !may_follow {
            count(&self.mirror.metrics.relay_messages, "fenced");
        }
        may_follow
    }

    fn follow(self: &Arc<Self>, state: &mut RoomState, plan: &Plan) {
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

    fn schedule(self: &Arc<Self>, state: &mut RoomState) {
        state.generation += 1;
        let Some(due_us) = state.emitter.next_due_us(self.mirror.clock.now_us()) else {
            return;
        };
        let wake = Wake { room: Arc::downgrade(self), generation: state.generation };
        self.mirror.wheel.schedule(self.mirror.clock.boot_at(due_us), wake);
    }

    fn wake(self: &Arc<Self>, generation: u64) {
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
    fn sweep(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        let boot_us = self.mirror.clock.boot_us();
        if let Some(diff) = state.roster.take_diff() {
            self.audience.send(Recipients::All, Class::Presence, "presence_diff", &diff);
        }
        let silent_us = boot_us - state.plan_heard_us;
        if silent_us > HOLDOVER_AFTER_US && state.source == Source::Clock {
            state.source = Source::Holdover;
            self.send_timeline(&state);
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
            let RoomState { room, notes, .. } = &mut *state;
            notes.forget_strangers(&room.members);
            if room.members.values().any(|member| member.role == TokenRole::Teacher) {
                let payload = roster::participation(&room.members, notes);
                self.audience.send(Recipients::Teachers, Class::Presence, "participation", &payload);
            }
        }
        state.source == Source::Holdover
    }

    fn send_timeline(&self, state: &RoomState) {
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
        let member = self.room.members.get(student_id);
        !self.room.controls.closed && member.is_some_and(|member| member.connections.contains(&connection))
    }

    fn apply(&mut self, room: &Room, change: &MemberChange) {
        let (MemberChange::Joined { student_id, .. }
        | MemberChange::Left { student_id, .. }
        | MemberChange::Changed { student_id }) = change;
        match room.members.get(student_id) {
            Some(member) => self.room.members.insert(student_id.clone(), member.clone()),
            None => self.room.members.remove(student_id),
        };
        self.roster.note(change);
    }
}
