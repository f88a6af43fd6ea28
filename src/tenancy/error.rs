//! Why an operator's wish is not fulfilled.

use thiserror::Error;

use crate::{
    auth::{KeptWrong, Problem, SealError},
    participation::DatabaseError,
    store::StoreError,
};

/// A refusal. No secret is in its words.
#[derive(Debug, Error)]
pub enum TenancyError {
    #[error(
        "tenants are kept in a database, and this node has none: set DATABASE_URL (--database-url), and restart it"
    )]
    NoDatabase,
    #[error("tenants' secrets are sealed, and this node has no key for it: set DOWNBEAT_SECRET_KEY (--secret-key)")]
    NoKey,
    #[error("tenant `{id}` is in the node's file: change it there, and restart the nodes; or take it out there first")]
    InFile { id: String },
    #[error("there is no tenant `{id}`")]
    Unknown { id: String },
    #[error("tenant ids are 1 to 63 lower-case letters, digits, `-` or `_`, and begin with a letter or digit")]
    BadId,
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<Problem>),
    /// It can be replaced as a whole.
    #[error("tenant `{id}` cannot be changed by parts: {wrong}; or put it anew, as a whole")]
    Kept { id: String, wrong: KeptWrong },
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the database does not answer in time: look whether it was done before you repeat it")]
    Late,
    #[error("the tenant is out, but not all of it is erased yet: {why}. Repeat it until the answer is 204")]
    NotErased { why: String },
}

impl From<StoreError> for TenancyError {
    fn from(error: StoreError) -> Self {
        Self::NotErased { why: error.to_string() }
    }
}
