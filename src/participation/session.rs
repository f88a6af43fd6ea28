//! A room's session, as it is recorded.

use super::SessionId;

/// What is known of one life of a room beside its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHead {
    pub session: SessionId,
    /// The room's name; empty where it had none.
    pub name: String,
    /// Who opened it; none where the record of that was lost.
    pub teacher_id: Option<String>,
    /// µs since 1970, as are the others.
    pub opened_at_us: i64,
    /// None: it goes on, or nobody could record its end.
    pub closed_at_us: Option<i64>,
    /// When the last event that is recorded happened.
    pub last_event_at_us: i64,
}
