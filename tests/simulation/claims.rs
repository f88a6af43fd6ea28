//! Taking over, giving away, and re-asserting: what a node does about the room's record.

use downbeat::placement::{Decision, RecordedOwner, Sight, decide};

use crate::{
    kinds::{NAMES, NodeId, Owner, Record, Reign, SECOND, Us},
    node::{Act, Purpose},
    server::Command,
    store::{Claim, Refused},
    world::{Fence, World},
};

/// From one hand-over of a node to its next.
const PACE_US: Us = 2 * SECOND;

/// On what ground a room is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// Its owner is dead.
    FromTheDead { expected: Owner, reign: Reign },
    /// It is this node's already, or was that of an earlier session of this process.
    OwnAgain { expected: Owner, reign: Reign },
    /// This node conducts it, and puts itself above what others have seen.
    Reassert { above: u64 },
    /// This node conducts it, and gives it away.
    HandOver { to: Owner },
}

impl World {
    /// After each look: whether this node should conduct the room, or give it away.
    pub fn decide_about_room(&mut self, node: NodeId) {
        let boot_us = self.boot_us(node);
        let Some(incarnation) = self.standing(node) else { return };
        // So that the end of a run finds no room between two nodes.
        let is_late = self.now_us > self.conducted_by_us();
        let ring_owners = std::mem::take(&mut self.ring_owners);
        let Some(process) = self.nodes[node].process.as_mut() else { return };
        let named = ring_owners[process.live()];
        let mut claim = None;
        if process.claiming {
        } else if let Some(conducting) = &process.conducting {
            let to = named.filter(|named| {
                !is_late && *named != node && boot_us >= process.handed_over_us.saturating_add(PACE_US)
            });
            let session = to.and_then(|to| process.sessions.iter().find(|row| row.node == to));
            if let Some(above) = conducting.reassert_above {
                claim = Some((ClaimKind::Reassert { above }, None));
            } else if let Some(row) = session
                && boot_us >= process.barred_until_us
                && conducting.in_flight.is_none()
            {
                let to = Owner { node: row.node, incarnation: row.incarnation };
                claim = Some((ClaimKind::HandOver { to }, None));
            }
        } else if let Some((record, learnt_us)) = &process.record {
            claim = Self::wanted(process, node, incarnation, named, record, *learnt_us, boot_us);
        }
        self.ring_owners = ring_owners;
        match claim {
            Some((kind, None)) => self.claim(node, kind, incarnation),
            Some((kind @ ClaimKind::FromTheDead { expected, .. }, Some(renewals))) => {
                if let Some(process) = self.process(node) {
                    process.claiming = true;
                }
                let command = Command::End { owner: expected, renewals: Some(renewals) };
                self.after_check(node, Act::Send { command, purpose: Purpose::Ending { claim: kind } });
            }
            _ => {}
        }
    }

    /// The claim on a room that this node does not conduct, and the renewals at which its owner's session must end before.
    fn wanted(
        process: &crate::node::Process,
        node: NodeId,
        incarnation: u64,
        named: Option<NodeId>,
        record: &Record,
        learnt_us: Us,
        boot_us: Us,
    ) -> Option<(ClaimKind, Option<u64>)> {
        let owner = RecordedOwner { node: NAMES[record.owner.node], incarnation: record.owner.incarnation };
        let sight = Sight {
            me: RecordedOwner { node: NAMES[node], incarnation },
            was_mine: process.incarnations.contains(&record.owner.incarnation) && record.owner.node == node,
            judgement: process.observer().judge(owner.node, owner.incarnation, learnt_us),
            named: named.map(|named| NAMES[named]),
            is_barred: boot_us < process.barred_until_us,
        };
        let (expected, reign) = (record.owner, record.reign);
        let kind = if owner == sight.me || sight.was_mine {
            ClaimKind::OwnAgain { expected, reign }
        } else {
            ClaimKind::FromTheDead { expected, reign }
        };
        match decide(owner, &sight) {
            Decision::TakeOver => Some((kind, None)),
            Decision::EndAndTakeOver { renewals } => Some((kind, Some(renewals))),
            Decision::Ask(_) | Decision::Wait => None,
        }
    }

    /// Whether the owner's session was ended.
    pub fn ended(&mut self, node: NodeId, kind: ClaimKind, ended: bool) {
        let standing = self.standing(node);
        if let Some(process) = self.process(node) {
            process.claiming = false;
        }
        match standing.filter(|_| ended) {
            Some(incarnation) => self.claim(node, kind, incarnation),
            None => self.read_room(node),
        }
    }

    fn claim(&mut self, node: NodeId, kind: ClaimKind, incarnation: u64) {
        let boot_us = self.boot_us(node);
        let nonce = self.rng.next() >> 11;
        let Some(process) = self.process(node) else { return };
        process.claiming = true;
        let heard = process.gateway.as_ref().map_or(0, |gateway| gateway.stamp.epoch);
        let me = Owner { node, incarnation };
        let mut claim = Claim { expected: me, expected_reign: None, claimant: me, nonce, highest_seen_epoch: heard };
        match kind {
            ClaimKind::FromTheDead { expected, reign } | ClaimKind::OwnAgain { expected, reign } => {
                claim.expected = expected;
                claim.expected_reign = Some(reign);
            }
            ClaimKind::Reassert { above } => claim.highest_seen_epoch = heard.max(above),
            ClaimKind::HandOver { to } => {
                claim.expected_reign = process.conducting.as_ref().map(|conducting| conducting.reign);
                claim.claimant = to;
                process.handed_over_us = boot_us;
            }
        }
        let command = Command::TakeOver(claim);
        self.after_check(node, Act::Send { command, purpose: Purpose::Claiming { claim: kind, incarnation } });
    }

    /// None: no answer, or no replica has it.
    pub fn claimed(&mut self, node: NodeId, kind: ClaimKind, incarnation: u64, taken: Option<Result<Record, Refused>>) {
        let stands = self.standing(node) == Some(incarnation);
        let Some(process) = self.process(node) else { return };
        process.claiming = false;
        match (kind, taken) {
            (_, None) => {}
            (ClaimKind::HandOver { .. }, Some(Ok(_))) => {
                process.conducting = None;
                self.checks.handovers += 1;
                self.checks.handed_over_us = self.checks.now_us;
                self.checks.note(|| format!("{} has given the room away", NAMES[node]));
            }
            (_, Some(Ok(record))) if stands => match kind {
                ClaimKind::Reassert { .. } => self.reasserted(node, &record),
                ClaimKind::FromTheDead { expected, .. } => self.begin_reign(node, &record, Some(expected)),
                _ => self.begin_reign(node, &record, None),
            },
            (ClaimKind::Reassert { .. }, Some(Err(_))) => {
                process.conducting = None;
                self.checks.note(|| format!("{} cannot re-assert itself: deposed", NAMES[node]));
            }
            (_, Some(_)) => {}
        }
        self.read_room(node);
    }

    /// A gateway knows a higher reign than the one that this node conducts in.
    pub fn heard_too_low(&mut self, node: NodeId, known: Reign) {
        if !self.stands(Fence::Reassertion) {
            return;
        }
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return };
        if conducting.reign < known {
            let above = conducting.reassert_above.unwrap_or(0).max(known.epoch);
            conducting.reassert_above = Some(above);
        }
    }
}
