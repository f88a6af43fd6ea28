//! The database as drains see it: its tables are made first, and what it never takes keeps nothing else up.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{sync::OnceCell, time::Instant};

use super::{Batch, Database, DatabaseError, InsertFailed, Keeper, Migrated};
use crate::telemetry::{Kind, Metrics};

/// Inserts batches once the database has its tables.
pub struct Inserter {
    database: Database,
    migrated: OnceCell<Migrated>,
    metrics: Arc<Metrics>,
}

impl Inserter {
    pub fn new(database: Database, metrics: Arc<Metrics>) -> Self {
        Self { database, migrated: OnceCell::new(), metrics }
    }

    /// Makes the tables, unless they are there. Once is enough, whoever asks first.
    ///
    /// # Errors
    /// The database does not answer, or refuses.
    pub async fn migrate(&self) -> Result<Migrated, DatabaseError> {
        self.migrated.get_or_try_init(|| self.database.migrate()).await.copied()
    }
}

#[async_trait]
impl Keeper for Inserter {
    async fn insert(&self, batch: &Batch) -> Result<(), InsertFailed> {
        let unavailable = |error: DatabaseError| InsertFailed::Unavailable(error.to_string());
        self.migrate().await.map_err(unavailable)?;
        let began = Instant::now();
        let inserted = self.database.insert(batch).await.map_err(unavailable)?;
        self.metrics.database_write_seconds.observe(began.elapsed().as_secs_f64());
        for rejected in &inserted.rejected {
            let (event, kind, why) = (rejected.event, rejected.kind.as_str(), &rejected.why);
            tracing::error!(
                tenant.id = %batch.tenant, %event, kind, error = %why,
                "the database takes an event neither now nor later"
            );
        }
        let lost = self.metrics.participation_recorded.get_or_create(&Kind { kind: "rejected" }).clone();
        lost.inc_by(inserted.rejected.len() as u64);
        Ok(())
    }
}
