//! A node's gateway: it keeps the highest stamp, beats from the last plan, and knows what it was told of the controls.

use std::rc::Rc;

use downbeat::{
    relay::Stamp,
    store::{Fate, Lineage},
    tempo::{DueBeat, Timeline},
};

use crate::{
    checks::Acked,
    kinds::{Controls, Known, MS, Message, NAMES, NodeId, Owner, Plan, Record, Reign, SECOND, Us},
    world::{Event, Fence, Timer, World},
};

/// The place of a control's bit.
pub type ControlId = u32;

/// Beats more overdue than this are skipped.
const CATCH_UP_US: Us = SECOND;
const RETRY_US: Us = 400 * MS;
pub const SWEEP_US: Us = 500 * MS;
const RECONCILE_US: Us = 5 * SECOND;
const HOLDOVER_US: Us = 3 * SECOND;
const RETURN_WITHIN_US: Us = 5 * SECOND;
const TOO_LOW_EVERY_US: Us = 500 * MS;
/// Earlier reigns whose room is kept until it is known what became of it.
const FORMER_MAX: usize = 4;

pub struct Gateway {
    /// The highest accepted.
    pub stamp: Stamp,
    owner: Owner,
    pub controls: Controls,
    lineage: Lineage,
    /// The room as it was in reigns before, until it is known that the present one has it, or has dealt with it.
    former: Vec<Known>,
    /// Something was missed: the record has to be read again.
    pub is_stale: bool,
    /// By this node's clock.
    plan_heard_us: Us,
    told_too_low_us: Us,
    /// What is returned is returned again until then, while nobody answers.
    returning_until_us: Us,
    reconcile_us: Us,
    timeline: Rc<Timeline>,
    /// The last beat sent.
    pub last: Option<i64>,
    /// Nothing due before this is sent.
    from_us: Us,
    serial: u64,
}

impl Gateway {
    fn of(record: &Record, now_us: Us, boot_us: Us) -> Self {
        Self {
            stamp: record.reign.stamp(record.controls.rev),
            owner: record.owner,
            controls: record.controls.clone(),
            lineage: record.lineage.clone(),
            former: Vec::new(),
            is_stale: false,
            plan_heard_us: boot_us,
            told_too_low_us: i64::MIN,
            returning_until_us: i64::MIN,
            reconcile_us: boot_us + RECONCILE_US,
            timeline: record.controls.timeline.clone(),
            last: None,
            from_us: now_us,
            serial: 0,
        }
    }

    /// The room as this gateway knows it: under the reign that it follows, which it may not have heard the controls of.
    fn known(&self) -> Known {
        Known { reign: Reign::of(self.stamp), controls: self.controls.clone() }
    }

    /// As it is given back to a store that has lost it.
    pub fn as_record(&self) -> Record {
        let Known { reign, controls } = self.known();
        Record { owner: self.owner, reign, controls, lineage: self.lineage.clone() }
    }

    fn knows_lineage(&self) -> bool {
        self.lineage.present() == Some((self.stamp.epoch, self.stamp.nonce))
    }

    /// Keeps what is known of the reign before, where `stamp` is of another.
    fn leave_reign(&mut self, stamp: Stamp) {
        if Reign::of(stamp) != Reign::of(self.stamp) && self.former.len() < FORMER_MAX {
            self.former.push(self.known());
        }
    }

    fn next(&self, now_us: Us) -> Option<DueBeat> {
        self.timeline.next_beat(self.last, self.from_us.max(now_us.saturating_sub(CATCH_UP_US)))
    }

    pub fn next_due_us(&self, now_us: Us) -> Option<Us> {
        self.next(now_us).map(|due| due.due_us)
    }
}

impl World {
    pub fn heard(&mut self, node: NodeId, from: NodeId, message: &Message) {
        match message {
            Message::Plan(plan) => self.heard_plan(node, plan),
            Message::TooLow { above } => self.heard_too_low(node, *above),
            Message::TakeUp => self.read_room(node),
            Message::RollCall { number } => self.heard_roll_call(node, from, *number),
            Message::Roll { number, known } => self.heard_roll(node, from, *number, known.as_ref()),
            Message::Returned(known) => self.heard_returned(node, from, known),
            Message::Settled { stamp } => {
                if let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) {
                    gateway.former.retain(|known| known.stamp() != *stamp);
                }
            }
            Message::Control { id } => self.heard_control(node, from, *id),
            Message::Done { id, reign, rev } => self.heard_done(node, *id, *reign, *rev),
        }
    }

    fn heard_plan(&mut self, node: NodeId, plan: &Plan) {
        let boot_us = self.boot_us(node);
        let fenced = self.stands(Fence::Gateway);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        if plan.stamp < gateway.stamp && fenced {
            if boot_us.saturating_sub(gateway.told_too_low_us) >= TOO_LOW_EVERY_US {
                gateway.told_too_low_us = boot_us;
                let above = gateway.stamp.epoch;
                self.checks.note(|| format!("{} drops {:?} of {}", NAMES[node], plan.stamp, NAMES[plan.owner.node]));
                self.tell(node, plan.owner.node, Message::TooLow { above });
            }
            return;
        }
        gateway.owner = plan.owner;
        self.take_in(node, plan);
    }

    fn take_in(&mut self, node: NodeId, plan: &Plan) {
        let boot_us = self.boot_us(node);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        let (before, reign) = (gateway.stamp, Reign::of(plan.stamp));
        let is_same_reign = Reign::of(before) == reign;
        let mut is_missed = false;
        if let Some(controls) = &plan.controls {
            if plan.lineage.is_none() && plan.stamp == before {
                // Heard before.
                return;
            }
            gateway.leave_reign(plan.stamp);
            gateway.controls = controls.clone();
            match &plan.lineage {
                Some(lineage) => {
                    gateway.lineage = lineage.clone();
                    gateway.is_stale = false;
                }
                None => is_missed = !is_same_reign,
            }
        } else {
            is_missed = plan.stamp != before;
            gateway.leave_reign(plan.stamp);
        }
        gateway.plan_heard_us = boot_us;
        gateway.timeline = plan.timeline.clone();
        // Only the number of a reign and a rev of which everything is known is accepted; the times hold at once.
        let knows_less = plan.controls.is_none() && is_same_reign && is_missed;
        gateway.stamp = if knows_less { before } else { plan.stamp };
        if plan.lineage.is_some() {
            self.check_inheritance(node);
        }
        self.note_known(node);
        if is_missed {
            self.become_stale(node);
        }
        self.relock(node, Reign::of(before), plan.stamp);
    }

    fn relock(&mut self, node: NodeId, before: Reign, stamp: Stamp) {
        let reign = Reign::of(stamp);
        if reign > before {
            if !self.stands(Fence::Dedupe)
                && let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut())
            {
                gateway.last = None;
            }
            self.checks.note(|| format!("{} follows {reign:?} rev {}", NAMES[node], stamp.rev));
            self.schedule_beat(node);
        }
        if reign < before {
            self.checks.fail(format!("{} followed {reign:?} after {before:?}", NAMES[node]));
        }
    }

    /// Acknowledged changes that this gateway has now, and not only the word that they were stored.
    fn note_known(&mut self, node: NodeId) {
        let state = &self.nodes[node];
        let Some(gateway) = state.process.as_ref().and_then(|process| process.gateway.as_ref()) else { return };
        let is_known = |id: ControlId| gateway.controls.applied & (1 << id) != 0;
        for (id, acked) in &mut self.checks.acked {
            if acked.gateway == node && acked.process == state.processes && is_known(*id) {
                acked.is_known = true;
            }
        }
    }

    /// A reign that began with less than is known here is given what it lacks, until it says that it has dealt with it.
    fn check_inheritance(&mut self, node: NodeId) {
        let boot_us = self.boot_us(node);
        let Some(gateway) = self.nodes[node].process.as_ref().and_then(|process| process.gateway.as_ref()) else {
            return;
        };
        if !gateway.knows_lineage() && self.stands(Fence::KnownLineage) {
            return;
        }
        let lacks = |known: &&Known| self.fate(&gateway.lineage, known.stamp(), gateway.stamp.rev) != Fate::Kept;
        let lacking: Vec<Known> = gateway.former.iter().filter(lacks).cloned().collect();
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        gateway.former = lacking;
        gateway.returning_until_us = boot_us + RETURN_WITHIN_US;
        self.give_what_it_lacks(node);
    }

    fn give_what_it_lacks(&mut self, node: NodeId) {
        let persists = self.stands(Fence::Persistence);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        let owner = gateway.owner.node;
        let former = if persists { gateway.former.clone() } else { std::mem::take(&mut gateway.former) };
        for known in former {
            self.tell(node, owner, Message::Returned(known));
        }
    }

    pub fn known_by(&self, node: NodeId) -> Option<Known> {
        let gateway = self.nodes[node].process.as_ref()?.gateway.as_ref()?;
        Some(gateway.known())
    }

    pub fn become_stale(&mut self, node: NodeId) {
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        gateway.is_stale = true;
        self.read_room(node);
    }

    /// Twice a second.
    pub fn sweep(&mut self, node: NodeId) {
        let boot_us = self.boot_us(node);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        if boot_us >= gateway.reconcile_us {
            gateway.reconcile_us = boot_us + RECONCILE_US;
            // That nobody speaks of the room may mean that it was closed, and that this was not heard here.
            gateway.is_stale |= boot_us - gateway.plan_heard_us > HOLDOVER_US;
            self.check_inheritance(node);
        } else if boot_us < gateway.returning_until_us {
            self.give_what_it_lacks(node);
        }
        let gateway = self.process(node).and_then(|process| process.gateway.as_ref());
        if gateway.is_some_and(|gateway| gateway.is_stale) {
            self.read_room(node);
        }
    }

    /// What the record says is as good as a plan, and its controls are whole.
    pub fn follow_record(&mut self, node: NodeId, record: &Record) {
        let (now_us, boot_us) = (self.now_us, self.boot_us(node));
        let strict = self.stands(Fence::KnownLineage);
        let Some(process) = self.process(node) else { return };
        let Some(gateway) = process.gateway.as_mut() else {
            process.gateway = Some(Gateway::of(record, now_us, boot_us));
            self.schedule_beat(node);
            return;
        };
        let stamp = record.reign.stamp(record.controls.rev);
        if stamp >= gateway.stamp {
            // Whom to ask is read anew by whoever asks.
            gateway.owner = record.owner;
        }
        if !std::mem::take(&mut gateway.is_stale) {
            return;
        }
        if stamp < gateway.stamp {
            // Read before what was heard since.
            gateway.is_stale = strict && Reign::of(stamp) == Reign::of(gateway.stamp);
            return;
        }
        let is_known = stamp == gateway.stamp && gateway.controls == record.controls;
        if is_known && (!strict || gateway.lineage == record.lineage) {
            // What says nothing new is no conductor's word: it ends no holdover.
            return;
        }
        let plan = Plan {
            owner: record.owner,
            stamp,
            timeline: record.controls.timeline.clone(),
            controls: Some(record.controls.clone()),
            lineage: Some(record.lineage.clone()),
        };
        self.take_in(node, &plan);
    }

    pub fn schedule_beat(&mut self, node: NodeId) {
        let now_us = self.now_us;
        let process_number = self.nodes[node].processes;
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        gateway.serial += 1;
        let serial = gateway.serial;
        if let Some(due_us) = gateway.next_due_us(now_us) {
            self.at(due_us, Event::Timer { node, process: process_number, timer: Timer::Beat { serial } });
        }
    }

    pub fn beat(&mut self, node: NodeId, serial: u64) {
        let now_us = self.now_us;
        let Some(process) = self.process(node) else { return };
        let was_stopped = process.stopped_since_beat;
        let Some(gateway) = process.gateway.as_mut().filter(|gateway| gateway.serial == serial) else { return };
        let (mut failure, mut sent) = (None, false);
        while let Some(DueBeat { beat, due_us }) = gateway.next(now_us).filter(|due| due.due_us <= now_us) {
            let expected = gateway.last.map(|last| last + 1);
            if !was_stopped && (due_us != now_us || expected.is_some_and(|expected| expected != beat)) {
                failure = Some(format!("{} sent beat {beat} (due {due_us}) where {expected:?} was due", NAMES[node]));
            }
            gateway.last = Some(beat);
            sent = true;
        }
        process.stopped_since_beat = was_stopped && !sent;
        if let Some(failure) = failure {
            self.checks.fail(failure);
        }
        self.schedule_beat(node);
    }

    /// A teacher on this node acts; the gateway asks again under the same id until it is done.
    pub fn send_control(&mut self, node: NodeId, id: ControlId) {
        if self.checks.acked.contains_key(&id) {
            return;
        }
        self.timer(node, RETRY_US, Timer::Retry { id });
        let owner = self.process(node).and_then(|process| process.gateway.as_ref()).map(|gateway| gateway.owner.node);
        if let Some(owner) = owner {
            self.tell(node, owner, Message::Control { id });
        }
    }

    fn heard_done(&mut self, node: NodeId, id: ControlId, reign: Reign, rev: u64) {
        let process = self.nodes[node].processes;
        self.checks.note(|| format!("{} hears that control {id} is done: {reign:?} rev {rev}", NAMES[node]));
        let acked = Acked { stamp: reign.stamp(rev), gateway: node, process, is_known: false };
        self.checks.acked.entry(id).or_insert(acked);
        self.note_known(node);
    }
}
