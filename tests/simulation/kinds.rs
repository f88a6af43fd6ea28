//! The words that all parts of the model use.

use std::rc::Rc;

use downbeat::{relay::Stamp, store::Lineage, tempo::Timeline};

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
    pub lineage: Lineage,
}

/// What conductors and gateways say to each other.
#[derive(Debug)]
pub enum Message {
    /// Each second, at each change, and whole when a reign begins.
    Plan(Plan),
    /// A gateway dropped a plan of this origin because it knows of something higher.
    TooLow {
        above: u64,
    },
    /// The room is yours.
    TakeUp,
    /// Whoever has just taken the room over asks what gateways know.
    RollCall {
        number: u64,
    },
    Roll {
        number: u64,
        known: Option<Known>,
    },
    /// What a gateway knows of a former reign, which the present one may lack.
    Returned(Known),
    /// The conductor has dealt with what was returned.
    Settled {
        stamp: Stamp,
    },
    /// A teacher's control, sent by the teacher's gateway.
    Control {
        id: u32,
    },
    /// It is stored.
    Done {
        id: u32,
        reign: Reign,
        rev: u64,
    },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub owner: Owner,
    pub stamp: Stamp,
    pub timeline: Rc<Timeline>,
    pub controls: Option<Controls>,
    /// With the controls: all of the room, as a reign announces it.
    pub lineage: Option<Lineage>,
}

/// A gateway's knowledge of a reign that is over.
#[derive(Clone, Debug)]
pub struct Known {
    pub reign: Reign,
    pub controls: Controls,
}

impl Known {
    pub fn stamp(&self) -> Stamp {
        self.reign.stamp(self.controls.rev)
    }
}
