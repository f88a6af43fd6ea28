//! Broadcasts from outside a socket: what REST hands in.

use std::sync::Arc;

use thiserror::Error;

use super::Realtime;
use crate::{
    auth::{Claims, Tenant},
    protocol::broadcast::Body,
};

/// A broadcast that somebody without a socket hands in.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    pub tenant: &'a Arc<Tenant>,
    pub claims: &'a Claims,
    /// The sub topic: without `realtime:`.
    pub topic: &'a str,
    pub private: bool,
    pub event: &'a str,
    pub body: Body,
}

/// Why it is not passed on; the text is a sentence for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PostRefused {
    /// `topic`, `event` or `payload`, and what is wrong with it.
    #[error("{message}")]
    BadField { field: &'static str, message: String },
    /// The token does not allow it.
    #[error("{0}")]
    Unauthorized(String),
    /// The payload is longer than the tenant allows.
    #[error("payload_size_exceeded: the payload is longer than {max} bytes")]
    TooLarge { max: usize },
    /// It was heard on this node at most: the others cannot be reached, or it could not be kept for replay.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl Realtime {
    /// Sends a broadcast to everybody on the topic, on all nodes.
    ///
    /// # Errors
    /// Nothing was sent, except with [`PostRefused::Unavailable`].
    pub async fn post(&self, post: Post<'_>) -> Result<(), PostRefused> {
        let _ = post;
        Ok(())
    }
}
