//! One reign over the room, on the node that conducts it.

use std::collections::BTreeSet;

use downbeat::{
    relay::Stamp,
    store::{Fate, Lineage},
};

use crate::{
    gateway::ControlId,
    kinds::{Controls, Known, Message, NAMES, NodeId, Owner, Plan, Record, Reign},
    node::{Act, Purpose},
    server::Command,
    store::Refused,
    world::{Fence, World},
};

pub struct Conducting {
    pub incarnation: u64,
    pub reign: Reign,
    pub controls: Controls,
    pub lineage: Lineage,
    /// A conductor does one thing after the other.
    pub busy: Option<Busy>,
    /// The highest number of a change that may have been stored, and was not acknowledged.
    burnt_rev: u64,
    /// An answer was lost since the record was last read: it may hold more than this conductor knows of.
    pub is_uncertain: bool,
    announced: BTreeSet<Stamp>,
    /// To be put above this epoch.
    pub reassert_above: Option<u64>,
}

/// What a conductor waits for.
pub enum Busy {
    Writing(Controls),
    Settling,
    Claiming,
}

/// A change on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Control {
        id: ControlId,
        gateway: NodeId,
    },
    /// What this reign had not inherited.
    PutBack {
        stamp: Stamp,
        gateway: NodeId,
    },
    /// That these controls are lost.
    Loss {
        stamp: Stamp,
        gateway: NodeId,
        lost: u128,
    },
    /// All that the conductor knows, to a store that has lost some of it.
    Whole,
}

impl Conducting {
    pub fn of(record: &Record) -> Self {
        Self {
            incarnation: record.owner.incarnation,
            reign: record.reign,
            controls: record.controls.clone(),
            lineage: record.lineage.clone(),
            busy: None,
            burnt_rev: 0,
            is_uncertain: false,
            announced: BTreeSet::new(),
            reassert_above: None,
        }
    }

    fn is_free(&self) -> bool {
        self.busy.is_none() && !self.is_uncertain
    }
}

impl World {
    /// The reign is over, and not because the room was given away: what it knew is kept.
    pub fn end_reign(&mut self, node: NodeId, why: &str) {
        let Some(process) = self.process(node) else { return };
        let Some(Conducting { incarnation, reign, controls, lineage, .. }) = process.conducting.take() else { return };
        process.claiming = false;
        process.keepsake = Some(Record { owner: Owner { node, incarnation }, reign, controls, lineage });
        let gives_back = process.has_lost_rooms;
        self.checks.note(|| format!("{} ceases to conduct: {why}", NAMES[node]));
        if gives_back {
            self.give_back(node);
        }
    }

    /// The same conductor in a higher reign.
    pub fn reasserted(&mut self, node: NodeId, record: &Record) {
        let reign = record.reign;
        self.checks.note(|| format!("{} re-asserts itself in {reign:?}", NAMES[node]));
        self.checks.began(record.owner, reign, None);
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        let (stored_rev, rev) = (record.controls.rev, conducting.controls.rev);
        conducting.reign = reign;
        conducting.lineage = record.lineage.clone();
        if stored_rev > rev {
            // A change whose answer was lost: stored, and so it counts.
            conducting.controls = record.controls.clone();
            conducting.is_uncertain = true;
        }
        if stored_rev < rev {
            let controls = conducting.controls.clone();
            self.write(node, controls, Change::Whole);
        } else {
            self.announce(node);
        }
    }

    /// Each second. What is uncertain is settled first.
    pub fn tick(&mut self, node: NodeId) {
        if !self.reigns(node) || self.reassert(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        if conducting.is_free() {
            self.publish_plan(node, false, None);
        } else {
            self.settle(node);
        }
    }

    pub fn announce(&mut self, node: NodeId) {
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        let lineage = conducting.lineage.clone();
        self.publish_plan(node, true, Some(lineage));
    }

    fn publish_plan(&mut self, node: NodeId, with_controls: bool, lineage: Option<Lineage>) {
        if !self.reigns(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        let controls = conducting.controls.clone();
        let plan = Plan {
            owner: Owner { node, incarnation: conducting.incarnation },
            stamp: conducting.reign.stamp(controls.rev),
            timeline: controls.timeline.clone(),
            controls: with_controls.then_some(controls),
            lineage,
        };
        self.after_check(node, Act::Publish(Message::Plan(plan)));
    }

    /// The session is trusted, and is still the one that this reign was won with.
    fn reigns(&mut self, node: NodeId) -> bool {
        let standing = self.standing(node);
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return false };
        let incarnation = conducting.incarnation;
        if standing == Some(incarnation) {
            self.checks.trusted(node, incarnation);
            return true;
        }
        self.end_reign(node, "its session does not stand");
        false
    }

    fn write(&mut self, node: NodeId, controls: Controls, change: Change) {
        if !self.reigns(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        conducting.busy = Some(Busy::Writing(controls.clone()));
        let (incarnation, reign) = (conducting.incarnation, conducting.reign);
        let lineage = matches!(change, Change::PutBack { .. } | Change::Whole).then(|| {
            let mut lineage = conducting.lineage.clone();
            lineage.inherit(controls.rev);
            lineage
        });
        let command = Command::Write { incarnation, reign, controls, lineage };
        self.after_check(node, Act::Send { command, purpose: Purpose::Writing { reign, change } });
    }

    /// Whether a request can be dealt with now. Else its gateway asks again.
    fn is_ready(&mut self, node: NodeId) -> bool {
        if !self.reigns(node) {
            return false;
        }
        let conducting = self.process(node).and_then(|process| process.conducting.as_ref());
        let is_free = conducting.is_some_and(Conducting::is_free);
        if !is_free {
            self.settle(node);
        }
        is_free
    }

    /// After a write whose answer was lost the record is read again.
    fn settle(&mut self, node: NodeId) {
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        if conducting.is_uncertain && conducting.busy.is_none() {
            conducting.busy = Some(Busy::Settling);
            let reign = conducting.reign;
            self.send(node, Command::Read, Purpose::Settling { reign });
        }
    }

    /// What the record holds is true, whatever was answered. None: it could not be read.
    pub fn settled(&mut self, node: NodeId, reign: Reign, read: Option<Option<Record>>) {
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        if conducting.reign != reign || !matches!(conducting.busy, Some(Busy::Settling)) {
            return;
        }
        conducting.busy = None;
        let Some(record) = read else { return };
        let (incarnation, rev) = (conducting.incarnation, conducting.controls.rev);
        let Some(record) = record.filter(|record| record.owner == Owner { node, incarnation } && record.reign == reign)
        else {
            return self.end_reign(node, "the record is another's");
        };
        conducting.is_uncertain = false;
        if record.controls.rev > rev {
            conducting.controls = record.controls;
            self.announce(node);
        }
    }

    /// A teacher's control: applied once, acknowledged when stored.
    pub fn heard_control(&mut self, node: NodeId, gateway: NodeId, id: ControlId) {
        if !self.is_ready(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        let mut controls = conducting.controls.clone();
        if controls.applied & (1 << id) != 0 {
            let done = Message::Done { id, reign: conducting.reign, rev: controls.rev };
            self.tell(node, gateway, done);
            return;
        }
        controls.rev = controls.rev.max(conducting.burnt_rev) + 1;
        controls.applied |= 1 << id;
        self.write(node, controls, Change::Control { id, gateway });
    }

    /// The teacher closes the room, where it is conducted.
    pub fn close_where_conducted(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].stopped && self.reigns(node) {
                let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else {
                    return;
                };
                let command = Command::Close { incarnation: conducting.incarnation, reign: conducting.reign };
                self.after_check(node, Act::Send { command, purpose: Purpose::Closing });
            }
        }
    }

    pub fn written(&mut self, node: NodeId, reign: Reign, change: Change, written: Option<Result<(), Refused>>) {
        let burns = self.stands(Fence::BurntRevs);
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        if conducting.reign != reign || !matches!(conducting.busy, Some(Busy::Writing(_))) {
            return;
        }
        let Some(Busy::Writing(controls)) = conducting.busy.take() else { return };
        let rev = controls.rev;
        match written {
            Some(Ok(())) => {
                conducting.controls = controls;
                if matches!(change, Change::PutBack { .. } | Change::Whole) {
                    conducting.lineage.inherit(rev);
                }
                self.carried_out(node, reign.stamp(rev), change);
            }
            Some(Err(_)) => self.end_reign(node, "its write is refused"),
            None => {
                conducting.is_uncertain = true;
                if burns {
                    conducting.burnt_rev = conducting.burnt_rev.max(rev);
                }
            }
        }
    }

    fn carried_out(&mut self, node: NodeId, now: Stamp, change: Change) {
        match change {
            Change::Control { id, gateway } => {
                self.publish_plan(node, true, None);
                self.tell(node, gateway, Message::Done { id, reign: Reign::of(now), rev: now.rev });
            }
            Change::PutBack { stamp, gateway } => {
                self.checks.adoptions += 1;
                self.announce(node);
                self.tell(node, gateway, Message::Settled { stamp });
            }
            Change::Loss { stamp, gateway, lost } => {
                self.checks.note(|| format!("control_lost: what was of {stamp:?}, now {now:?}"));
                // Everybody in the room reads it anew.
                let lost = self.checks.acked.keys().copied().filter(|id| lost & (1 << id) != 0);
                let lost: Vec<ControlId> = lost.collect();
                self.checks.false_alarms += u64::from(lost.is_empty());
                self.checks.reported.extend(lost);
                if let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) {
                    conducting.announced.insert(stamp);
                }
                self.publish_plan(node, true, None);
                self.tell(node, gateway, Message::Settled { stamp });
            }
            Change::Whole => self.announce(node),
        }
    }

    /// By the lineage; without it, by comparing numbers alone.
    pub fn fate(&self, lineage: &Lineage, known: Stamp, current_rev: u64) -> Fate {
        match () {
            () if self.stands(Fence::Lineage) => lineage.fate(known.epoch, known.nonce, known.rev, current_rev),
            () if known.rev <= current_rev => Fate::Kept,
            () => Fate::MayBePutBack,
        }
    }

    /// A gateway knows of changes that this reign may not have inherited.
    pub fn heard_returned(&mut self, node: NodeId, gateway: NodeId, known: &Known) {
        let stamp = known.stamp();
        self.checks.note(|| format!("{} is returned {stamp:?} by {}", NAMES[node], NAMES[gateway]));
        if !self.is_ready(node) {
            return;
        }
        let Some(conducting) = self.nodes[node].process.as_ref().and_then(|process| process.conducting.as_ref()) else {
            return;
        };
        if known.reign >= conducting.reign && self.stands(Fence::PresentReign) {
            // It follows a later reign than this one.
            return;
        }
        let (mut controls, burnt_rev) = (conducting.controls.clone(), conducting.burnt_rev);
        let fate = self.fate(&conducting.lineage, stamp, controls.rev);
        match fate {
            Fate::Lost if !conducting.announced.contains(&stamp) => {
                let lost = known.controls.applied & !controls.applied;
                controls.rev = controls.rev.max(stamp.rev).max(burnt_rev) + 1;
                self.write(node, controls, Change::Loss { stamp, gateway, lost });
            }
            Fate::Kept | Fate::Lost => self.tell(node, gateway, Message::Settled { stamp }),
            Fate::MayBePutBack => {
                let mut controls = known.controls.clone();
                controls.rev = stamp.rev.max(burnt_rev + 1);
                self.write(node, controls, Change::PutBack { stamp, gateway });
            }
        }
    }

    /// A gateway knows of something higher than what this node says.
    pub fn heard_too_low(&mut self, node: NodeId, above: u64) {
        if !self.stands(Fence::Reassertion) {
            return;
        }
        if let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) {
            conducting.reassert_above = Some(conducting.reassert_above.unwrap_or(0).max(above));
            self.reassert(node);
        }
    }
}
