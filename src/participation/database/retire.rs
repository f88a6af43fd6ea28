//! What is older than it may be goes.

use super::{
    Database, DatabaseError,
    on::{Hold, on},
    sql,
};
use crate::participation::EventId;

/// What a tenant's retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    pub sessions: u64,
    pub events: u64,
    pub reflections: u64,
}

/// Audit entries are evidence, and name nobody: three years.
const AUDIT_KEPT_US: i64 = 3 * 365 * DAY_US;
/// Nothing is on its way for longer.
const TOMBSTONES_KEPT_US: i64 = 30 * DAY_US;
const DAY_US: i64 = 86_400_000_000;

impl Database {
    /// Removes a tenant's events from before `before_us`, its reflections that were last edited before, and the
    /// sessions of which then nothing is left and the last event was before. At most `rows_max_per_step` events go in
    /// one transaction, so that insertions wait for no more; what was removed is not undone by a later error.
    pub async fn retire(&self, tenant: &str, before_us: i64, rows_max_per_step: u32) -> Result<Retired, DatabaseError> {
        let old: Vec<String> = on!(self.pools.reads(), pool => {
            sqlx::query_scalar(sql::OLD_SESSIONS).bind(tenant).bind(before_us).fetch_all(pool).await
        })?;
        let mut retired = Retired::default();
        for session in old {
            let step = u64::from(rows_max_per_step.max(1));
            while self.retire_step(tenant, &session, before_us, step, &mut retired).await? {}
        }
        Ok(retired)
    }

    /// Says whether the session has more to go.
    async fn retire_step(
        &self,
        tenant: &str,
        session: &str,
        before_us: i64,
        rows_max: u64,
        retired: &mut Retired,
    ) -> Result<bool, DatabaseError> {
        // Ids know the millisecond of their event.
        let ids_end = EventId::first_at(before_us.saturating_add(1_000)).to_bytes();
        // Alone: nothing is inserted into a session while it is found to be empty.
        let mut write = self.pools.write(tenant, Hold::Exclusive).await?;
        let (events, reflections, sessions) = on!(&mut write, transaction => {
            let query = sqlx::query(sql::RETIRE_EVENTS).bind(tenant).bind(session).bind(before_us).bind(&ids_end[..]);
            let query = query.bind(rows_max.cast_signed());
            let events = query.execute(&mut **transaction).await?.rows_affected();
            let mut others = [0, 0];
            if events < rows_max {
                for (count, statement) in others.iter_mut().zip([sql::RETIRE_REFLECTIONS, sql::RETIRE_SESSION]) {
                    let query = sqlx::query(statement).bind(tenant).bind(session).bind(before_us);
                    *count = query.execute(&mut **transaction).await?.rows_affected();
                }
            }
            if others[1] > 0 {
                let query = sqlx::query(sql::RETIRE_ATTENDANCE).bind(tenant).bind(session);
                query.execute(&mut **transaction).await?;
            }
            (events, others[0], others[1])
        });
        write.commit().await?;
        retired.events += events;
        retired.reflections += reflections;
        retired.sessions += sessions;
        Ok(events >= rows_max)
    }

    /// Removes what is kept for a time of its own, of all tenants: audit entries after three years, and the
    /// tombstones of the erased after 30 days. Says how many rows went.
    pub async fn retire_records(&self, now_us: i64) -> Result<u64, DatabaseError> {
        let mut count = 0;
        let old = [(sql::RETIRE_AUDIT, AUDIT_KEPT_US), (sql::RETIRE_TOMBSTONES, TOMBSTONES_KEPT_US)];
        for (statement, kept_us) in old {
            let before_us = now_us.saturating_sub(kept_us);
            count += on!(self.pools.writes(), pool => {
                sqlx::query(statement).bind(before_us).execute(pool).await?.rows_affected()
            });
        }
        Ok(count)
    }
}
