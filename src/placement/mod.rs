//! Which node should conduct a room, and how long a node may believe that it is alive.

mod membership;
mod ring;
mod session;

pub use membership::Membership;
pub use ring::{POINTS_PER_NODE, RING_VERSION, Ring};
pub use session::{Judgement, Observer, Renewal, Session, Terms};
