//! What the model's store holds, and the rules by which it changes: those of `downbeat::store`, on small values.
//! `same_rules.rs` holds them against the embedded store.

use downbeat::store::{Lineage, Restored, Succession};

use crate::kinds::{Controls, MS, NodeId, Owner, Record, Reign, SECOND, Us};

pub const SESSION_TTL_US: Us = 2_000 * MS;

/// How long the store knows that a room was closed.
const CLOSED_FOR_US: Us = 3_600 * SECOND;

#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    pub node: NodeId,
    pub incarnation: u64,
    pub renewals: u64,
    pub draining: bool,
    /// By the store's clock.
    pub expires_us: Us,
}

/// Everything in the store: one room, the sessions, and the name of this life.
#[derive(Clone, Default)]
pub struct State {
    pub sessions: Vec<SessionRow>,
    pub room: Option<Record>,
    pub generation: Option<u64>,
    pub last_incarnation: u64,
    /// The epoch up to which the room is closed, and until when that is known, by the store's clock.
    pub closed: Option<(u64, Us)>,
}

/// A claim as `downbeat::store::TakeOver` makes it.
#[derive(Clone, Debug)]
pub struct Claim {
    pub expected: Owner,
    pub expected_reign: Option<Reign>,
    pub claimant: Owner,
    pub nonce: u64,
    pub highest_seen_epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Gone,
    /// Owned by another, or fenced.
    Owned,
}

impl State {
    pub fn expire(&mut self, clock_us: Us) {
        self.closed = self.closed.filter(|(_, expires_us)| *expires_us > clock_us);
        self.sessions.retain(|row| row.expires_us > clock_us);
    }

    /// The `step` is random: a counter that a promotion set back does not come to the same numbers again.
    pub fn open_session(&mut self, node: NodeId, draining: bool, at_least: u64, step: u64, clock_us: Us) -> u64 {
        let incarnation = (self.last_incarnation + 1).max(at_least) + step;
        self.last_incarnation = incarnation;
        self.sessions.retain(|row| row.node != node);
        let expires_us = clock_us + SESSION_TTL_US;
        self.sessions.push(SessionRow { node, incarnation, renewals: 0, draining, expires_us });
        incarnation
    }

    pub fn renew_session(&mut self, node: NodeId, incarnation: u64, draining: bool, clock_us: Us) -> bool {
        let Some(row) = self.sessions.iter_mut().find(|row| (row.node, row.incarnation) == (node, incarnation)) else {
            return false;
        };
        row.renewals += 1;
        row.draining = draining;
        row.expires_us = clock_us + SESSION_TTL_US;
        true
    }

    /// Ends this session; with `renewals`, only while it stands at that many.
    pub fn end_session(&mut self, owner: Owner, renewals: Option<u64>) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|row| {
            (row.node, row.incarnation) != (owner.node, owner.incarnation)
                || renewals.is_some_and(|renewals| renewals != row.renewals)
        });
        self.sessions.len() < before
    }

    pub fn take_over(&mut self, claim: &Claim, now_ms: u64) -> Result<Record, Refused> {
        let room = self.room.as_mut().ok_or(Refused::Gone)?;
        if room.owner == claim.claimant && room.reign.nonce == claim.nonce {
            // Carried out already: its answer was lost, or too few replicas had it.
            return Ok(room.clone());
        }
        if room.owner != claim.expected || claim.expected_reign.is_some_and(|reign| reign != room.reign) {
            return Err(Refused::Owned);
        }
        room.owner = claim.claimant;
        let epoch = (room.reign.epoch + 1).max(now_ms).max(claim.highest_seen_epoch + 1);
        room.reign = Reign { epoch, nonce: claim.nonce };
        room.lineage.succeed(Succession { epoch, nonce: claim.nonce, inherited_rev: room.controls.rev });
        Ok(room.clone())
    }

    /// `fenced`: whether the fence stands (the experiment without it shows what it is for).
    pub fn write_room(
        &mut self,
        incarnation: u64,
        reign: Reign,
        controls: &Controls,
        lineage: Option<&Lineage>,
        fenced: bool,
    ) -> Result<(), Refused> {
        let room = self.room.as_mut().ok_or(Refused::Gone)?;
        let admitted =
            room.owner.incarnation == incarnation && reign.stamp(controls.rev) >= room.reign.stamp(room.controls.rev);
        if fenced && !admitted {
            return Err(Refused::Owned);
        }
        room.reign = reign;
        room.controls = controls.clone();
        if let Some(lineage) = lineage {
            room.lineage = lineage.clone();
        }
        Ok(())
    }

    pub fn close_room(&mut self, incarnation: u64, reign: Reign, clock_us: Us) -> Result<(), Refused> {
        let room = self.room.as_ref().ok_or(Refused::Gone)?;
        if room.owner.incarnation != incarnation || reign < room.reign {
            return Err(Refused::Owned);
        }
        self.closed = Some((room.reign.epoch, clock_us + CLOSED_FOR_US));
        self.room = None;
        Ok(())
    }

    pub fn restore_room(&mut self, record: &Record) -> Restored {
        if self.closed.is_some_and(|(epoch, _)| epoch >= record.reign.epoch) {
            return Restored::Closed;
        }
        let height = |record: &Record| record.reign.stamp(record.controls.rev);
        let knows = self.room.as_ref().is_some_and(|room| height(room) >= height(record));
        if knows {
            return Restored::KnownAlready;
        }
        self.room = Some(record.clone());
        Restored::Written
    }

    /// The name in force.
    pub fn name_generation(&mut self, proposal: u64) -> u64 {
        *self.generation.get_or_insert(proposal)
    }
}
