//! Rooms: the actor that conducts one, the way to it, and every gateway's copy.

mod actor;
mod audience;
mod emitter;
mod mirror;
mod notes;
mod room_mirror;
mod roster;
mod router;
mod update;

pub use audience::{Audience, Audiences, Class, Recipients};
pub use mirror::{Mirror, MirrorSettings, SWEEP_SLOTS, Seat, Wake, Wishes};
pub use notes::{NoteLimits, NoteRefused};
pub use room_mirror::{RoomMirror, RoomState};
pub use router::{ControlRefused, CreateRefused, RequestId, RoomStanding, Router, RouterSettings};
