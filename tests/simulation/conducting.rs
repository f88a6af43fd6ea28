//! One reign over the room, on the node that conducts it.

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
    /// The rev that the reign began with, or has adopted since, and the reign that had made it.
    inherited: u64,
    inherited_from: Reign,
    /// This reign has made a change of its own.
    changed: bool,
    pub in_flight: Option<Controls>,
    /// The highest number of a change that may have been stored, and was not acknowledged.
    burnt_rev: u64,
    /// To be put above this epoch.
    pub reassert_above: Option<u64>,
    /// What the record holds may be less than this reign knows: it is written anew.
    restate: bool,
}

/// A change on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Control { id: ControlId, gateway: NodeId },
    Adoption { from: Reign },
    Restatement,
}

impl World {
    pub fn begin_reign(&mut self, node: NodeId, record: &Record, dead: Option<Owner>) {
        let Record { owner, reign, controls, changed_in } = record.clone();
        self.checks.note(|| format!("{} begins {reign:?} at rev {}", NAMES[node], controls.rev));
        self.checks.began(owner, reign, dead);
        let Some(process) = self.process(node) else { return };
        process.conducting = Some(Conducting {
            incarnation: owner.incarnation,
            reign,
            inherited: controls.rev,
            inherited_from: changed_in,
            burnt_rev: 0,
            controls,
            changed: false,
            in_flight: None,
            reassert_above: None,
            restate: false,
        });
        self.publish_plan(node, true);
    }

    /// The same conductor in a higher reign: what it knows counts, not what the record has kept.
    pub fn reasserted(&mut self, node: NodeId, record: &Record) {
        let reign = record.reign;
        self.checks.note(|| format!("{} re-asserts itself in {reign:?}", NAMES[node]));
        let owner = record.owner;
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        conducting.restate = conducting.controls.rev > record.controls.rev;
        if conducting.changed {
            conducting.inherited = conducting.controls.rev;
            conducting.inherited_from = conducting.reign;
        }
        conducting.reign = reign;
        conducting.in_flight = None;
        conducting.reassert_above = None;
        self.checks.began(owner, reign, None);
        self.restate(node);
        self.publish_plan(node, true);
    }

    fn restate(&mut self, node: NodeId) {
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        if conducting.restate && conducting.in_flight.is_none() {
            let controls = conducting.controls.clone();
            self.write(node, controls, Change::Restatement);
        }
    }

    /// Each second, and with the controls at each change. The session is asked first.
    pub fn publish_plan(&mut self, node: NodeId, whole: bool) {
        if !self.reigns(node) {
            return;
        }
        self.restate(node);
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        let controls = conducting.controls.clone();
        let plan = Plan {
            owner: Owner { node, incarnation: conducting.incarnation },
            stamp: conducting.reign.stamp(controls.rev),
            timeline: controls.timeline.clone(),
            inherited: conducting.inherited,
            inherited_from: conducting.inherited_from,
            controls: whole.then_some(controls),
        };
        self.after_check(node, Act::Publish(Message::Plan(plan)));
    }

    /// The session is trusted, and is still the one that this reign was won with.
    fn reigns(&mut self, node: NodeId) -> bool {
        let standing = self.standing(node);
        let Some(process) = self.process(node) else { return false };
        let Some(conducting) = &process.conducting else { return false };
        if standing == Some(conducting.incarnation) {
            let incarnation = conducting.incarnation;
            self.checks.trusted(node, incarnation);
            return true;
        }
        process.conducting = None;
        self.checks.note(|| format!("{} ceases to conduct", NAMES[node]));
        false
    }

    fn write(&mut self, node: NodeId, controls: Controls, change: Change) {
        if !self.reigns(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        conducting.in_flight = Some(controls.clone());
        let (incarnation, reign) = (conducting.incarnation, conducting.reign);
        let command = Command::Write { incarnation, reign, controls };
        self.after_check(node, Act::Send { command, purpose: Purpose::Writing { reign, change } });
    }

    /// A teacher's control: applied once, acknowledged when stored. While another change is under way it is left
    /// aside, and its gateway asks again.
    pub fn heard_control(&mut self, node: NodeId, gateway: NodeId, id: ControlId) {
        if !self.reigns(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        if conducting.in_flight.is_some() || conducting.restate {
            return;
        }
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
        let Some(process) = self.process(node) else { return };
        let Some(conducting) = process.conducting.as_mut().filter(|conducting| conducting.reign == reign) else {
            return;
        };
        let Some(controls) = conducting.in_flight.take() else { return };
        match written {
            Some(Ok(())) => {
                let rev = controls.rev;
                conducting.controls = controls;
                conducting.restate = false;
                match change {
                    Change::Control { id, gateway } => {
                        conducting.changed = true;
                        self.tell(node, gateway, Message::Done { id, reign, rev });
                    }
                    Change::Adoption { from } => {
                        conducting.inherited = rev;
                        conducting.inherited_from = from;
                        self.checks.adoptions += 1;
                    }
                    Change::Restatement => {}
                }
                self.publish_plan(node, true);
            }
            Some(Err(_)) => {
                process.conducting = None;
                self.checks.note(|| format!("{}'s write is refused: deposed", NAMES[node]));
            }
            None if burns => conducting.burnt_rev = conducting.burnt_rev.max(controls.rev),
            None => {}
        }
    }

    /// A gateway knows more of a former reign than this one began with: adopted while nothing speaks against it,
    /// reported as lost otherwise.
    pub fn heard_returned(&mut self, node: NodeId, gateway: NodeId, known: &Known) {
        let lineage = self.stands(Fence::Lineage);
        let (reign, rev) = (known.reign, known.rev);
        self.checks.note(|| format!("{} is returned rev {rev} of {reign:?} by {}", NAMES[node], NAMES[gateway]));
        if !self.reigns(node) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_ref()) else { return };
        if conducting.in_flight.is_some() || conducting.restate || known.reign >= conducting.reign {
            return;
        }
        let descends = known.reign >= conducting.inherited_from || !lineage;
        if known.controls.rev > conducting.controls.rev && !conducting.changed && descends {
            let mut controls = known.controls.clone();
            controls.rev = controls.rev.max(conducting.burnt_rev + 1);
            self.write(node, controls, Change::Adoption { from: known.reign });
            return;
        }
        let (inherited, from) = (conducting.inherited, conducting.inherited_from);
        let accounted = known.rev <= inherited && (known.reign >= from || !lineage);
        let reign = conducting.reign;
        if !accounted {
            self.report_lost(reign, known, if known.reign < from && lineage { 0 } else { inherited });
        }
        self.tell(node, gateway, Message::Settled { reign: known.reign, rev: known.rev });
    }

    /// `control_lost`: everybody in the room reads it anew.
    fn report_lost(&mut self, reign: Reign, known: &Known, above_rev: u64) {
        self.checks.note(|| format!("control_lost in {reign:?}: what was above rev {above_rev}"));
        let lost = self.checks.acked.iter().filter(|(_, acked)| acked.reign <= known.reign && acked.rev > above_rev);
        let lost: Vec<ControlId> = lost.filter(|(_, acked)| acked.rev <= known.rev).map(|(id, _)| *id).collect();
        self.checks.reported.extend(lost);
    }
}
