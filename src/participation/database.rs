//! Where what was recorded is kept: SQLite in a file, or PostgreSQL.
//!
//! The two have the same tables and answer alike. Everything here is given times; nothing reads a clock.

mod attendance;
mod audit;
mod bulk;
mod erase;
mod error;
mod insert;
mod lead;
mod migrate;
mod on;
mod plans;
mod read;
mod reflection_pages;
mod reflections;
mod retire;
mod row;
mod sql;
mod tenants;
mod tombstone;
mod url;

pub use audit::AuditEntry;
pub use erase::{ERASED, Erased};
pub use error::DatabaseError;
pub use insert::{Inserted, Rejected};
pub use lead::Leadership;
pub use migrate::Migrated;
pub use plans::Plan;
pub use reflections::StoredReflection;
pub use retire::Retired;
pub use tenants::TenantWrite;
pub use tombstone::digest_of;
pub use url::{BadDatabaseUrl, DatabaseUrl, PostgresUrl};

use attendance::Attendance;
use on::{Pools, on};

/// A database, and connections to it. Clones share them.
#[derive(Clone, Debug)]
pub struct Database {
    pools: Pools,
    attendance: Attendance,
}

impl Database {
    /// Connects when it is first asked something: nothing fails here because a server is down.
    ///
    /// To be called within Tokio's runtime, which closes the connections that are idle.
    pub fn new(url: &DatabaseUrl) -> Self {
        Self { pools: Pools::new(url), attendance: Attendance::default() }
    }

    /// Asks it something.
    ///
    /// # Errors
    /// When it does not answer; see [`DatabaseError::is_passing`].
    pub async fn is_reachable(&self) -> Result<(), DatabaseError> {
        on!(self.pools.reads(), pool => sqlx::query(sql::REACHABLE).execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Those of whom there is a session or a reflection, in the order of their names.
    pub async fn tenants(&self) -> Result<Vec<String>, DatabaseError> {
        Ok(on!(self.pools.reads(), pool => sqlx::query_scalar(sql::TENANTS).fetch_all(pool).await)?)
    }
}
