//! The log: one line where an error is handled, text for people or JSON for machines, on standard error.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, Settings};

/// The log's filter cannot be read.
#[derive(Debug, Error)]
#[error("log: `{filter}` is not a filter ({reason}): write `info`, or `info,downbeat::gateway=debug`")]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Starts the log of this process.
pub fn start(settings: &Settings) -> Result<(), BadFilter> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| BadFilter { filter: settings.log.clone(), reason: error.to_string() })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
    }
    Ok(())
}
