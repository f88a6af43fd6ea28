//! Which node should conduct a room, and how long a node may believe that it is alive.

mod decision;
mod directory;
mod lookout;
mod membership;
mod ring;
mod session;

pub use decision::{Decision, RecordedOwner, Sight, decide};
pub use directory::{Directory, News, NodeSeen, View, may_conduct};
pub use lookout::Lookout;
pub use membership::{Load, Membership};
pub use ring::{POINTS_PER_NODE, RING_VERSION, Ring};
pub use session::{Judgement, Observer, Renewal, Session, Terms};
