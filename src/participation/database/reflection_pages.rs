//! Reflections, read page by page.

use super::{Database, DatabaseError, StoredReflection, on::on, reflections::read_all, sql};
use crate::participation::SessionId;

impl Database {
    /// Those of a session in the order in which they were first submitted, at most `limit`; those after `after`, to
    /// read on from the last of a page: when it was submitted, and its id.
    pub async fn reflections_page(
        &self,
        tenant: &str,
        session: &SessionId,
        after: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<StoredReflection>, DatabaseError> {
        let (after_us, after_id) = after.unwrap_or((i64::MIN, ""));
        read_all(on!(self.pools.reads(), pool => {
            let query = sqlx::query_as(sql::REFLECTIONS_PAGE).bind(tenant).bind(session.as_str());
            query.bind(after_us).bind(after_id).bind(i64::from(limit)).fetch_all(pool).await
        })?)
    }

    /// Those of a student in a session, in the same order.
    pub async fn reflections_of_student_in(
        &self,
        tenant: &str,
        student_id: &str,
        session: &SessionId,
    ) -> Result<Vec<StoredReflection>, DatabaseError> {
        read_all(on!(self.pools.reads(), pool => {
            let query = sqlx::query_as(sql::REFLECTIONS_OF_STUDENT_IN).bind(tenant).bind(student_id);
            query.bind(session.as_str()).fetch_all(pool).await
        })?)
    }
}
