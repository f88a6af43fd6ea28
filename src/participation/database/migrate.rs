//! The tables, and how they come to be what this version needs.

use std::borrow::Cow;

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{
    Database, DatabaseError,
    on::{On, on},
    sql,
};

/// What [`Database::migrate`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// How many migrations the database lacked. 0: it was as it should be.
    pub applied: usize,
}

const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "participation", include_str!("../migrations/postgres/0001_participation.sql")),
    (2, "tenants", include_str!("../migrations/postgres/0002_tenants.sql")),
];
const SQLITE: &[(i64, &str, &str)] = &[
    (1, "participation", include_str!("../migrations/sqlite/0001_participation.sql")),
    (2, "tenants", include_str!("../migrations/sqlite/0002_tenants.sql")),
];

/// An index over many rows takes longer than any other statement may.
const NO_LIMIT: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

impl Database {
    /// Brings the tables up to this version, on one node at a time; the others wait.
    ///
    /// A database that lacks nothing is only read, so that a user who may not create tables is enough for everything
    /// but this. One that is newer is taken as it is: while nodes are replaced one by one, the older ones work on.
    ///
    /// # Errors
    /// [`DatabaseError::Migration`] when a migration that this version knows was another text when it was applied.
    pub async fn migrate(&self) -> Result<Migrated, DatabaseError> {
        let migrator = match &self.pools {
            On::Sqlite(_) => migrator(SQLITE),
            On::Postgres(_) => migrator(POSTGRES),
        };
        let lacking = self.lacking(&migrator).await?;
        if lacking > 0 {
            // `run` would do, but for a limit of the compiler: with it this future is not seen to be `Send`.
            match &self.pools {
                On::Sqlite(pools) => migrator.run_direct(None, &mut *pools.writes.acquire().await?, false).await?,
                On::Postgres(pool) => {
                    // A connection of its own: it has other limits, and when it ends so does the lock that it holds.
                    let mut connection = pool.acquire().await?.detach();
                    sqlx::raw_sql(NO_LIMIT).execute(&mut connection).await?;
                    migrator.run_direct(None, &mut connection, false).await?;
                }
            }
        }
        Ok(Migrated { applied: lacking })
    }

    /// How many of the migrations are not applied.
    async fn lacking(&self, migrator: &Migrator) -> Result<usize, DatabaseError> {
        let applied = on!(self.pools.reads(), pool => {
            sqlx::query_as::<_, (i64, Vec<u8>)>(sql::MIGRATIONS).fetch_all(pool).await
        });
        let applied = match applied.map_err(DatabaseError::from) {
            Ok(applied) => applied,
            // No table of migrations: none was applied. If it is the right to read it that is missing, the attempt
            // to make it says so.
            Err(DatabaseError::Refused(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut lacking = 0;
        for migration in migrator.iter() {
            match applied.iter().find(|(version, _)| *version == migration.version) {
                None => lacking += 1,
                Some((_, checksum)) if *checksum == *migration.checksum => {}
                Some((version, _)) => {
                    let why =
                        format!("migration {version} was another when it was applied: is this database Downbeat's?");
                    return Err(DatabaseError::Migration(why));
                }
            }
        }
        Ok(lacking)
    }
}

fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = migrations.iter().map(|(version, name, text)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, SqlStr::from_static(text), false)
    });
    Migrator::with_migrations(migrations.collect())
}
