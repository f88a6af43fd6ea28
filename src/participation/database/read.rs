//! Sessions and events, read.

use std::pin::pin;

use futures_util::TryStreamExt;

use super::{
    Database, DatabaseError,
    on::on,
    row::{HeadRow, Reader, head},
    sql,
};
use crate::{
    participation::{Event, SessionHead, SessionId},
    room::Code,
};

impl Database {
    /// None: nothing of it was recorded, or it was all erased.
    pub async fn session(&self, tenant: &str, session: &SessionId) -> Result<Option<SessionHead>, DatabaseError> {
        let row: Option<HeadRow> = on!(self.pools.reads(), pool => {
            sqlx::query_as(sql::SESSION).bind(tenant).bind(session.as_str()).fetch_optional(pool).await
        })?;
        row.map(head).transpose()
    }

    /// The lives of one code, newest first; those before `before`, to read on from the last of a page.
    pub async fn sessions_of_room(
        &self,
        tenant: &str,
        code: &Code,
        limit: u32,
        before: Option<&SessionId>,
    ) -> Result<Vec<SessionHead>, DatabaseError> {
        // `/` follows `.`: between the two lies whatever begins with the code and its dot.
        let (first, end) = (format!("{code}."), format!("{code}/"));
        let end = before.map_or(end.as_str(), SessionId::as_str).min(end.as_str());
        let rows: Vec<HeadRow> = on!(self.pools.reads(), pool => {
            let query = sqlx::query_as(sql::SESSIONS_OF_ROOM).bind(tenant).bind(&first).bind(end);
            query.bind(i64::from(limit)).fetch_all(pool).await
        })?;
        rows.into_iter().map(head).collect()
    }

    /// Those that were opened from `from_us` on and before `to_us`, newest first.
    pub async fn sessions(
        &self,
        tenant: &str,
        from_us: i64,
        to_us: i64,
        limit: u32,
    ) -> Result<Vec<SessionHead>, DatabaseError> {
        let rows: Vec<HeadRow> = on!(self.pools.reads(), pool => {
            let query = sqlx::query_as(sql::SESSIONS).bind(tenant).bind(from_us).bind(to_us);
            query.bind(i64::from(limit)).fetch_all(pool).await
        })?;
        rows.into_iter().map(head).collect()
    }

    /// Those of which an event is about the student, oldest first.
    pub async fn sessions_of_student(&self, tenant: &str, student_id: &str) -> Result<Vec<SessionHead>, DatabaseError> {
        let rows: Vec<HeadRow> = on!(self.pools.reads(), pool => {
            sqlx::query_as(sql::SESSIONS_OF_STUDENT).bind(tenant).bind(student_id).fetch_all(pool).await
        })?;
        rows.into_iter().map(head).collect()
    }

    /// Gives each event of a session as it is read, in the order of the ids, and says how many there were.
    pub async fn session_events(
        &self,
        tenant: &str,
        session: &SessionId,
        each: impl FnMut(Event) + Send,
    ) -> Result<u64, DatabaseError> {
        self.events(sql::SESSION_EVENTS, tenant, session.as_str(), each).await
    }

    /// Gives each event that is about a student, session by session, and says how many there were.
    pub async fn events_of_student(
        &self,
        tenant: &str,
        student_id: &str,
        each: impl FnMut(Event) + Send,
    ) -> Result<u64, DatabaseError> {
        let statement = self.pools.pick(sql::LITE_EVENTS_OF_STUDENT, sql::PG_EVENTS_OF_STUDENT);
        self.events(statement, tenant, student_id, each).await
    }

    async fn events(
        &self,
        statement: &'static str,
        tenant: &str,
        of: &str,
        mut each: impl FnMut(Event) + Send,
    ) -> Result<u64, DatabaseError> {
        let mut reader = Reader::default();
        let mut count = 0;
        on!(self.pools.reads(), pool => {
            let mut rows = pin!(sqlx::query(statement).bind(tenant).bind(of).fetch(pool));
            while let Some(row) = rows.try_next().await? {
                each(reader.event(&row)?);
                count += 1;
            }
        });
        Ok(count)
    }
}
