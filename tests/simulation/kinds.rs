//! The words that all parts of the model use.

use std::rc::Rc;

use downbeat::{relay::Stamp, tempo::Timeline};

/// Microseconds.
pub type Us = i64;
pub const MS: Us = 1_000;
pub const SECOND: Us = 1_000_000;

/// A node by its place in [`NAMES`].
pub type NodeId = usize;
pub const NAMES: [&str; 5] = ["ada", "bea", "cid", "dan", "eve"];

/// A reign's number: (epoch, nonce), in the order in which fences compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reign {
    pub epoch: u64,
    pub nonce: u64,
}

impl Reign {
    pub fn stamp(self, rev: u64) -> Stamp {
        Stamp { epoch: self.epoch, nonce: self.nonce, rev }
    }

    pub fn of(stamp: Stamp) -> Self {
        Self { epoch: stamp.epoch, nonce: stamp.nonce }
    }
}

/// The room's controls: which of the teachers' changes are in them, each one bit, and the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    pub rev: u64,
    pub applied: u128,
    pub timeline: Rc<Timeline>,
}

/// A node in one of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub node: NodeId,
    pub incarnation: u64,
}

/// The room's record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub owner: Owner,
    pub reign: Reign,
    pub controls: Controls,
    /// The reign that last changed the controls.
    pub changed_in: Reign,
}

/// What conductors and gateways say to each other.
#[derive(Debug)]
pub enum Message {
    /// Each second, and at each change. `controls` only at a change.
    Plan(Plan),
    /// A gateway dropped a plan of this origin because it knows a higher reign.
    TooLow { known: Reign },
    /// What a gateway knows of a former reign, which the present one may lack.
    Returned(Known),
    /// The conductor has dealt with what was returned.
    Settled { reign: Reign, rev: u64 },
    /// A teacher's control, sent by the teacher's gateway.
    Control { id: u32 },
    /// It is stored.
    Done { id: u32, reign: Reign, rev: u64 },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub owner: Owner,
    pub stamp: Stamp,
    pub timeline: Rc<Timeline>,
    /// The rev that this reign began with, and the reign that had made it.
    pub inherited: u64,
    pub inherited_from: Reign,
    pub controls: Option<Controls>,
}

/// A gateway's knowledge of a reign that is over.
#[derive(Clone, Debug)]
pub struct Known {
    pub reign: Reign,
    /// The highest rev that it has heard of, though perhaps not the controls of.
    pub rev: u64,
    pub controls: Controls,
}
