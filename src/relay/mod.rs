//! Messages between nodes: which topics there are, what is said on them, and how it gets there.
//!
//! The relay is at most once. What is lost is reported as a [`Gap`], and whoever hears of it reads the room's record.

mod bus;
mod calls;
mod envelope;
mod fred;
mod hearing;
mod inbox;
mod local;
mod topic;

pub use self::fred::{FredRelay, RelayError};
pub use bus::{NotPublished, Relay, RelayFigures, SubscribeError};
pub use calls::{CallFailed, Calls, Service};
pub use envelope::{
    Answer, BROADCAST_BYTES_MAX, BadEnvelope, Body, Call, ENVELOPE_BYTES_MAX, Ejection, Envelope, MAJOR, MINOR, Note,
    Plan, Presences, RoomEvent, RoomUpdate, Snapshot, Stamp, TenantUsage, Usage,
};
pub use hearing::{Hearing, Hearings, IsHeard};
pub use inbox::{Gap, INBOX_CAPACITY, Inbound, Inbox, InboxSender, inbox};
pub use local::{LocalBus, LocalRelay};
pub use topic::{BadTopic, Topic};
