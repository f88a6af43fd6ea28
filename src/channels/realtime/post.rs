//! Broadcasts from outside a socket: what REST hands in.

use std::sync::Arc;

use thiserror::Error;

use super::{
    Realtime,
    channel::{bytes_max, is_too_large, no_writing, permit},
    saying,
};
use crate::{
    auth::{Claims, Tenant},
    channels::{MUSIC_ROOM, is_client_event},
    protocol::{
        Broadcast, TopicKey,
        broadcast::Body,
        inbound::FIELD_BYTES_MAX,
        topic::{REALTIME, REALTIME_BYTES_MAX},
    },
    room::{Code, RoomKey, TokenRole, is_reserved},
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

/// A broadcast that may be sent, and where to.
#[derive(Clone, Debug)]
pub struct Sound {
    target: Target,
    event: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Target {
    Topic(TopicKey),
    Room(RoomKey),
}

impl Realtime {
    /// Checks a broadcast without sending it: of several, none is sent before all are sound.
    ///
    /// # Errors
    /// All of [`PostRefused`] but `Unavailable`.
    pub fn check(post: Post<'_>) -> Result<Sound, PostRefused> {
        check_name("topic", post.topic, REALTIME_BYTES_MAX - REALTIME.len())?;
        check_name("event", post.event, FIELD_BYTES_MAX)?;
        if is_too_large(post.tenant, &post.body) {
            return Err(PostRefused::TooLarge { max: bytes_max(&post.tenant.limits) });
        }
        let target = match post.topic.strip_prefix(MUSIC_ROOM) {
            Some(code) => Target::Room(check_room(&post, code)?),
            None if permit(post.claims, post.topic, post.private).write => {
                let (tenant, name) = (post.tenant.id.clone(), post.topic.into());
                Target::Topic(TopicKey { tenant, name, private: post.private })
            }
            None => return Err(PostRefused::Unauthorized(no_writing(post.topic))),
        };
        Ok(Sound { target, event: post.event.to_owned(), body: post.body })
    }

    /// Sends a broadcast to everybody on the topic, on all nodes.
    ///
    /// # Errors
    /// [`PostRefused::Unavailable`] alone: it was sent, but is not kept.
    pub async fn post(&self, Sound { target, event, body }: Sound) -> Result<(), PostRefused> {
        match target {
            Target::Topic(key) => {
                let kept = saying::kept(self.broadcast(&key, None, event, body)).await;
                kept.map_err(|_| PostRefused::Unavailable("it was sent, and is not kept for replay".to_owned()))?;
            }
            Target::Room(key) => {
                let at_ms = self.parts.clock.now_us().div_euclid(1_000);
                self.parts.mirror.broadcast(&key, &Arc::new(Broadcast { event, body, id: None, at_ms }));
            }
        }
        Ok(())
    }
}

/// A room listens to its members; from outside, to its teachers alone, and never to its own words.
fn check_room(post: &Post<'_>, code: &str) -> Result<RoomKey, PostRefused> {
    let bad = |field, message| PostRefused::BadField { field, message };
    let code: Code = code.parse().map_err(|_| bad("topic", "names no room".to_owned()))?;
    let is_other_room = post.claims.room.as_deref().is_some_and(|room| room != code.as_str());
    if post.claims.role != TokenRole::Teacher || is_other_room {
        return Err(PostRefused::Unauthorized(no_writing(post.topic)));
    }
    if is_reserved(post.event) {
        return Err(bad("event", format!("is reserved: only the room itself sends {}", post.event)));
    }
    if is_client_event(post.event) {
        let instead = "join the room, or POST to /api/music/rooms/{code}/actions/{event}";
        return Err(bad("event", format!("cannot be broadcast from outside the room: {instead}")));
    }
    Ok(RoomKey { tenant: post.tenant.id.clone(), code })
}

fn check_name(field: &'static str, name: &str, bytes_max: usize) -> Result<(), PostRefused> {
    let message = match name.len() {
        0 => "can't be blank".to_owned(),
        bytes if bytes > bytes_max => format!("should be at most {bytes_max} byte(s)"),
        _ => return Ok(()),
    };
    Err(PostRefused::BadField { field, message })
}
