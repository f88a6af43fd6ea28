//! Messages between nodes: which topics there are, what is said on them, and how it gets there.
//!
//! The relay is at most once. What is lost is reported as a [`Gap`], and whoever hears of it reads the room's record.

mod bus;
mod calls;
mod envelope;
mod fred;
mod inbox;
mod local;
mod topic;

pub use self::fred::{FredRelay, RelayError};
pub use bus::{NotPublished, Relay, RelayFigures, SubscribeError};
pub use calls::{CallFailed, Calls, Service};
pub use envelope::{
    Answer, BadEnvelope, Body, Call, ENVELOPE_BYTES_MAX, Ejection, Envelope, MAJOR, MINOR, Note, Plan, RoomEvent,
    RoomUpdate, Snapshot, Stamp, TenantUsage, Usage,
};
pub use inbox::{Gap, INBOX_CAPACITY, Inbound, Inbox, InboxSender, inbox};
pub use local::{LocalBus, LocalRelay};
pub use topic::{BadTopic, Topic};
