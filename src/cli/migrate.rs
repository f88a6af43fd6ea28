//! `downbeat migrate`: makes the database's tables, or brings them up to date.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use super::{
    SettingsError,
    setting::{Env, Reader},
    settings::config_path,
    tenant_file,
};
use crate::{
    auth::{Problem, Secret},
    participation::{BadDatabaseUrl, Database, DatabaseError, DatabaseUrl},
};

/// Make the database's tables, or bring them up to date
///
/// Nodes do this themselves when they start. Run it before an upgrade where their database user may not create tables:
/// then nodes find everything in place. It may be run at any time, by several at once, and says what it did.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MigrateArgs {
    /// The database: sqlite:<file> or postgres://user:password@host/database [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,
    /// The nodes' TOML file, for its database_url [env: DOWNBEAT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  DATABASE_URL=postgres://owner:secret@10.0.0.6/downbeat downbeat migrate
  downbeat migrate --config downbeat.toml
  downbeat migrate --database-url sqlite:downbeat-data/downbeat.db";

/// Why the tables are not as they should be.
#[derive(Debug, Error)]
pub enum MigrateError {
    #[error("no database is named: give --database-url, DATABASE_URL or a --config file with database_url")]
    NoDatabase,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Brings the tables up to date, and answers what was done in a sentence.
///
/// # Errors
/// No database is named, or it does not answer, or it refuses.
pub async fn migrate(args: &MigrateArgs, env: Env<'_>) -> Result<String, MigrateError> {
    let url = database_url(args, env)?;
    let migrated = Database::new(&url).migrate().await?;
    Ok(match migrated.applied {
        0 => format!("{url}: everything is in place"),
        1 => format!("{url}: one migration was applied"),
        applied => format!("{url}: {applied} migrations were applied"),
    })
}

fn database_url(args: &MigrateArgs, env: Env<'_>) -> Result<DatabaseUrl, MigrateError> {
    let file = match config_path(args.config.as_deref(), env) {
        Some(path) => tenant_file::read(&path).map_err(|problem| SettingsError(vec![problem]))?,
        None => toml::Table::new(),
    };
    let mut reader = Reader::new(env, file);
    let flag = args.database_url.as_ref().map(Secret::expose);
    let found = reader.find("database_url", "DATABASE_URL", flag).ok_or(MigrateError::NoDatabase)?;
    let wrong = |error: BadDatabaseUrl| SettingsError(vec![Problem::hidden(found.name.clone(), error.to_string())]);
    Ok(found.value.parse().map_err(wrong)?)
}
