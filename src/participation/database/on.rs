//! One of the two databases.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{DatabaseError, DatabaseUrl, sql};

/// What there is one of for each database: pools, connections, transactions.
#[derive(Clone, Debug)]
pub enum On<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Runs the same code on whichever it is.
macro_rules! on {
    ($either:expr, $here:ident => $body:expr) => {
        match $either {
            $crate::participation::database::on::On::Sqlite($here) => $body,
            $crate::participation::database::on::On::Postgres($here) => $body,
        }
    };
}
pub(super) use on;

impl<S, P> On<S, P> {
    /// Of a statement that each says in its own way, the one.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// SQLite has one writer at a time. Here writers queue for one connection, where with several they would poll.
#[derive(Clone, Debug)]
pub struct LitePools {
    pub reads: SqlitePool,
    pub writes: SqlitePool,
}

pub type Pools = On<LitePools, PgPool>;
pub type Write = On<Transaction<'static, Sqlite>, Transaction<'static, Postgres>>;

/// Who else may write to a tenant's tables in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All who also share.
    Shared,
    /// Nobody.
    Exclusive,
}

const LITE_READERS: u32 = 4;
const LITE_BUSY: Duration = Duration::from_secs(5);
/// An erasure may come before.
const LITE_WRITER_WAIT: Duration = Duration::from_secs(10);
const PG_CONNECTIONS: u32 = 8;
const PG_WAIT: Duration = Duration::from_secs(3);
/// Nothing that is asked here takes a tenth of it; locks are waited for so long, too.
const PG_LIMITS: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'";
/// A session's events lie on as many pages as there are, where many lessons are written at a time: a report asks for
/// pages ahead, which takes a third of the time where they are on disk. Servers on some systems cannot, and refuse.
const PG_READ_AHEAD: &str = "DO $$ BEGIN SET effective_io_concurrency = 64; EXCEPTION WHEN OTHERS THEN NULL; END $$";

impl Pools {
    pub fn new(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(path) => {
                make_private(path);
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .busy_timeout(LITE_BUSY)
                    .foreign_keys(true)
                    // What is erased is overwritten, not only given free.
                    .pragma("secure_delete", "ON");
                // A page that is written again before the log is copied costs one copy.
                let writing = options.clone().pragma("wal_autocheckpoint", "8000").pragma("cache_size", "-16384");
                let pool = |connections, wait, options| {
                    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(wait);
                    pool.connect_lazy_with(options)
                };
                Self::Sqlite(LitePools {
                    reads: pool(LITE_READERS, LITE_BUSY, options),
                    writes: pool(1, LITE_WRITER_WAIT, writing),
                })
            }
            DatabaseUrl::Postgres(url) => {
                let pool = PgPoolOptions::new().max_connections(PG_CONNECTIONS).acquire_timeout(PG_WAIT);
                let pool = pool.after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(PG_LIMITS).execute(&mut *connection).await?;
                        sqlx::raw_sql(PG_READ_AHEAD).execute(connection).await.map(|_| ())
                    })
                });
                Self::Postgres(pool.connect_lazy_with(url.options().clone().application_name("downbeat")))
            }
        }
    }

    pub fn reads(&self) -> On<&SqlitePool, &PgPool> {
        match self {
            Self::Sqlite(pools) => On::Sqlite(&pools.reads),
            Self::Postgres(pool) => On::Postgres(pool),
        }
    }

    /// For single statements.
    pub fn writes(&self) -> On<&SqlitePool, &PgPool> {
        match self {
            Self::Sqlite(pools) => On::Sqlite(&pools.writes),
            Self::Postgres(pool) => On::Postgres(pool),
        }
    }

    /// A transaction on one tenant's rows.
    pub async fn write(&self, tenant: &str, hold: Hold) -> Result<Write, DatabaseError> {
        match self {
            Self::Sqlite(pools) => Ok(On::Sqlite(pools.writes.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                let lock = match hold {
                    Hold::Shared => sql::PG_SHARE,
                    Hold::Exclusive => sql::PG_EXCLUDE,
                };
                // A statement of its own: what the next ones see is as it is after the wait.
                sqlx::query(lock).bind(lock_number("tenant", tenant)).execute(&mut *transaction).await?;
                Ok(On::Postgres(transaction))
            }
        }
    }
}

/// Makes the file, where it is missing, so that its owner alone may read it: SQLite would go by the umask, and gives what
/// it puts beside the file the file's own rights.
fn make_private(path: &Path) {
    // Where this fails, SQLite says why.
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// PostgreSQL's advisory locks are numbers. Where two names share one, they only wait for each other.
pub fn lock_number(of: &str, name: &str) -> i64 {
    xxh3_64(format!("downbeat {of} {name}").as_bytes()).cast_signed()
}

impl Write {
    pub async fn commit(self) -> Result<(), DatabaseError> {
        Ok(on!(self, transaction => transaction.commit().await)?)
    }
}
