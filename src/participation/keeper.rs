//! The database, as a drain sees it.

use async_trait::async_trait;

use super::Batch;

/// Where drains put batches.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Inserts a batch. Events that were inserted before are known by their ids and change nothing.
    async fn insert(&self, batch: &Batch) -> Result<(), InsertFailed>;
}

/// A batch was not inserted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertFailed {
    /// Passing: the batch is offered again.
    #[error("{0}")]
    Unavailable(String),
}
