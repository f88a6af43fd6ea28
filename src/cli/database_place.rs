//! Which database a command is for.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use super::{
    SettingsError,
    setting::{Env, Found, Reader},
    settings::config_path,
    tenant_file,
};
use crate::{
    auth::{Problem, Secret},
    participation::{BadDatabaseUrl, DatabaseUrl},
};

/// Where the nodes' database is.
#[derive(Clone, Debug, Args)]
pub struct DatabasePlace {
    /// The database: sqlite:<file> or postgres://user:password@host/database [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,
    /// The nodes' TOML file, for its database_url [env: DOWNBEAT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// No database, or a wrong one, is named.
#[derive(Debug, Error)]
pub enum NoPlace {
    #[error(
        "no database is named: give --database-url, DATABASE_URL or a --config file with database_url; a node alone keeps \
         its own in its data directory, sqlite:downbeat-data/downbeat.db"
    )]
    Unnamed,
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl DatabasePlace {
    /// What flags, environment or file name.
    pub(super) fn url(&self, env: Env<'_>) -> Result<DatabaseUrl, NoPlace> {
        let found = self.find("database_url", "DATABASE_URL", self.database_url.as_ref(), env)?;
        let Found { name, value, .. } = found.ok_or(NoPlace::Unnamed)?;
        let url: Result<DatabaseUrl, BadDatabaseUrl> = value.parse();
        Ok(url.map_err(|error| wrong(Problem::hidden(name, error.to_string())))?)
    }

    /// A setting of the nodes: from a flag, the environment or their file.
    pub(super) fn find(
        &self,
        key: &str,
        variable: &str,
        flag: Option<&Secret>,
        env: Env<'_>,
    ) -> Result<Option<Found>, SettingsError> {
        let file = match config_path(self.config.as_deref(), env) {
            Some(path) => tenant_file::read(&path).map_err(wrong)?,
            None => toml::Table::new(),
        };
        let mut reader = Reader::new(env, file);
        let found = reader.find(key, variable, flag.map(Secret::expose));
        reader.problems.pop().map_or(Ok(found), |problem| Err(wrong(problem)))
    }
}

fn wrong(problem: Problem) -> SettingsError {
    SettingsError(vec![problem])
}
