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

use super::{Audiences, room_mirror::RoomMirror, update::Update};
use crate::{
    placement::Membership,
    relay::{Body, Envelope, Plan, Relay, Stamp, Topic},
    room::{Members, Room, RoomKey},
    telemetry::{Metrics, count},
    time::{Clock, Wheel},
};

/// The sweep's turns, one every hundredth of a second.
pub const SWEEP_SLOTS: usize = 10;
/// How many sockets the beat thread writes to by itself at one waking: about a millisecond's worth.
const BEAT_THREAD_SOCKETS_MAX: usize = 128;

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
    audiences: Arc<dyn Audiences>,
    pub(super) wheel: Arc<Wheel<Wake>>,
    pub(super) settings: MirrorSettings,
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
        let audience = self.audiences.audience_of(&room.key, serial);
        let opened = Arc::new(RoomMirror::opened(self, room, stamp, serial, audience));
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
