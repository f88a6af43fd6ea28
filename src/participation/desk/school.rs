//! Many sessions together.

use futures_util::TryStreamExt;

use super::{Desk, DeskError, at_last, soon, turns::Ask};
use crate::participation::{Database, ReflectionRow, SchoolOverview, SessionHead, SessionSummary, StoredReflection};

/// The most sessions that one overview is made of.
pub const OVERVIEW_SESSIONS_MAX: usize = 1_000;
const DAY_US: i64 = 86_400_000_000;
/// 1970 began on a Thursday: its week three days earlier.
const WEEKS_BEGIN_US: i64 = -3 * DAY_US;
const WEEK_US: i64 = 7 * DAY_US;

impl Desk {
    /// A school by week, of the whole weeks that these moments (µs since 1970) fall into: two overviews of overlapping
    /// ranges then differ by weeks, of which each is told or not, and never by a few people.
    ///
    /// # Errors
    /// [`DeskError::TooManyAsks`], [`DeskError::TooManySessions`], or as the database.
    pub async fn overview(&self, tenant: &str, from_us: i64, to_us: i64) -> Result<SchoolOverview, DeskError> {
        let database = self.of(tenant)?;
        let ask = self.turns.ask(tenant)?;
        let (from_us, to_us) = (week_of(from_us), week_of(to_us.saturating_sub(1)).saturating_add(WEEK_US));
        let limit = u32::try_from(OVERVIEW_SESSIONS_MAX).unwrap_or(u32::MAX).saturating_add(1);
        let heads = soon(database.sessions(tenant, from_us, to_us, limit)).await?;
        if heads.len() > OVERVIEW_SESSIONS_MAX {
            return Err(DeskError::TooManySessions { max: OVERVIEW_SESSIONS_MAX });
        }
        at_last(async {
            let summaries = self.summaries(database, &ask, tenant, &heads).await?;
            let mut reflections = Vec::new();
            for head in &heads {
                let _turn = ask.turn().await?;
                let stored = database.reflections(tenant, &head.session).await?;
                reflections.extend(stored.into_iter().map(StoredReflection::into_row));
            }
            let now_ms = self.clock.now_us().div_euclid(1_000);
            Ok(SchoolOverview::of(&summaries, &reflections, now_ms))
        })
        .await
    }

    /// The few numbers of each session, in their order.
    pub(super) async fn summaries(
        &self,
        database: &Database,
        ask: &Ask<'_>,
        tenant: &str,
        heads: &[SessionHead],
    ) -> Result<Vec<SessionSummary>, DeskError> {
        let folds = self.folds(database, ask, tenant, heads);
        folds.map_ok(|report| report.summary()).try_collect().await
    }
}

impl StoredReflection {
    /// As reports have it.
    pub fn into_row(self) -> ReflectionRow {
        let Self { reflection, session, student_id, updated_at_us, .. } = self;
        ReflectionRow { session, student_id, submitted_at_us: updated_at_us, reflection }
    }
}

/// When the week of a moment began: Monday, 0:00 UTC.
fn week_of(at_us: i64) -> i64 {
    at_us.saturating_sub(at_us.saturating_sub(WEEKS_BEGIN_US).rem_euclid(WEEK_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_a_monday() {
        // 2025-11-17, a Monday.
        let monday_us = 1_763_337_600_000_000;
        assert_eq!(week_of(monday_us), monday_us);
        assert_eq!(week_of(monday_us + WEEK_US - 1), monday_us);
        assert_eq!(week_of(monday_us - 1), monday_us - WEEK_US);
        assert_eq!(week_of(-1), WEEKS_BEGIN_US);
    }
}
