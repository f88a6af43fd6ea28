//! Rooms: the actor that conducts one, the way to it, and every gateway's copy.

mod actor;
mod ask;
mod audience;
mod broadcasts;
mod closed;
mod confirm;
mod creation;
mod emitter;
mod errands;
mod follow;
mod mirror;
mod notes;
mod people;
mod record;
mod reign;
mod remembered;
mod restoration;
mod room_mirror;
mod roster;
mod router;
mod run;
mod service;
mod standing;
mod succession;
mod unheard;
mod update;

pub use ask::RequestId;
pub use audience::{Audience, Audiences, Class, Recipients};
pub use mirror::{Errands, Mirror, MirrorSettings, SWEEP_SLOTS, Seat, Subscriptions, Wake, Wishes};
pub use notes::{NoteLimits, NoteRefused};
pub use room_mirror::{RoomMirror, RoomState};
pub use router::{ControlRefused, CreateRefused, Parts, Router, RouterSettings};
pub use service::RoomService;
pub use standing::RoomStanding;

/// Below 2⁵³, as the store asks of a nonce.
fn random() -> u64 {
    // Where the system gives no randomness, two nonces may tie: the epoch then still differs.
    getrandom::u64().unwrap_or_default() >> 11
}
