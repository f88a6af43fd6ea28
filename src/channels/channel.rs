//! What a connection has joined: a music room, or a realtime topic.

use std::sync::Arc;

use super::{Bridge, Handled, MusicRoom, Push, realtime::RealtimeTopic};
use crate::{
    auth::{Claims, Tenant},
    room::TokenRole,
};

/// Why a token cannot take another's place on a socket.
pub const OTHER_SUB: &str = "the token's `sub` claim must be the one that this socket came with, while it is in a room";

/// What a fresh token means for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    Stays,
    /// It ends, for this reason.
    Ends(String),
}

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

    /// As whom a room has let it in; none on a topic.
    pub fn role(&self) -> Option<TokenRole> {
        match self {
            Self::Room(room) => Some(room.role()),
            Self::Topic(_) => None,
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
            Self::Room(room) => room.follow(claims),
            Self::Topic(topic) => topic.follow(claims),
        }
    }

    /// Other limits count from now on.
    pub fn set_tenant(&mut self, tenant: &Arc<Tenant>) {
        match self {
            Self::Room(room) => room.set_tenant(tenant.clone()),
            Self::Topic(topic) => topic.set_tenant(tenant.clone()),
        }
    }

    /// The client waits for changes of a database, which nobody sends here.
    pub fn wants_postgres(&self) -> bool {
        match self {
            Self::Room(room) => room.bridge().is_some_and(Bridge::wants_postgres),
            Self::Topic(topic) => topic.wants_postgres(),
        }
    }
}
