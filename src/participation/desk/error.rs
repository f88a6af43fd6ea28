//! Why a question about what was recorded has no answer.

use std::time::Duration;

use super::super::{BadReportOptions, DatabaseError};

/// Why there is no answer. The texts are for clients; what a database says goes to the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error(
        "participation is not recorded here: the operator switches it on with DATABASE_URL, and a school for itself"
    )]
    Off,
    /// There is no such room or session, or it is another tenant's.
    #[error("Room not found")]
    NoSession,
    #[error("nothing of this id can be changed: it is another's, of another session, or was never kept")]
    NoReflection,
    #[error(transparent)]
    Options(#[from] BadReportOptions),
    #[error("there are more than {max} sessions between `from` and `to`: ask for fewer weeks at a time")]
    TooManySessions { max: usize },
    #[error("the school asks for more at a time than is read for it: try again in a moment")]
    TooManyAsks,
    /// It may answer later.
    #[error("the database does not answer: try again in a moment")]
    Unavailable,
    #[error("what the database holds of this cannot be read: see the server's log")]
    Damaged,
}

impl DeskError {
    pub(super) fn late(within: Duration) -> Self {
        tracing::warn!(
            waited.ms = within.as_millis() as u64,
            "the participation database did not answer a question in time"
        );
        Self::Unavailable
    }
}

impl From<DatabaseError> for DeskError {
    fn from(error: DatabaseError) -> Self {
        tracing::warn!(%error, "the participation database did not answer a question");
        match error {
            DatabaseError::Data(_) | DatabaseError::Damaged(_) => Self::Damaged,
            // What refuses us now may be waiting for its tables.
            DatabaseError::Unavailable(_) | DatabaseError::Refused(_) | DatabaseError::Migration(_) => {
                Self::Unavailable
            }
        }
    }
}
