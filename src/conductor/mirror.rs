//! A gateway's copy of the rooms that have members on it: what a note is checked against, where beats come from.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::{Audiences, closed::ClosedRooms, room_mirror::RoomMirror};
use crate::{
    participation::Recorder,
    placement::Membership,
    relay::{Body, Envelope, Hearing, Hearings, IsHeard, Plan, Relay, RoomUpdate, Snapshot, Stamp, Topic},
    room::RoomKey,
    store::{Home, MemberRecord},
    telemetry::{Metrics, count},
    time::{Clock, Wheel},
};

/// The sweep's turns, one every hundredth of a second.
pub const SWEEP_SLOTS: usize = 10;
/// How many sockets the beat thread writes to by itself at one waking: about a millisecond's worth.
const BEAT_THREAD_SOCKETS_MAX: usize = 128;
/// Messages kept for a room that is about to be opened.
const EARLY_MAX: usize = 256;

/// How long and how a mirror carries on.
#[derive(Clone, Copy, Debug)]
pub struct MirrorSettings {
    /// How long a room plays on without a conductor before `clock_lost`.
    pub holdover_us: i64,
}

/// A room whose next beat may be due. Stale wakings are told by their generation.
pub struct Wake {
    pub(super) room: Weak<RoomMirror>,
    pub(super) generation: u64,
}

/// All rooms with members on this node.
pub struct Mirror {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    membership: Arc<Membership>,
    relay: Arc<dyn Relay>,
    pub(super) recorder: Arc<Recorder>,
    audiences: Arc<dyn Audiences>,
    pub(super) wheel: Arc<Wheel<Wake>>,
    pub(super) settings: MirrorSettings,
    slots: RwLock<HashMap<RoomKey, Slot>>,
    serials: AtomicU64,
    hearing: Hearing,
    errands: mpsc::UnboundedSender<Errand>,
    pub(super) closed: ClosedRooms,
    /// What each turn of the sweep found last.
    swept: Mutex<[Swept; SWEEP_SLOTS]>,
}

/// What a turn of the sweep found.
#[derive(Clone, Copy, Default)]
struct Swept {
    in_holdover: usize,
    /// None before the first.
    at_us: Option<i64>,
}

/// What a mirror cannot do by itself: the router does.
#[derive(Debug)]
pub(super) enum Errand {
    /// Read the room's record and take it in.
    ReRead { key: RoomKey },
    /// Nobody is heard to conduct the room: see that somebody does.
    Summon { key: RoomKey },
    /// Tell a conductor that its reign is below one that was accepted here.
    TooLow { key: RoomKey, node: Arc<str>, stamp: Stamp },
    /// Give the conductor what its reign has not inherited.
    Restore { key: RoomKey, snapshot: Box<Snapshot> },
    /// Tell the conductor of connections here that it does not know.
    Return { key: RoomKey, member: Box<MemberRecord> },
    /// Tell the conductor that a connection is not here.
    Depart { key: RoomKey, connection: u64 },
}

/// What a mirror wants done: the receiving ends.
pub struct Wishes {
    subscriptions: Hearings,
    pub(super) errands: mpsc::UnboundedReceiver<Errand>,
}

/// The errands alone, for the router.
pub struct Errands(pub(super) mpsc::UnboundedReceiver<Errand>);

/// The subscriptions alone, for the mirror itself.
pub struct Subscriptions(Hearings);

impl Wishes {
    pub fn split(self) -> (Subscriptions, Errands) {
        (Subscriptions(self.subscriptions), Errands(self.errands))
    }
}

/// A room and how many joins on this node hold it, those still under way included.
struct Slot {
    seats: usize,
    room: Option<Arc<RoomMirror>>,
    /// What came before the room could be opened.
    early: Vec<Envelope>,
    is_heard: IsHeard,
}

/// One join's hold on a room's mirror; the mirror goes when the last is dropped.
pub struct Seat {
    mirror: Arc<Mirror>,
    key: RoomKey,
    is_heard: IsHeard,
}

impl Mirror {
    #[expect(clippy::too_many_arguments, reason = "called once, by the composition root")]
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        membership: Arc<Membership>,
        relay: Arc<dyn Relay>,
        recorder: Arc<Recorder>,
        audiences: Arc<dyn Audiences>,
        wheel: Arc<Wheel<Wake>>,
        settings: MirrorSettings,
    ) -> (Self, Wishes) {
        let (hearing, subscriptions) = Hearing::new();
        let (errands, errands_receiver) = mpsc::unbounded_channel();
        let mirror = Self {
            clock,
            metrics,
            membership,
            relay,
            recorder,
            audiences,
            wheel,
            settings,
            slots: RwLock::default(),
            serials: AtomicU64::new(1),
            hearing,
            errands,
            closed: ClosedRooms::default(),
            swept: Mutex::default(),
        };
        (mirror, Wishes { subscriptions, errands: errands_receiver })
    }

    /// Takes a seat before joining, so that nothing that happens meanwhile is missed.
    pub fn enter(self: &Arc<Self>, key: &RoomKey) -> Seat {
        let mut slots = self.slots.write();
        let slot = slots.entry(key.clone()).or_insert_with(|| {
            let is_heard = self.hearing.hear(Topic::Room(key.clone()));
            Slot { seats: 0, room: None, early: Vec::new(), is_heard }
        });
        slot.seats += 1;
        Seat { mirror: self.clone(), key: key.clone(), is_heard: slot.is_heard.clone() }
    }

    pub fn room(&self, key: &RoomKey) -> Option<Arc<RoomMirror>> {
        self.slots.read().get(key)?.room.clone()
    }

    /// Every room that is open here.
    pub(super) fn rooms(&self) -> Vec<Arc<RoomMirror>> {
        self.slots.read().values().filter_map(|slot| slot.room.clone()).collect()
    }

    /// Whether anybody is in the room here, or on the way in.
    pub(super) fn is_attended(&self, key: &RoomKey) -> bool {
        self.slots.read().contains_key(key)
    }

    /// The highest epoch that this node has accepted for the room.
    pub(super) fn highest_epoch(&self, key: &RoomKey) -> u64 {
        self.room(key).map_or(0, |room| room.lock().stamp.epoch)
    }

    /// The node that conducted the room when it was last heard here.
    pub(super) fn conductor_of(&self, key: &RoomKey) -> Option<Arc<str>> {
        self.room(key)?.lock().conductor.as_ref().map(|(node, _)| node.clone())
    }

    /// Whether this node may act at all.
    pub(super) fn stands(&self) -> bool {
        self.membership.standing().is_some()
    }

    /// This process.
    pub(super) fn home(&self) -> Home {
        self.membership.home()
    }

    /// A conductor on this node speaks. `snapshot` fills a mirror that is only now needed.
    pub(super) fn deliver(self: &Arc<Self>, key: &RoomKey, snapshot: impl FnOnce() -> Snapshot, update: &RoomUpdate) {
        let existing = match self.slots.read().get(key) {
            None => return,
            Some(slot) => slot.room.clone(),
        };
        match existing {
            Some(room) => {
                room.lock().conductor = Some((self.membership.node().clone(), self.membership.incarnation()));
                room.accept(update);
            }
            None => self.open(key, &snapshot()),
        }
    }

    /// A conductor on this node begins its reign.
    pub(super) fn deliver_snapshot(self: &Arc<Self>, key: &RoomKey, snapshot: &Snapshot) {
        if let Some(room) = self.room(key) {
            room.lock().conductor = Some((self.membership.node().clone(), self.membership.incarnation()));
            room.accept_snapshot(snapshot);
        }
    }

    /// Opens the room, if somebody has a seat in it and it is not open yet; what came too early is taken in then.
    pub(super) fn open(self: &Arc<Self>, key: &RoomKey, snapshot: &Snapshot) {
        // Under the lock from beginning to end, as is the goodbye in `Seat::drop`: neither may undo the other.
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(key).filter(|slot| slot.room.is_none()) else { return };
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let audience = self.audiences.audience_of(key, serial);
        let opened = Arc::new(RoomMirror::opened(self, key, snapshot, serial, audience));
        let early = std::mem::take(&mut slot.early);
        slot.room = Some(opened.clone());
        self.metrics.rooms_attended.inc();
        // Before anybody else can hear anything, so that the early ones stay the first.
        for envelope in &early {
            opened.hear(envelope);
        }
        drop(slots);
        opened.schedule(&mut opened.lock());
    }

    /// Another node speaks about a room.
    pub fn hear(self: &Arc<Self>, key: &RoomKey, envelope: Envelope) {
        let room = match self.slots.read().get(key) {
            None => return,
            Some(slot) => slot.room.clone(),
        };
        if let Some(room) = room {
            return room.hear(&envelope);
        }
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(key) else { return };
        match &slot.room {
            Some(room) => {
                let room = room.clone();
                drop(slots);
                room.hear(&envelope);
            }
            // Past the limit the next plan shows that something was missed.
            None if slot.early.len() < EARLY_MAX => slot.early.push(envelope),
            None => {}
        }
    }

    /// Messages of other nodes about these rooms were lost, or about any (None).
    pub fn note_gap(&self, topics: Option<&[Topic]>) {
        let is_missed = |key: &RoomKey| topics.is_none_or(|topics| topics.contains(&Topic::Room(key.clone())));
        for room in self.rooms().into_iter().filter(|room| is_missed(room.key())) {
            room.become_stale(&mut room.lock());
        }
    }

    pub(super) fn run_errand(&self, errand: Errand) {
        let _ = self.errands.send(errand);
    }

    pub(super) fn note_closed(&self, key: &RoomKey, epoch: u64) {
        self.closed.note(key, epoch);
    }

    /// Keeps the relay's subscriptions as the rooms come and go. Runs for the node's life.
    pub async fn run_subscriptions(&self, subscriptions: Subscriptions) {
        subscriptions.0.carry_out(&*self.relay).await;
    }

    /// The conductor's regular plan.
    /// False: this node knows of a higher reign, or of a later change.
    pub(super) fn deliver_plan(&self, key: &RoomKey, plan: &Plan) -> bool {
        let Some(room) = self.room(key) else { return true };
        room.lock().conductor = Some((self.membership.node().clone(), self.membership.incarnation()));
        room.accept_plan(plan)
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
            let size = wake.room.upgrade().map_or(0, |room| room.audience().size().max(1));
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
        let is_due = |room: &&Arc<RoomMirror>| room.serial() as usize % SWEEP_SLOTS == turn;
        let slots = self.slots.read();
        let rooms: Vec<_> = slots.values().filter_map(|slot| slot.room.as_ref()).filter(is_due).cloned().collect();
        drop(slots);
        let in_holdover = rooms.iter().filter(|room| self.contain("sweep", || room.sweep()).unwrap_or(false)).count();
        let boot_us = self.clock.boot_us();
        let mut swept = self.swept.lock();
        // Counted from turn to turn, so that a room counts for as long as it is in holdover, whatever holds the sweep up.
        let since_us = boot_us - swept[turn].at_us.unwrap_or(boot_us);
        self.metrics.holdover_seconds.inc_by(in_holdover as f64 * since_us as f64 / 1e6);
        swept[turn] = Swept { in_holdover, at_us: Some(boot_us) };
        self.metrics.rooms_in_holdover.set(swept.iter().map(|swept| swept.in_holdover).sum::<usize>() as i64);
    }
}

impl Seat {
    /// Resolves once everything that other nodes say of the room is heard here, or cannot be for now.
    pub async fn heard(&mut self) {
        // Nobody carries wishes out any more only when the node is going down.
        let _ = self.is_heard.wait_for(|heard| *heard).await;
    }

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
        let removed = slots.remove(&self.key);
        self.mirror.hearing.ignore(Topic::Room(self.key.clone()));
        let Some(Slot { room: Some(room), .. }) = removed else { return };
        // Under the lock: whoever comes next opens the room anew, and must not lose that audience to this goodbye.
        self.mirror.audiences.dismiss(&self.key);
        self.mirror.metrics.rooms_attended.dec();
        drop(slots);
        drop(room);
    }
}
