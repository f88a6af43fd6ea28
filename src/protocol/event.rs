//! The names that Phoenix gives to its own topic, events and reasons.

/// The topic of the socket itself; only heartbeats come on it.
pub const SOCKET_TOPIC: &str = "phoenix";

/// Keeps an idle socket open; comes on [`SOCKET_TOPIC`].
pub const HEARTBEAT: &str = "heartbeat";

/// Opens a channel on a topic.
pub const JOIN: &str = "phx_join";

/// Ends a channel at the client's wish.
pub const LEAVE: &str = "phx_leave";

/// Carries the answer to a client's message, under that message's ref.
pub const REPLY: &str = "phx_reply";

/// Ends a channel for good: clients do not join again by themselves.
pub const CLOSE: &str = "phx_close";

/// Ends a channel for a passing cause: clients join again.
pub const ERROR: &str = "phx_error";

/// A message to everyone on a topic, in Supabase's family of clients.
pub const BROADCAST: &str = "broadcast";

/// Everyone who is present, sent once after a join.
pub const PRESENCE_STATE: &str = "presence_state";

/// Who came and who went since the last state or diff.
pub const PRESENCE_DIFF: &str = "presence_diff";

/// Reason of the [`ERROR`] that follows a failure of the channel or an unknown event.
pub const REASON_CHANNEL_CRASH: &str = "channel_crash";

/// Reason of the error reply to a join whose handler failed.
pub const REASON_JOIN_CRASHED: &str = "join crashed";
