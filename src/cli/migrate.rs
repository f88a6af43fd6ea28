//! `downbeat migrate`: makes the database's tables, or brings them up to date.

use clap::Args;
use thiserror::Error;

use super::{
    database_place::{DatabasePlace, NoPlace},
    setting::Env,
};
use crate::participation::{Database, DatabaseError};

/// Make the database's tables, or bring them up to date
///
/// Nodes do this themselves when they start. Run it before an upgrade where their database user may not create tables:
/// then nodes find everything in place. It may be run at any time, by several at once, and says what it did.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MigrateArgs {
    #[command(flatten)]
    pub place: DatabasePlace,
}

const EXAMPLES: &str = "\
Examples:
  DATABASE_URL=postgres://owner:secret@10.0.0.6/downbeat downbeat migrate
  downbeat migrate --config downbeat.toml
  downbeat migrate --database-url sqlite:downbeat-data/downbeat.db";

/// Why the tables are not as they should be.
#[derive(Debug, Error)]
pub enum MigrateError {
    #[error(transparent)]
    Place(#[from] NoPlace),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Brings the tables up to date, and answers what was done in a sentence.
///
/// # Errors
/// No database is named, or it does not answer, or it refuses.
pub async fn migrate(args: &MigrateArgs, env: Env<'_>) -> Result<String, MigrateError> {
    let url = args.place.url(env)?;
    let migrated = Database::new(&url).migrate().await?;
    Ok(match migrated.applied {
        0 => format!("{url}: everything is in place"),
        1 => format!("{url}: one migration was applied"),
        applied => format!("{url}: {applied} migrations were applied"),
    })
}
