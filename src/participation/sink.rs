//! Where what was recorded is kept until it is in the database.

use async_trait::async_trait;

use super::Batch;

/// Keeps events: on a single node a journal file, in a cluster a Redis stream.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Keeps a batch. `Ok` means that the end of this process, however sudden, no longer loses it. A batch whose answer
    /// was lost is offered again, so events may be kept twice: the database knows them by their ids.
    ///
    /// A full sink still takes what tells of losses ([`Batch::tells_of_losses`]): a little of that.
    async fn keep(&self, batch: &Batch) -> Result<(), NotKept>;
}

/// Why events were not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// Nothing more fits: these are lost, and counted.
    #[error("{max} are waiting for the database already: see that it answers")]
    Full { max: String },
    /// Passing: the batch is offered again.
    #[error("{0}")]
    Unavailable(String),
}
