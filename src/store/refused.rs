use thiserror::Error;

use super::records::Fence;

/// The store could not do its part. The operation may or may not have taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("the store takes no writes: {reason}")]
    Unavailable { reason: String },
}

/// Why a room was not created.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreateRefused {
    #[error("a room with this code lives already: draw another code")]
    CodeTaken,
    #[error("the tenant has its {max_rooms} rooms already: close one, or raise max_rooms_per_tenant")]
    TooManyRooms { max_rooms: usize },
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Why a room was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TakeOverRefused {
    #[error("the room was closed meanwhile: forget it")]
    Gone,
    #[error("the room belongs to {node} (incarnation {incarnation}) by now: send its commands there")]
    Owned { node: String, incarnation: u64 },
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Why a room's record was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteRefused {
    /// `stored` and `rev` are what the record holds.
    #[error(
        "the record is at incarnation {}, epoch {}, rev {rev}, beyond this writer: stop conducting the room",
        stored.incarnation,
        stored.epoch
    )]
    Fenced { stored: Fence, rev: u64 },
    #[error("the room was closed meanwhile: forget it")]
    Gone,
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}
