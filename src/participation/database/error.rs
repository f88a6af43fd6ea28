//! What can go wrong with a database.

use sqlx::{error::DatabaseError as Said, migrate::MigrateError};

/// Why a database did not do what it was asked. No text of it holds a password or a row's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// It is down, starting, full or too busy. The same call may succeed later.
    #[error("the database cannot serve just now: {0}")]
    Unavailable(String),
    /// It refuses this very content, and always will.
    #[error("the database refuses the data: {0}")]
    Data(String),
    /// What it holds cannot be read.
    #[error("the database holds what Downbeat did not write: {0}; repair or delete that row")]
    Damaged(String),
    /// It refuses us: its tables are missing, or its user may not use them.
    #[error("the database refuses: {0}; has `downbeat migrate` been run, and may this user read and write its tables?")]
    Refused(String),
    /// Its tables are not those that this version knows.
    #[error("the database's tables: {0}")]
    Migration(String),
}

impl DatabaseError {
    /// Nobody needs to do anything but wait.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// It is a matter of what was given, not of the database.
    pub(super) fn is_about_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(said) => refused(&*said),
            sqlx::Error::Encode(_) | sqlx::Error::TypeNotFound { .. } => Self::Data(error.to_string()),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Damaged(error.to_string()),
            sqlx::Error::PoolTimedOut => Self::Unavailable("no connection became free in time".to_owned()),
            sqlx::Error::Migrate(error) => Self::from(*error),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<MigrateError> for DatabaseError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(error, version) => match Self::from(error) {
                Self::Unavailable(why) => Self::Unavailable(why),
                error => Self::Migration(format!("migration {version} failed: {error}")),
            },
            error => Self::Migration(error.to_string()),
        }
    }
}

/// Sorts by the codes: PostgreSQL's are five characters (appendix A of its manual), SQLite's extended result codes,
/// whose low byte is the primary one.
fn refused(said: &dyn Said) -> DatabaseError {
    let code = said.code().unwrap_or_default();
    let why = format!("{} ({code})", said.message());
    if let (true, Ok(code)) = (code.len() != 5, code.parse::<u32>()) {
        return match code & 0xff {
            // BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL
            5 | 6 | 7 | 9 | 10 | 13 | 14 | 15 => DatabaseError::Unavailable(why),
            // TOOBIG, CONSTRAINT, MISMATCH
            18..=20 => DatabaseError::Data(why),
            _ => DatabaseError::Refused(why),
        };
    }
    match &*code {
        // Cancelled by the time limit, and a standby that is not yet the primary.
        "57014" | "25006" | "55P03" => DatabaseError::Unavailable(why),
        code => match code.get(..2) {
            Some("21" | "22" | "23" | "54") => DatabaseError::Data(why),
            Some("08" | "40" | "53" | "57" | "58" | "XX") => DatabaseError::Unavailable(why),
            _ => DatabaseError::Refused(why),
        },
    }
}
