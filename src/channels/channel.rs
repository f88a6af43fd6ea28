//! What a connection has joined: a music room, or a realtime topic.

use super::{
    Handled, MusicRoom, Push,
    realtime::{Followed, RealtimeTopic},
};
use crate::auth::Claims;

/// A joined channel. Dropping it is leaving.
pub enum Channel {
    Room(Box<MusicRoom>),
    Topic(Box<RealtimeTopic>),
}

impl Channel {
    /// The number of this join, which no other has.
    pub fn connection(&self) -> u64 {
        match self {
            Self::Room(room) => room.connection(),
            Self::Topic(topic) => topic.connection(),
        }
    }

    pub fn handle(&self, push: Push<'_>) -> Handled {
        match self {
            Self::Room(room) => room.handle(push),
            Self::Topic(topic) => topic.handle(push),
        }
    }

    /// A fresh token counts from now on.
    pub fn follow(&mut self, claims: &Claims) -> Followed {
        match self {
            Self::Room(room) => {
                room.follow(claims);
                Followed::Stays
            }
            Self::Topic(topic) => topic.follow(claims),
        }
    }

    /// The client waits for changes of a database, which nobody sends here.
    pub fn wants_postgres(&self) -> bool {
        match self {
            Self::Room(room) => room.bridge().is_some_and(|bridge| !bridge.postgres_changes().is_empty()),
            Self::Topic(topic) => topic.wants_postgres(),
        }
    }
}
