//! Who did what with people's data.

use serde_json::Value;

use super::{
    Database, DatabaseError,
    on::{Write, on},
    row::damaged,
    sql,
};

/// One line of the audit log. It names no content and no student.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    pub tenant: String,
    /// µs since 1970.
    pub at_us: i64,
    /// Who did it.
    pub actor: String,
    /// Such as `student_erased`.
    pub action: String,
    /// Whom it was about: [`super::digest_of`] a salt and their id.
    pub subject: Option<[u8; 32]>,
    /// Counts and settings; null where there are none.
    pub details: Value,
}

/// Moment, actor, action, subject, details.
type Row = (i64, String, String, Option<Vec<u8>>, String);

impl Database {
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), DatabaseError> {
        let mut write = self.pools.write(&entry.tenant, super::on::Hold::Shared).await?;
        write_entry(&mut write, entry).await?;
        write.commit().await
    }

    /// The newest first.
    pub async fn audit_entries(&self, tenant: &str, limit: u32) -> Result<Vec<AuditEntry>, DatabaseError> {
        let rows: Vec<Row> = on!(self.pools.reads(), pool => {
            sqlx::query_as(sql::AUDIT_ENTRIES).bind(tenant).bind(i64::from(limit)).fetch_all(pool).await
        })?;
        let entries = rows.into_iter().map(|(at_us, actor, action, subject, details)| {
            let subject = subject.map(TryInto::try_into).transpose().ok()?;
            let details = serde_json::from_str(&details).ok()?;
            Some(AuditEntry { tenant: tenant.to_owned(), at_us, actor, action, subject, details })
        });
        entries.collect::<Option<_>>().ok_or_else(|| damaged("an audit entry"))
    }
}

pub(super) async fn write_entry(write: &mut Write, entry: &AuditEntry) -> Result<(), DatabaseError> {
    on!(write, transaction => {
        sqlx::query(sql::AUDIT)
            .bind(&entry.tenant)
            .bind(entry.at_us)
            .bind(&entry.actor)
            .bind(&entry.action)
            .bind(entry.subject.as_ref().map(|digest| &digest[..]))
            .bind(entry.details.to_string())
            .execute(&mut **transaction)
            .await?;
    });
    Ok(())
}
