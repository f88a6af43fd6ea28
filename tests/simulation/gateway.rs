//! A node's gateway: it keeps the highest stamp, beats from the last plan, and knows what it was told of the controls.

use std::rc::Rc;

use downbeat::{
    relay::Stamp,
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

pub struct Gateway {
    /// The highest accepted.
    pub stamp: Stamp,
    owner: Owner,
    pub controls: Controls,
    /// The reign that `controls` were heard in.
    heard_in: Reign,
    inherited_from: Reign,
    timeline: Rc<Timeline>,
    /// The last beat sent.
    pub last: Option<i64>,
    /// Nothing due before this is sent.
    from_us: Us,
    serial: u64,
    /// What the present reign may lack: returned to it until it says that it has dealt with it.
    unsettled: Vec<Known>,
}

impl Gateway {
    fn of(record: &Record, now_us: Us) -> Self {
        Self {
            stamp: record.reign.stamp(record.controls.rev),
            owner: record.owner,
            controls: record.controls.clone(),
            heard_in: record.reign,
            inherited_from: record.changed_in,
            timeline: record.controls.timeline.clone(),
            last: None,
            from_us: now_us,
            serial: 0,
            unsettled: Vec::new(),
        }
    }

    /// The room as this gateway gives it back to a store that has lost it.
    pub fn as_record(&self) -> Record {
        let changed_in = if self.heard_in == Reign::of(self.stamp) && self.controls.rev == self.stamp.rev {
            self.heard_in
        } else {
            self.inherited_from
        };
        Record { owner: self.owner, reign: Reign::of(self.stamp), controls: self.controls.clone(), changed_in }
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
            Message::TooLow { known } => self.heard_too_low(node, *known),
            Message::Returned(known) => self.heard_returned(node, from, known),
            Message::Settled { reign, rev } => {
                let gateway = self.process(node).and_then(|process| process.gateway.as_mut());
                if let Some(gateway) = gateway {
                    gateway.unsettled.retain(|known| known.reign > *reign || known.rev > *rev);
                }
            }
            Message::Control { id } => self.heard_control(node, from, *id),
            Message::Done { id, reign, rev } => self.heard_done(node, *id, *reign, *rev),
        }
    }

    fn heard_plan(&mut self, node: NodeId, plan: &Plan) {
        let (fenced, persists) = (self.stands(Fence::Gateway), self.stands(Fence::Persistence));
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        let accepted = Reign::of(gateway.stamp);
        if plan.stamp < gateway.stamp && fenced {
            if Reign::of(plan.stamp) < accepted {
                self.checks.note(|| format!("{} drops {:?} of {}", NAMES[node], plan.stamp, NAMES[plan.owner.node]));
                self.tell(node, plan.owner.node, Message::TooLow { known: accepted });
            }
            return;
        }
        self.follow(node, plan);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        let unsettled = if persists { gateway.unsettled.clone() } else { std::mem::take(&mut gateway.unsettled) };
        // It knows that there is more than it has heard.
        let behind = gateway.controls.rev < gateway.stamp.rev || gateway.heard_in < Reign::of(gateway.stamp);
        for known in unsettled {
            self.tell(node, plan.owner.node, Message::Returned(known));
        }
        if behind {
            self.read_room(node);
        }
    }

    /// What the record says is as good as a plan, and its controls are whole.
    pub fn follow_record(&mut self, node: NodeId, record: &Record) {
        let now_us = self.now_us;
        let Some(process) = self.process(node) else { return };
        let Some(gateway) = &process.gateway else {
            process.gateway = Some(Gateway::of(record, now_us));
            self.schedule_beat(node);
            return;
        };
        let stamp = record.reign.stamp(record.controls.rev);
        if stamp >= gateway.stamp {
            let plan = Plan {
                owner: record.owner,
                stamp,
                timeline: record.controls.timeline.clone(),
                inherited: record.controls.rev,
                inherited_from: record.changed_in,
                controls: Some(record.controls.clone()),
            };
            self.follow(node, &plan);
        }
    }

    fn follow(&mut self, node: NodeId, plan: &Plan) {
        let (dedupes, lineage) = (self.stands(Fence::Dedupe), self.stands(Fence::Lineage));
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        let (before, reign) = (Reign::of(gateway.stamp), Reign::of(plan.stamp));
        let relocks = reign > before;
        if relocks {
            let same_reign = before == plan.inherited_from;
            let unknown = before < plan.inherited_from && lineage;
            if gateway.stamp.rev > plan.inherited || (unknown && !same_reign) {
                let known = Known { reign: before, rev: gateway.stamp.rev, controls: gateway.controls.clone() };
                gateway.unsettled.push(known);
            }
        }
        let fell = reign < before;
        gateway.stamp = plan.stamp;
        gateway.owner = plan.owner;
        gateway.inherited_from = plan.inherited_from;
        gateway.timeline = plan.timeline.clone();
        if let Some(controls) = &plan.controls {
            gateway.controls = controls.clone();
            gateway.heard_in = reign;
        }
        if !dedupes && relocks {
            gateway.last = None;
        }
        if relocks {
            self.checks.note(|| format!("{} follows {:?} rev {}", NAMES[node], reign, plan.stamp.rev));
            self.schedule_beat(node);
        }
        if fell {
            self.checks.fail(format!("{} followed {reign:?} after {before:?}", NAMES[node]));
        }
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

    /// An answer from a reign that this gateway does not follow is no answer: the teacher's gateway asks the
    /// conductor that it follows, which knows whether it has the control.
    fn heard_done(&mut self, node: NodeId, id: ControlId, reign: Reign, rev: u64) {
        let process_number = self.nodes[node].processes;
        let strict = self.stands(Fence::Lineage);
        let Some(gateway) = self.process(node).and_then(|process| process.gateway.as_mut()) else { return };
        if reign != Reign::of(gateway.stamp) && strict {
            return;
        }
        if reign == Reign::of(gateway.stamp) {
            gateway.stamp.rev = gateway.stamp.rev.max(rev);
        }
        self.checks.note(|| format!("{} hears that control {id} is done: {reign:?} rev {rev}", NAMES[node]));
        let acked = Acked { reign, rev, gateway: node, process: process_number };
        self.checks.acked.entry(id).or_insert(acked);
    }
}
