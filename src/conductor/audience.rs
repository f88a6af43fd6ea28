//! Whom a room's mirror speaks to, without knowing how: the gateway's hub implements this.

use std::sync::Arc;

use crate::{protocol::Broadcast, room::RoomKey};

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients<'a> {
    All,
    Teachers,
    Student(&'a str),
}

/// What a message is, for the sake of what may be dropped first and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Beat,
    Note,
    Control,
    Presence,
    Broadcast,
}

/// The connections of one room on this node.
///
/// The mirror calls it under the room's lock: whatever is sent is seen by all in the same order.
pub trait Audience: Send + Sync {
    /// Sends one event. `payload` is a JSON object, already serialised.
    fn send(&self, to: Recipients<'_>, class: Class, event: &str, payload: &str);

    /// Sends a broadcast to the connections that hear the room's events as broadcasts; the one that it is `from`
    /// hears it only if it wants to hear itself.
    fn broadcast(&self, from: Option<u64>, broadcast: &Broadcast);

    /// From now on this connection hears who comes and goes. If it did not, it gets `presence_state` first: `state` gives
    /// the payload.
    fn enable_presence(&self, connection: u64, state: &mut dyn FnMut() -> String);

    /// How many connections there are.
    fn size(&self) -> usize;

    /// Ends these connections' channels for good (`phx_close`), after telling them `event`.
    fn eject(&self, connections: &[u64], event: Option<(&str, &str)>);

    /// Ends every connection's channel: for good (`phx_close`), or for a passing cause (`phx_error`).
    fn end_all(&self, for_good: bool);
}

/// Makes the audience of a room when its first member arrives on this node.
pub trait Audiences: Send + Sync {
    fn audience_of(&self, key: &RoomKey, serial: u64) -> Arc<dyn Audience>;

    /// The last member has gone.
    fn dismiss(&self, key: &RoomKey);
}
