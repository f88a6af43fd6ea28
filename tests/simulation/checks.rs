//! What must hold, whatever happens; and the notes of a run that is replayed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use downbeat::relay::Stamp;

use crate::{
    gateway::ControlId,
    kinds::{NAMES, NodeId, Owner, Reign, SECOND, Us},
    world::World,
};

/// How many of the last events a replay shows.
const NOTES_MAX: usize = 1_000;

/// An acknowledged control, as its teacher's gateway knows it.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    pub stamp: Stamp,
    pub gateway: NodeId,
    pub process: u32,
    /// That gateway had the change itself, and not only the word that it was stored.
    pub is_known: bool,
}

pub struct Checks {
    pub now_us: Us,
    pub violation: Option<String>,
    notes: Option<VecDeque<(Us, String)>>,
    /// Each incarnation that was ever opened, and by which node.
    opened: BTreeMap<u64, NodeId>,
    /// Each reign that somebody began, and who.
    begun: BTreeMap<Reign, Owner>,
    /// The highest reign that was begun since the store was last lost.
    highest_begun: Reign,
    /// The owners whose rooms others have taken over, because they were held for dead.
    succeeded: BTreeSet<u64>,
    pub acked: BTreeMap<ControlId, Acked>,
    pub reported: BTreeSet<ControlId>,
    controls: ControlId,
    pub handed_over_us: Us,
    /// The room was closed, and nothing lost that since.
    pub closed: bool,
    /// Whoever heard of the closing has forgotten the room: if a promotion undoes it, nobody can tell what else it undid.
    pub was_closed: bool,
    pub promotions: u32,
    pub empties: u32,
    pub leaps: u32,
    /// What the run did, for the figures of coverage.
    pub takeovers: u64,
    pub handovers: u64,
    pub adoptions: u64,
    /// Losses that were announced, and that nothing acknowledged was lost by.
    pub false_alarms: u64,
}

impl Checks {
    pub fn new(tracing: bool) -> Self {
        Self {
            now_us: 0,
            violation: None,
            notes: tracing.then(VecDeque::new),
            opened: BTreeMap::new(),
            begun: BTreeMap::new(),
            highest_begun: Reign::default(),
            succeeded: BTreeSet::new(),
            acked: BTreeMap::new(),
            reported: BTreeSet::new(),
            controls: 0,
            handed_over_us: 0,
            closed: false,
            was_closed: false,
            promotions: 0,
            empties: 0,
            leaps: 0,
            takeovers: 0,
            handovers: 0,
            adoptions: 0,
            false_alarms: 0,
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            if notes.len() == NOTES_MAX {
                notes.pop_front();
            }
            notes.push_back((self.now_us, text()));
        }
    }

    pub fn notes(&self) -> String {
        let line = |(at_us, text): &(Us, String)| format!("{:>10.3} s  {text}\n", *at_us as f64 / SECOND as f64);
        self.notes.iter().flatten().map(line).collect()
    }

    pub fn fail(&mut self, text: impl Into<String>) {
        if self.violation.is_none() {
            let text = text.into();
            self.note(|| format!("VIOLATION: {text}"));
            self.violation = Some(format!("at {:.3} s: {text}", self.now_us as f64 / SECOND as f64));
        }
    }

    pub fn next_control(&mut self) -> ControlId {
        self.controls += 1;
        self.controls - 1
    }

    /// Incarnations never repeat.
    pub fn opened(&mut self, node: NodeId, incarnation: u64) {
        if let Some(before) = self.opened.insert(incarnation, node) {
            self.fail(format!("incarnation {incarnation} of {} was {}'s before", NAMES[node], NAMES[before]));
        }
    }

    /// A node begins to conduct.
    pub fn began(&mut self, owner: Owner, reign: Reign, dead: Option<Owner>) {
        self.takeovers += 1;
        if let Some(other) = self.begun.insert(reign, owner) {
            self.fail(format!("{owner:?} began reign {reign:?}, which {other:?} had begun"));
        }
        self.highest_begun = self.highest_begun.max(reign);
        self.succeeded.extend(dead.map(|dead| dead.incarnation));
    }

    /// A conductor has asked its session whether it may publish or write, and was told yes. Whoever takes over finds
    /// its predecessor silent, unless the store's clock has leapt or everything was lost.
    pub fn trusted(&mut self, node: NodeId, incarnation: u64) {
        if self.leaps + self.empties == 0 && self.succeeded.contains(&incarnation) {
            self.fail(format!(
                "{} trusted itself in incarnation {incarnation} after its successor had begun",
                NAMES[node]
            ));
        }
    }

    /// The store took a write of `reign`.
    pub fn stored(&mut self, node: NodeId, reign: Reign) {
        if reign < self.highest_begun {
            self.fail(format!("the store took a write of {} in the former reign {reign:?}", NAMES[node]));
        }
    }

    /// The store was promoted and holds `stored`: what a claimant was told must have survived.
    pub fn promoted(&mut self, stored: Option<Reign>) {
        self.closed &= stored.is_none();
        self.promotions += 1;
        if stored.is_some_and(|stored| stored < self.highest_begun) {
            self.fail(format!("a promotion forgot reign {:?}, which its conductor had begun", self.highest_begun));
        }
    }

    pub fn emptied(&mut self) {
        self.closed = false;
        self.empties += 1;
        self.highest_begun = Reign::default();
    }
}

impl World {
    /// Some node conducts the room, and the store says so too.
    pub fn check_conducted(&mut self) {
        let Some(room) = self.server.primary.room.clone() else {
            if self.checks.empties == 0 && !self.checks.closed {
                self.checks.fail("the room is gone");
            }
            return;
        };
        if self.checks.closed {
            self.checks.fail("the room was closed, and is there again");
        }
        let conducted = self.nodes.iter().enumerate().any(|(node, state)| {
            let process = state.process.as_ref().filter(|_| !state.stopped);
            let standing = process.and_then(|process| process.standing(state.clock.read(self.now_us)));
            let conducting = process.and_then(|process| process.conducting.as_ref());
            conducting.is_some_and(|conducting| {
                standing == Some(conducting.incarnation)
                    && room.owner == Owner { node, incarnation: conducting.incarnation }
                    && room.reign == conducting.reign
            })
        });
        if !conducted {
            self.checks.fail(format!("nobody conducts the room in time; its record: {room:?}"));
        }
    }

    /// At the end everybody follows the recorded reign, and what was acknowledged is there or was reported.
    pub fn check_end(&mut self) {
        if self.checks.violation.is_some() {
            return;
        }
        self.check_conducted();
        let Some(room) = self.server.primary.room.clone() else { return };
        let mut deaf = None;
        for (node, state) in self.nodes.iter().enumerate() {
            let Some(gateway) = state.process.as_ref().and_then(|process| process.gateway.as_ref()) else { continue };
            if gateway.stamp != room.reign.stamp(room.controls.rev) || gateway.controls.applied != room.controls.applied
            {
                deaf = Some(format!("{} follows {:?}, not {:?}", NAMES[node], gateway.stamp, room.reign));
            } else if gateway.next_due_us(i64::MIN).is_some_and(|due_us| due_us < self.now_us - SECOND) {
                deaf = Some(format!("{} is silent since beat {:?}", NAMES[node], gateway.last));
            }
        }
        if let Some(deaf) = deaf {
            self.checks.fail(deaf);
        }
        if self.checks.was_closed {
            return;
        }
        for (id, acked) in self.checks.acked.clone() {
            let kept = room.controls.applied & (1 << id) != 0;
            let reset = self.checks.promotions + self.checks.empties > 0;
            let gateway = &self.nodes[acked.gateway];
            // Whoever was on a gateway that died has joined again, and read the room anew.
            let reread = gateway.processes != acked.process || gateway.process.is_none();
            let at = acked.stamp;
            if !kept && !reset {
                self.checks
                    .fail(format!("control {id} ({at:?}) was acknowledged and is lost, though the store lost nothing"));
            } else if !kept && !reread && acked.is_known && !self.checks.reported.contains(&id) {
                self.checks.fail(format!("control {id} ({acked:?}) was acknowledged, is lost, and nobody was told"));
            }
        }
    }
}
