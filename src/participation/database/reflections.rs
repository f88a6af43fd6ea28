//! Reflections, read. How they get there: [`super::insert`].

use serde_json::Value;

use super::{
    Database, DatabaseError,
    on::on,
    row::{damaged, session},
    sql,
};
use crate::participation::{Reflection, SessionId};

/// A reflection as it is now; one that was withdrawn is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReflection {
    pub reflection: Reflection,
    pub session: SessionId,
    pub student_id: String,
    /// Who wrote it: the student, or who wrote on their behalf.
    pub author_id: String,
    /// µs since 1970, as is the other.
    pub submitted_at_us: i64,
    /// When it was last edited; at first the same.
    pub updated_at_us: i64,
}

pub(super) type Row = (
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<i16>,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

impl Database {
    /// Those of a session, in the order in which they were first submitted.
    pub async fn reflections(&self, tenant: &str, session: &SessionId) -> Result<Vec<StoredReflection>, DatabaseError> {
        self.those(sql::REFLECTIONS, tenant, session.as_str()).await
    }

    pub async fn reflections_of_student(
        &self,
        tenant: &str,
        student_id: &str,
    ) -> Result<Vec<StoredReflection>, DatabaseError> {
        self.those(sql::REFLECTIONS_OF_STUDENT, tenant, student_id).await
    }

    pub async fn reflection(
        &self,
        tenant: &str,
        reflection_id: &str,
    ) -> Result<Option<StoredReflection>, DatabaseError> {
        Ok(self.those(sql::REFLECTION, tenant, reflection_id).await?.pop())
    }

    /// Whether there was one of this number that its writer took back.
    pub async fn is_withdrawn(&self, tenant: &str, reflection_id: &str) -> Result<bool, DatabaseError> {
        let rows: i64 = on!(self.pools.reads(), pool => {
            sqlx::query_scalar(sql::IS_WITHDRAWN).bind(tenant).bind(reflection_id).fetch_one(pool).await
        })?;
        Ok(rows > 0)
    }

    async fn those(
        &self,
        statement: &'static str,
        tenant: &str,
        of: &str,
    ) -> Result<Vec<StoredReflection>, DatabaseError> {
        let rows: Vec<Row> = on!(self.pools.reads(), pool => {
            sqlx::query_as(statement).bind(tenant).bind(of).fetch_all(pool).await
        })?;
        read_all(rows)
    }
}

pub(super) fn read_all(rows: Vec<Row>) -> Result<Vec<StoredReflection>, DatabaseError> {
    rows.into_iter().map(|row| read(row).ok_or_else(|| damaged("a reflection"))).collect()
}

fn read(row: Row) -> Option<StoredReflection> {
    let (id, of, student_id, author_id, reflection_type, competency, mood, text, metadata, submitted, updated) = row;
    let reflection = Reflection {
        reflection_id: id,
        text: text?,
        reflection_type: serde_json::from_value(Value::String(reflection_type?)).ok()?,
        competency: competency.map(|name| serde_json::from_value(Value::String(name))).transpose().ok()?,
        mood: mood.map(u8::try_from).transpose().ok()?,
        metadata: metadata.as_deref().map(serde_json::from_str).transpose().ok()?,
    };
    let session = session(&of).ok()?;
    Some(StoredReflection {
        reflection,
        session,
        student_id,
        author_id,
        submitted_at_us: submitted,
        updated_at_us: updated,
    })
}
