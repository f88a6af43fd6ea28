//! What a topic means. The gateway knows frames and sockets; a channel knows what its events do.

mod bridge;
mod channel;
mod join;
mod music_room;
mod presence;
pub mod realtime;
mod reflections;

use std::{net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;

pub use bridge::Bridge;
pub use channel::{Channel, Followed, OTHER_SUB};
pub use join::{JoinRefused, JoinRequest, MUSIC_ROOM, is_room, join};
pub use music_room::MusicRoom;

use self::realtime::Realtime;
use crate::{
    auth::{Claims, Tenant},
    conductor::{Mirror, Router},
    participation::{Receipt, Recorder},
    protocol::{Ref, Status, UserBroadcast},
    room::Control,
    time::Clock,
};

/// What channels need of their node.
pub struct Services {
    pub clock: Arc<dyn Clock>,
    pub mirror: Arc<Mirror>,
    pub router: Arc<Router>,
    pub recorder: Arc<Recorder>,
    pub realtime: Arc<Realtime>,
}

/// Who is at the other end of a socket, as its token proves it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub tenant: Arc<Tenant>,
    pub claims: Arc<Claims>,
    pub address: IpAddr,
}

/// A push to a channel.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    pub event: &'a str,
    pub payload: Payload<'a>,
    pub reference: Option<&'a Ref>,
    /// When the frame was read, cluster time.
    pub received_us: i64,
}

/// What a push carries.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// JSON text of any value.
    Json(&'a str),
    /// A broadcast in Supabase's binary form; the push's event is `broadcast`.
    Broadcast(UserBroadcast<'a>),
}

/// How a channel answers a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `response` is JSON text.
    Reply { status: Status, response: String },
    /// No answer is awaited.
    Nothing,
    /// The event is unknown to this channel, which ends with `channel_crash`.
    Crash,
}

impl Answer {
    /// ok `{}`.
    pub fn ok() -> Self {
        Self::Reply { status: Status::Ok, response: "{}".to_owned() }
    }

    /// error `{"error":"payload_size_exceeded"}`, as Supabase's clients know it.
    pub fn too_large() -> Self {
        let response = serde_json::json!({ "error": "payload_size_exceeded" }).to_string();
        Self::Reply { status: Status::Error, response }
    }

    /// The answer to octets where an event's payload was to be.
    pub fn no_binary() -> Self {
        Self::error("binary not supported here")
    }

    /// error `{"reason": …}`.
    pub fn error(reason: &str) -> Self {
        let response = serde_json::json!({ "reason": reason }).to_string();
        Self::Reply { status: Status::Error, response }
    }
}

/// An answer, at once or when something elsewhere has been done.
pub enum Handled {
    Now(Answer),
    Later(BoxFuture<'static, Answer>),
    /// The same, where what the push asked for is done and only the answer waits: later pushes do not.
    Beside(BoxFuture<'static, Answer>),
    /// It is done, and ok once it is recorded too. Nobody waits for that: the ok goes with whatever else is sent next, or
    /// a little later alone.
    Recorded(Receipt),
}

/// Events that are answered even while an earlier one of their channel is still at work.
pub fn is_immediate(event: &str) -> bool {
    event == "clock_sync"
}

/// The event's name if it is one of the contract, else `unknown`: what clients invent must not become a metric.
pub fn known_event(event: &str) -> &'static str {
    let known = ROOM_REQUESTS.into_iter().chain(TOPIC_EVENTS).chain(Control::EVENTS);
    known.into_iter().find(|known| *known == event).unwrap_or("unknown")
}

/// What members may ask of a room beside its controls.
const ROOM_REQUESTS: [&str; 5] = ["play_note", "clock_sync", "clock_report", "get_room", "submit_reflection"];
/// What members may push to a realtime topic.
const TOPIC_EVENTS: [&str; 2] = ["broadcast", "presence"];

/// Whether this is an event that a room takes from its members.
fn is_client_event(event: &str) -> bool {
    ROOM_REQUESTS.contains(&event) || Control::EVENTS.contains(&event)
}
