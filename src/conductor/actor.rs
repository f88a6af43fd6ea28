//! The actor that conducts one room: the only writer of its timeline, its controls and its list of members.
//!
//! It takes one request at a time, lets the pure room decide, stores what changed, and only then tells anybody.

use std::{
    collections::{BTreeSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};

use super::{
    Mirror,
    ask::{Ask, Declined, Reply, RequestId},
    confirm,
    people::{Homes, member_of},
    reign::{Keepsake, Reign},
    update::{plan_of, snapshot_of, update_of},
};
use crate::{
    participation::{Receipt, Recorder},
    placement::{Directory, Membership},
    relay::{Body, Calls, Snapshot, Stamp, Topic},
    room::{Actor, Applied, Control, Join, Room, RoomKey},
    store::{DONE_PER_ROOM, Done, Home, Owner, Store},
    telemetry::{Held, Metrics, count},
    time::Clock,
    traces,
};

/// What a conductor needs of its node.
pub(super) struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub mirror: Arc<Mirror>,
    pub membership: Arc<Membership>,
    pub directory: Arc<Directory>,
    pub calls: Arc<Calls>,
    pub metrics: Arc<Metrics>,
    pub recorder: Arc<Recorder>,
    /// How far ahead a change takes effect, so that every gateway has it in time.
    pub control_lead_us: i64,
}

pub(super) type Answer = Result<Reply, Declined>;

/// A mailbox keeps space for dozens of these, whatever waits in it: so each is small.
pub(super) enum Mail {
    Ask {
        asked: Box<Asked>,
        reply: oneshot::Sender<Answer>,
    },
    /// Give the room to another node, and end.
    HandOver {
        to: Box<Owner>,
        done: oneshot::Sender<bool>,
    },
    /// Begin the reign anew, above this epoch.
    ReAssert {
        above_epoch: u64,
    },
    /// Once a second: publish the plan, look whether the room and its members are still there.
    Tick,
}

/// A question, and the step of a trace that it is, from the moment when it is put.
pub(super) struct Asked {
    pub ask: Ask,
    pub span: Span,
}

/// One reign over one room.
pub(super) struct Conductor {
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) room: Room,
    pub(super) homes: Homes,
    pub(super) reign: Reign,
    pub(super) done: VecDeque<Done>,
    /// Of what the request at hand has changed.
    receipt: Receipt,
    start_stagger_us: i64,
}

/// Whether the reign goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Goes,
    Ends,
}

/// Why a conductor is none any longer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// The room is no more.
    Closed { epoch: u64 },
    /// The room is another node's.
    HandedOver,
    /// The reign is over, or the conductor failed: the room has to be taken up again. What it knew comes along, in case
    /// that the store has lost it.
    Vacant(Box<Keepsake>),
    /// It failed: what it knew may never have been stored.
    Failed,
}

impl Conductor {
    pub fn new(surroundings: Arc<Surroundings>, room: Room, homes: Homes, reign: Reign, done: Vec<Done>) -> Self {
        let start_stagger_us = stagger_us(&room.key);
        Self { surroundings, room, homes, reign, done: done.into(), receipt: Receipt::default(), start_stagger_us }
    }

    /// Conducts until the room closes or the reign ends; answers whatever is still in the mailbox by dropping it.
    /// Boxed, because a task holds what it is given several times over.
    pub async fn run(mut self: Box<Self>, mut mailbox: mpsc::Receiver<Mail>) -> Ended {
        let metrics = self.surroundings.metrics.clone();
        let _conducted = [Held::count(metrics.rooms.clone()), metrics.tenants.room(&self.room.key.tenant)];
        let epoch = i64::try_from(self.reign.fence.epoch).unwrap_or(i64::MAX);
        metrics.epoch_highest.set(metrics.epoch_highest.get().max(epoch));
        self.announce();
        self.record_beginning();
        while let Some(mail) = mailbox.recv().await {
            match AssertUnwindSafe(self.handle(mail)).catch_unwind().await {
                Ok(Next::Goes) => {}
                Ok(Next::Ends) => break,
                Err(_) => {
                    count(&metrics.panics, "conductor");
                    tracing::error!(
                        tenant.id = %self.room.key.tenant, room.code = %self.room.key.code,
                        "a conductor failed; the room is taken up again from its record"
                    );
                    // What it knew of the change that it was at is not to be trusted, not even that the room is closed.
                    return Ended::Failed;
                }
            }
        }
        if self.room.controls.closed {
            Ended::Closed { epoch: self.reign.fence.epoch }
        } else if self.reign.is_handed_over {
            Ended::HandedOver
        } else {
            Ended::Vacant(Box::new(self.keepsake()))
        }
    }

    async fn handle(&mut self, mail: Mail) -> Next {
        match mail {
            Mail::Ask { asked, reply } => {
                let Asked { ask, span } = *asked;
                self.answer(ask, reply).instrument(span).await
            }
            Mail::HandOver { to, done } => {
                let handed_over = self.hand_over(*to).await;
                // Whoever drains may have run out of time.
                let _ = done.send(handed_over);
                if handed_over { Next::Ends } else { Next::Goes }
            }
            Mail::ReAssert { above_epoch } => self.re_assert(above_epoch).await,
            Mail::Tick => self.tick().await,
        }
    }

    async fn answer(&mut self, ask: Ask, reply: oneshot::Sender<Answer>) -> Next {
        if self.reign.is_uncertain
            && let Err((declined, next)) = self.settle_uncertainty().await
        {
            let _ = reply.send(Err(declined));
            return next;
        }
        let to_confirm = match &ask {
            Ask::Control { control, .. } if confirm::is_needed(control) => confirm::others(self),
            _ => BTreeSet::new(),
        };
        let (answer, next) = match ask {
            Ask::Admit { join, home, wants_snapshot } => self.admit(join, home, wants_snapshot).await,
            Ask::Return { member } => {
                let now_us = self.now_us();
                let boot_us = self.surroundings.clock.boot_us();
                for (connection, home) in member.connections.iter() {
                    // It lives, though no look may have shown it yet.
                    self.surroundings.directory.note_heard(home, boot_us);
                    self.homes.insert(*connection, home.clone());
                }
                let readmitted = self.room.readmit(&member_of(&member), now_us);
                self.finish(readmitted.map_err(Declined::Refused), None, None).await
            }
            Ask::Depart { connection } => {
                let applied = self.room.depart(connection, self.now_us());
                self.finish(Ok(applied), None, None).await
            }
            Ask::Track { student_id, connection, fields } => {
                let tracked = self.room.track(&student_id, connection, fields.as_ref());
                self.finish(tracked.map_err(Declined::Refused), None, None).await
            }
            Ask::Control { actor, control, request } => self.control(&actor, &control, request).await,
            Ask::Restore { snapshot } => self.restore(snapshot).await,
            // The rest is for routers and gateways.
            Ask::TooLow { .. } | Ask::TakeUp | Ask::Confirm { .. } | Ask::RollCall => (Ok(Reply::Done), Next::Goes),
        };
        if answer.is_ok() {
            let receipt = std::mem::take(&mut self.receipt);
            confirm::then_answer(self, to_confirm, receipt, answer, reply);
        } else {
            if !matches!(answer, Err(Declined::Refused(_))) {
                traces::note_failure();
            }
            // Whoever asked may have gone: a departure then follows (`channels::join`).
            let _ = reply.send(answer);
        }
        next
    }

    async fn admit(&mut self, join: Join, home: Home, wants_snapshot: bool) -> (Answer, Next) {
        let (now_us, lead_us) = (self.now_us(), self.lead_us());
        self.homes.insert(join.connection, home);
        let admitted = self.room.admit(&join, now_us, lead_us).map_err(Declined::Refused);
        let (answer, next) = self.finish(admitted, None, None).await;
        let with_room = |_| if wants_snapshot { Reply::Snapshot(Box::new(self.snapshot())) } else { Reply::Done };
        (answer.map(with_room), next)
    }

    async fn control(&mut self, actor: &Actor, control: &Control, request: Option<RequestId>) -> (Answer, Next) {
        if let Some(repeated) = request.as_ref().and_then(|request| self.answered(request)) {
            return (Ok(Reply::Value(repeated)), Next::Goes);
        }
        let (now_us, lead_us) = (self.now_us(), self.lead_us());
        let applied = self.room.apply(actor, control, now_us, lead_us).map_err(Declined::Refused);
        let reply = json!({});
        let done = request.map(|id| Done { connection: id.connection, request: id.request, reply: reply.clone() });
        let (outcome, next) = self.finish(applied, done, Some(&actor.student_id)).await;
        (outcome.map(|_| Reply::Value(reply)), next)
    }

    async fn tick(&mut self) -> Next {
        if !self.reigns() {
            return Next::Ends;
        }
        if self.reign.is_uncertain
            && let Err((_, next)) = self.settle_uncertainty().await
        {
            // No plan of what may not be so: the gateways play on meanwhile.
            return next;
        }
        if self.part_from_the_gone().await == Next::Ends {
            return Next::Ends;
        }
        if let Some(applied) = self.room.tick(self.now_us()) {
            let (_, next) = self.carry_out(applied, None, None).await;
            if next == Next::Ends {
                return next;
            }
        }
        if self.room.members.is_empty() && !self.reign.is_young(self.surroundings.clock.boot_us()) {
            // Nobody to tell: not a command for a room that is empty.
            return Next::Goes;
        }
        let plan = plan_of(self.stamp(), &self.room.controls, self.reign.members_rev);
        if !self.surroundings.mirror.deliver_plan(&self.room.key, &plan) {
            // This node's own gateway knows of something higher: this reign has to begin above it, or is over.
            return self.re_assert(self.surroundings.mirror.highest_epoch(&self.room.key)).await;
        }
        self.surroundings.mirror.publish(&self.topic(), Body::Plan(plan));
        self.surroundings.metrics.plans_published.inc();
        Next::Goes
    }

    async fn finish(
        &mut self,
        applied: Result<Applied, Declined>,
        done: Option<Done>,
        by: Option<&str>,
    ) -> (Answer, Next) {
        let outcome = match applied {
            Ok(applied) => self.carry_out(applied, done, by).await,
            Err(declined) => (Err(declined), Next::Goes),
        };
        self.homes.keep_only(&self.room.members);
        (outcome.0.map(|()| Reply::Done), outcome.1)
    }

    /// Stores first, then tells: acknowledged means stored. Once the reign is over, nothing is acknowledged any more,
    /// not even what needs no storing. `by` is who asked, where somebody did.
    pub(super) async fn carry_out(
        &mut self,
        applied: Applied,
        done: Option<Done>,
        by: Option<&str>,
    ) -> (Result<(), Declined>, Next) {
        if !self.reigns() {
            self.room.roll_back(applied);
            return (Err(Declined::Deposed), Next::Ends);
        }
        let writes = self.homes.writes(&self.room.members, &applied.member_changes);
        if applied.controls_changed {
            self.room.controls.rev = self.room.controls.rev.max(self.reign.burnt_rev + 1);
        }
        let controls =
            if applied.controls_changed { self.store_controls(applied.closed, done.as_ref()).await } else { Ok(()) };
        let stored = match controls {
            Ok(()) => self.store_members(&writes, applied.closed).await,
            refused => refused,
        };
        if let Err((declined, next)) = stored {
            self.room.roll_back(applied);
            return (Err(declined), next);
        }
        if let Some(done) = done {
            self.done.push_back(done);
            if self.done.len() > DONE_PER_ROOM {
                self.done.pop_front();
            }
        }
        self.receipt = self.record_change(&applied, by);
        let (closed, changed_controls) = (applied.closed, applied.controls_changed);
        if changed_controls || !applied.member_changes.is_empty() {
            let update = update_of(self.stamp(), &self.room, applied, self.reign.members_rev, writes);
            traces::step("publish").in_scope(|| {
                self.surroundings.mirror.deliver(&self.room.key, || self.snapshot(), &update);
                self.surroundings.mirror.publish(&self.topic(), Body::RoomUpdate(update));
            });
        }
        (Ok(()), if closed { Next::Ends } else { Next::Goes })
    }

    /// The mirrors of a room that was taken up learn of the new reign, and of what the last one may not have told.
    pub(super) fn announce(&self) {
        let snapshot = self.snapshot();
        self.surroundings.mirror.deliver_snapshot(&self.room.key, &snapshot);
        if !self.room.members.is_empty() {
            self.surroundings.mirror.publish(&self.topic(), Body::Snapshot(snapshot));
        }
    }

    fn answered(&self, request: &RequestId) -> Option<Value> {
        self.done
            .iter()
            .find(|done| done.connection == request.connection && done.request == request.request)
            .map(|done| done.reply.clone())
    }

    /// The session is trusted, and is still the one that this reign was won with.
    pub(super) fn reigns(&self) -> bool {
        self.surroundings.membership.standing() == Some(self.reign.fence.incarnation)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let (lineage, members_rev) = (self.reign.lineage.clone(), self.reign.members_rev);
        snapshot_of(self.stamp(), &self.room, &self.homes, lineage, members_rev)
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { epoch: self.reign.fence.epoch, nonce: self.reign.fence.nonce, rev: self.room.controls.rev }
    }

    pub(super) fn now_us(&self) -> i64 {
        self.surroundings.clock.now_us()
    }

    pub(super) fn lead_us(&self) -> i64 {
        self.surroundings.control_lead_us + self.start_stagger_us
    }

    pub(super) fn topic(&self) -> Topic {
        Topic::Room(self.room.key.clone())
    }
}

/// Rooms that are started together do not beat in the same microsecond: under a millisecond apart.
fn stagger_us(key: &RoomKey) -> i64 {
    (xxhash_rust::xxh3::xxh3_64(key.code.as_str().as_bytes()) % 1_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_conductor_takes_little_of_its_mailbox() {
        assert!(size_of::<Mail>() <= 24, "{} bytes: box what is large", size_of::<Mail>());
    }
}
