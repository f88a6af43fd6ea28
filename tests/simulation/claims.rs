//! Taking over, giving away, and re-asserting: what a node does about the room's record.

use downbeat::placement::{Decision, RecordedOwner, Sight, decide};

use crate::{
    conducting::Busy,
    kinds::{Message, NAMES, NodeId, Owner, Record, Reign, SECOND, Us},
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
            if let Some(row) = session
                && boot_us >= process.barred_until_us
                && conducting.busy.is_none()
            {
                let to = Owner { node: row.node, incarnation: row.incarnation };
                claim = Some((ClaimKind::HandOver { to }, None));
            }
        } else if let Some((record, learnt_us)) = &process.record
            && boot_us >= process.restoring_until_us
        {
            claim = Self::wanted(process, node, incarnation, named, record, *learnt_us, boot_us);
        }
        self.ring_owners = ring_owners;
        if self.reassert(node) {
            return;
        }
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
        let random = self.rng.next() >> 11;
        let Some(process) = self.process(node) else { return };
        let heard = process.gateway.as_ref().map_or(0, |gateway| gateway.stamp.epoch);
        let me = Owner { node, incarnation };
        let (mut expected, mut claimant, mut nonce) = (me, me, random);
        let highest_seen_epoch;
        let expected_reign = match kind {
            ClaimKind::FromTheDead { expected: dead, reign } | ClaimKind::OwnAgain { expected: dead, reign } => {
                process.claiming = true;
                expected = dead;
                // The same claim until it is known what became of it.
                let claimed = process.claimed.filter(|(claimed, _)| *claimed == incarnation);
                nonce = claimed.map_or(random, |(_, nonce)| nonce);
                process.claimed = Some((incarnation, nonce));
                highest_seen_epoch = heard.max(process.keepsake.as_ref().map_or(0, |kept| kept.reign.epoch));
                reign
            }
            ClaimKind::Reassert { .. } | ClaimKind::HandOver { .. } => {
                let Some(conducting) = process.conducting.as_mut() else { return };
                conducting.busy = Some(Busy::Claiming);
                let above = if let ClaimKind::Reassert { above } = kind { above } else { 0 };
                highest_seen_epoch = conducting.reign.epoch.max(above);
                if let ClaimKind::HandOver { to } = kind {
                    claimant = to;
                    process.handed_over_us = boot_us;
                }
                conducting.reign
            }
        };
        let expected_reign = Some(expected_reign);
        let claim = Claim { expected, expected_reign, claimant, nonce, highest_seen_epoch };
        let (command, purpose) = (Command::TakeOver(claim), Purpose::Claiming { claim: kind, incarnation });
        self.after_check(node, Act::Send { command, purpose });
    }

    /// Puts the reign above what others have seen, where that is wanted and the conductor does nothing else.
    pub fn reassert(&mut self, node: NodeId) -> bool {
        let Some(incarnation) = self.standing(node) else { return false };
        let Some(conducting) = self.process(node).and_then(|process| process.conducting.as_mut()) else { return false };
        if conducting.incarnation != incarnation || conducting.busy.is_some() {
            return false;
        }
        let Some(above) = conducting.reassert_above.take() else { return false };
        self.claim(node, ClaimKind::Reassert { above }, incarnation);
        true
    }

    /// None: no answer, or no replica has it.
    pub fn claimed(&mut self, node: NodeId, kind: ClaimKind, incarnation: u64, taken: Option<Result<Record, Refused>>) {
        let stands = self.standing(node) == Some(incarnation);
        let is_doubted = self.stands(Fence::PresentReign);
        let Some(process) = self.process(node) else { return };
        match kind {
            ClaimKind::FromTheDead { .. } | ClaimKind::OwnAgain { .. } => {
                if taken.is_some() {
                    process.claimed = None;
                }
                let dead = if let ClaimKind::FromTheDead { expected, .. } = kind { Some(expected) } else { None };
                match taken.filter(|_| stands) {
                    Some(Ok(record)) => self.call_the_roll(node, record, dead),
                    _ => {
                        process.claiming = false;
                        self.read_room(node);
                    }
                }
            }
            ClaimKind::Reassert { .. } | ClaimKind::HandOver { .. } => {
                let Some(conducting) = process.conducting.as_mut() else { return };
                if conducting.incarnation != incarnation || !matches!(conducting.busy, Some(Busy::Claiming)) {
                    return;
                }
                conducting.busy = None;
                match (kind, taken) {
                    (ClaimKind::HandOver { to }, Some(Ok(_))) => {
                        process.conducting = None;
                        self.checks.handovers += 1;
                        self.checks.handed_over_us = self.checks.now_us;
                        self.checks.note(|| format!("{} has given the room away", NAMES[node]));
                        self.tell(node, to.node, Message::TakeUp);
                    }
                    // It may be the other's by now: whoever reads the record knows.
                    (ClaimKind::HandOver { .. }, _) => conducting.is_uncertain = true,
                    (_, Some(Ok(record))) => self.reasserted(node, &record),
                    (_, Some(Err(_))) => self.end_reign(node, "it cannot re-assert itself"),
                    (_, None) => conducting.is_uncertain = is_doubted,
                }
            }
        }
    }
}
