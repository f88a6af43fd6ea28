//! Which database, as `DATABASE_URL` says it.

use std::{fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

use crate::auth::Secret;

/// The database that a URL names.
///
/// | URL | |
/// |---|---|
/// | `sqlite:path`, `sqlite://path` | a file, made when it is missing; `sqlite:///var/lib/…` from the root |
/// | `postgres://user:password@host:port/database?…`, `postgresql://…` | with the options of libpq's URLs, `sslmode` among them |
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a process has one of it")]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A PostgreSQL server's URL, which was read and found to be one. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct PostgresUrl {
    text: Secret,
    options: PgConnectOptions,
}

/// No URL of a database. It never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDatabaseUrl {
    #[error(
        "must begin with `sqlite:` or `postgres://`, for example sqlite:downbeat.sqlite or postgres://user:password@host/database"
    )]
    Scheme,
    #[error("names no file: write sqlite:path, for example sqlite:downbeat.sqlite")]
    NoFile,
    #[error("sqlite: takes a file's path and nothing else: no `?`, and not `:memory:`, which would forget everything")]
    NotAFile,
    #[error(
        "is no URL of PostgreSQL: write postgres://user:password@host:port/database, and in user and password \
         `%` and two hexadecimal digits for whatever is neither letter nor digit"
    )]
    Postgres,
}

impl FromStr for DatabaseUrl {
    type Err = BadDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, BadDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(BadDatabaseUrl::NoFile),
                path if path.contains('?') || path.contains(":memory:") => Err(BadDatabaseUrl::NotAFile),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(BadDatabaseUrl::Scheme);
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| BadDatabaseUrl::Postgres)?;
        Ok(Self::Postgres(PostgresUrl { text: text.to_owned().into(), options }))
    }
}

impl PostgresUrl {
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PostgresUrl {}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        write!(f, "postgres://{host}:{port}/{}", self.options.get_database().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For logs: without user, password and options.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}
