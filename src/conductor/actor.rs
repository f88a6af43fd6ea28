//! The actor that conducts one room: the only writer of its timeline and controls.
//!
//! It takes one request at a time, lets the pure room decide, stores what changed, and only then tells anybody.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{
    Mirror,
    update::{Update, plan_of},
};
use crate::{
    placement::Membership,
    relay::{Body, Stamp, Topic},
    room::{Actor, Applied, Control, Join, Refusal, Room, RoomKey},
    store::{DONE_PER_ROOM, Done, Fence, Store, WriteRefused},
    telemetry::{Metrics, count},
    time::Clock,
};

/// What a conductor needs of its node.
pub(super) struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub mirror: Arc<Mirror>,
    pub membership: Arc<Membership>,
    pub metrics: Arc<Metrics>,
    /// How far ahead a change takes effect, so that every gateway has it in time.
    pub control_lead_us: i64,
}

/// Names one request of one connection, so that its repetition is answered and not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    pub connection: u64,
    /// The socket's ref and the request's fingerprint.
    pub request: String,
}

/// Why a conductor did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Declined {
    Refused(Refusal),
    /// This conductor's reign is over: ask again, another will answer.
    Deposed,
    /// The store does not answer.
    Unavailable,
}

pub(super) enum Mail {
    Admit {
        join: Join,
        reply: oneshot::Sender<Result<(), Declined>>,
    },
    Depart {
        connection: u64,
        reply: oneshot::Sender<Result<(), Declined>>,
    },
    Control {
        actor: Actor,
        control: Control,
        request: Option<RequestId>,
        reply: oneshot::Sender<Result<Value, Declined>>,
    },
    /// Once a second: publish the plan, look whether the room is still needed.
    Tick,
}

/// One reign over one room.
pub(super) struct Conductor {
    surroundings: Arc<Surroundings>,
    room: Room,
    fence: Fence,
    done: VecDeque<Done>,
    occupancy: Arc<AtomicUsize>,
    start_stagger_us: i64,
}

/// Whether the reign goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Goes,
    Ends,
}

/// Why a conductor is none any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The room is no more.
    Closed,
    /// The reign is over, or the conductor failed: the room has to be taken up again.
    Vacant,
}

impl Conductor {
    pub fn new(
        surroundings: Arc<Surroundings>,
        room: Room,
        fence: Fence,
        done: Vec<Done>,
        occupancy: Arc<AtomicUsize>,
    ) -> Self {
        occupancy.store(room.members.len(), Ordering::Relaxed);
        let start_stagger_us = stagger_us(&room.key);
        Self { surroundings, room, fence, done: done.into(), occupancy, start_stagger_us }
    }

    /// Conducts until the room closes or the reign ends; answers whatever is still in the mailbox by dropping it.
    pub async fn run(mut self, mut mailbox: mpsc::Receiver<Mail>) -> Ended {
        let metrics = self.surroundings.metrics.clone();
        metrics.rooms.inc();
        self.announce();
        while let Some(mail) = mailbox.recv().await {
            match AssertUnwindSafe(self.handle(mail)).catch_unwind().await {
                Ok(Next::Goes) => {}
                Ok(Next::Ends) => break,
                Err(_) => {
                    count(&metrics.panics, "conductor");
                    tracing::error!(room.key = %self.room.key, "a conductor failed; the room is taken up again from its record");
                    // What it knew of the change that it was at is not to be trusted, not even that the room is closed.
                    self.room.controls.closed = false;
                    break;
                }
            }
        }
        metrics.rooms.dec();
        if self.room.controls.closed { Ended::Closed } else { Ended::Vacant }
    }

    async fn handle(&mut self, mail: Mail) -> Next {
        match mail {
            Mail::Admit { join, reply } => {
                let (outcome, next) = self.admit(join).await;
                // Whoever asked may have gone: a departure then follows (`channels::join`).
                let _ = reply.send(outcome);
                next
            }
            Mail::Control { actor, control, request, reply } => {
                let (outcome, next) = self.control(&actor, &control, request).await;
                let _ = reply.send(outcome);
                next
            }
            Mail::Depart { connection, reply } => {
                let now_us = self.surroundings.clock.now_us();
                let applied = self.room.depart(connection, now_us);
                let (outcome, next) = self.carry_out(applied, None).await;
                let _ = reply.send(outcome);
                next
            }
            Mail::Tick => self.tick().await,
        }
    }

    async fn admit(&mut self, join: Join) -> (Result<(), Declined>, Next) {
        let now_us = self.surroundings.clock.now_us();
        match self.room.admit(&join, now_us, self.lead_us()) {
            Ok(applied) => self.carry_out(applied, None).await,
            Err(refusal) => (Err(Declined::Refused(refusal)), Next::Goes),
        }
    }

    async fn control(
        &mut self,
        actor: &Actor,
        control: &Control,
        request: Option<RequestId>,
    ) -> (Result<Value, Declined>, Next) {
        if let Some(repeated) = request.as_ref().and_then(|request| self.answered(request)) {
            return (Ok(repeated), Next::Goes);
        }
        let now_us = self.surroundings.clock.now_us();
        let applied = match self.room.apply(actor, control, now_us, self.lead_us()) {
            Ok(applied) => applied,
            Err(refusal) => return (Err(Declined::Refused(refusal)), Next::Goes),
        };
        let reply = json!({});
        let done = request.map(|id| Done { connection: id.connection, request: id.request, reply: reply.clone() });
        let (outcome, next) = self.carry_out(applied, done).await;
        (outcome.map(|()| reply), next)
    }

    async fn tick(&mut self) -> Next {
        if !self.reigns() {
            return Next::Ends;
        }
        let now_us = self.surroundings.clock.now_us();
        if let Some(applied) = self.room.tick(now_us) {
            let (_, next) = self.carry_out(applied, None).await;
            if next == Next::Ends {
                return next;
            }
        }
        let plan = plan_of(self.stamp(), &self.room);
        self.surroundings.mirror.deliver_plan(&self.room.key, &plan);
        self.surroundings.mirror.publish(&self.topic(), Body::Plan(plan));
        self.surroundings.metrics.plans_published.inc();
        Next::Goes
    }

    /// Stores first, then tells: acknowledged means stored. Once the reign is over, nothing is acknowledged any more,
    /// not even what needs no storing.
    async fn carry_out(&mut self, applied: Applied, done: Option<Done>) -> (Result<(), Declined>, Next) {
        if !self.reigns() {
            self.room.roll_back(applied);
            return (Err(Declined::Deposed), Next::Ends);
        }
        if applied.controls_changed
            && let Err((declined, next)) = self.store(&applied, done.as_ref()).await
        {
            self.room.roll_back(applied);
            return (Err(declined), next);
        }
        if let Some(done) = done {
            self.done.push_back(done);
            if self.done.len() > DONE_PER_ROOM {
                self.done.pop_front();
            }
        }
        self.occupancy.store(self.room.members.len(), Ordering::Relaxed);
        let closed = applied.closed;
        self.tell(applied);
        (Ok(()), if closed { Next::Ends } else { Next::Goes })
    }

    async fn store(&mut self, applied: &Applied, done: Option<&Done>) -> Result<(), (Declined, Next)> {
        let store = &self.surroundings.store;
        let written = if applied.closed {
            store.close_room(&self.room.key, &self.fence).await
        } else {
            store.write_room(&self.room.key, &self.fence, &self.room.controls, done.cloned()).await
        };
        let metrics = &self.surroundings.metrics;
        match written {
            Ok(()) => {
                count(&metrics.store_writes, "stored");
                Ok(())
            }
            Err(WriteRefused::Gone) if applied.closed => Ok(()),
            Err(refused @ (WriteRefused::Fenced { .. } | WriteRefused::Gone)) => {
                count(&metrics.store_writes, "fenced");
                tracing::warn!(room.key = %self.room.key, room.epoch = self.fence.epoch, %refused, "this reign is over");
                Err((Declined::Deposed, Next::Ends))
            }
            Err(WriteRefused::Unavailable(error)) => {
                count(&metrics.store_writes, "unavailable");
                tracing::error!(room.key = %self.room.key, %error, "a change could not be stored and was taken back");
                Err((Declined::Unavailable, Next::Goes))
            }
        }
    }

    /// The mirrors of a room that was taken up learn of the new reign, and of what the last one may not have told.
    fn announce(&self) {
        let update = Update {
            stamp: self.stamp(),
            member_changes: Vec::new(),
            events: Vec::new(),
            timeline_changed: true,
            ejected: Vec::new(),
            closed: false,
        };
        self.surroundings.mirror.deliver(&self.room, &update);
        self.surroundings.mirror.publish(&self.topic(), update.into_body());
    }

    fn tell(&self, applied: Applied) {
        let update = Update {
            stamp: self.stamp(),
            member_changes: applied.member_changes,
            events: applied.events,
            timeline_changed: applied.timeline_changed,
            ejected: applied.ejected,
            closed: applied.closed,
        };
        self.surroundings.mirror.deliver(&self.room, &update);
        self.surroundings.mirror.publish(&self.topic(), update.into_body());
    }

    fn answered(&self, request: &RequestId) -> Option<Value> {
        self.done
            .iter()
            .find(|done| done.connection == request.connection && done.request == request.request)
            .map(|done| done.reply.clone())
    }

    /// The session is trusted, and is still the one that this reign was won with.
    fn reigns(&self) -> bool {
        self.surroundings.membership.standing() == Some(self.fence.incarnation)
    }

    fn stamp(&self) -> Stamp {
        Stamp { epoch: self.fence.epoch, nonce: self.fence.nonce, rev: self.room.controls.rev }
    }

    fn lead_us(&self) -> i64 {
        self.surroundings.control_lead_us + self.start_stagger_us
    }

    fn topic(&self) -> Topic {
        Topic::Room(self.room.key.clone())
    }
}

/// Rooms that are started together do not beat in the same microsecond: under a millisecond apart.
fn stagger_us(key: &RoomKey) -> i64 {
    (xxhash_rust::xxh3::xxh3_64(key.code.as_str().as_bytes()) % 1_000) as i64
}
