//! The job that deletes what is older than its school wants it kept, and says what it deleted.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{AuditEntry, Database, DatabaseError, Retired};
use crate::{
    telemetry::{Kind, Metrics},
    time::Clock,
};

/// How long what is recorded is kept where nobody says otherwise: also that of a school which is not served any more.
pub const RETENTION_DAYS: u32 = 180;
const DAY_US: i64 = 86_400_000_000;
const EVERY: Duration = Duration::from_secs(3_600);
/// The first round comes soon, but not in the middle of a start.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Rows of one transaction: a fraction of a second's work.
const ROWS_PER_STEP: u32 = 5_000;
/// What leads among the nodes.
const JOB: &str = "retention";
/// Who is named in the audit log: nobody asked for it.
const ACTOR: &str = "downbeat";

/// For how many days a tenant's lessons are kept.
pub type DaysKept = Box<dyn Fn(&str) -> u32 + Send + Sync>;

/// Deletes by and by what has been kept long enough.
pub struct Retention {
    database: Database,
    days_kept: DaysKept,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Retention {
    pub fn new(database: Database, days_kept: DaysKept, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { database, days_kept, clock, metrics }
    }

    /// Once an hour, on one node of all. Runs for the node's life.
    pub async fn run(&self) {
        tokio::time::sleep(FIRST_AFTER).await;
        loop {
            match self.database.try_lead(JOB).await {
                Ok(Some(_leadership)) => {
                    if let Err(error) = self.round().await {
                        tracing::warn!(%error, "what is due to be deleted waits for the next round");
                    }
                }
                Ok(None) => tracing::debug!("another node sees to what is due to be deleted"),
                Err(error) => tracing::debug!(%error, "what is due to be deleted waits for the next round"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Deletes what is due now, of every tenant that has anything.
    ///
    /// # Errors
    /// The database fails; what was deleted before is deleted, and was said.
    pub async fn round(&self) -> Result<(), DatabaseError> {
        let now_us = self.clock.now_us();
        for tenant in self.database.tenants().await? {
            let days = (self.days_kept)(&tenant);
            let before_us = now_us - i64::from(days) * DAY_US;
            let retired = self.database.retire(&tenant, before_us, ROWS_PER_STEP).await?;
            if retired != Retired::default() {
                self.tell(&tenant, days, now_us, retired).await?;
            }
        }
        let records = self.database.retire_records(now_us).await?;
        if records > 0 {
            tracing::info!(records, "old audit entries and tombstones were deleted");
        }
        Ok(())
    }

    async fn tell(&self, tenant: &str, days: u32, now_us: i64, retired: Retired) -> Result<(), DatabaseError> {
        let Retired { sessions, events, reflections } = retired;
        tracing::info!(
            tenant.id = %tenant, days, sessions, events, reflections,
            "what was kept long enough is deleted"
        );
        for (kind, rows) in [("sessions", sessions), ("events", events), ("reflections", reflections)] {
            self.metrics.retention_deleted.get_or_create(&Kind { kind }).inc_by(rows);
        }
        let details = json!({ "days": days, "sessions": sessions, "events": events, "reflections": reflections });
        let entry = AuditEntry {
            tenant: tenant.to_owned(),
            at_us: now_us,
            actor: ACTOR.to_owned(),
            action: "retention".to_owned(),
            subject: None,
            details,
        };
        self.database.audit(&entry).await
    }
}
