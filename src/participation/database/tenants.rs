//! The tenants that were made at run time: this table is the truth about them.

use super::{
    AuditEntry, Database, DatabaseError,
    audit::write_entry,
    on::{Hold, Write, on},
    sql,
};
use crate::auth::KeptTenant;

/// What a tenant becomes, and what the audit log says of it.
#[derive(Clone, Debug)]
pub struct TenantWrite {
    pub settings: String,
    pub secrets: String,
    pub is_deleted: bool,
    pub audit: AuditEntry,
}

type Row = (String, i64, String, String, bool, i64);

/// Whoever changes a tenant holds this lock, which is no tenant's: changes are committed in the order of their numbers,
/// so that whoever has read up to one misses none before it.
const ALL: &str = ":tenants";

impl Database {
    /// Every tenant that was changed after the change of number `after`, the deleted ones too, in the order of changes.
    pub async fn tenants_changed(&self, after: i64) -> Result<Vec<KeptTenant>, DatabaseError> {
        let rows: Vec<Row> = on!(self.pools.reads(), pool => {
            sqlx::query_as(sql::TENANTS_CHANGED).bind(after).fetch_all(pool).await
        })?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Changes a tenant: `decide` is given what it is now, and says what it becomes; None leaves it. Nobody else changes
    /// one meanwhile. Answers what is kept from now on.
    ///
    /// # Errors
    /// The database's, or what `decide` refuses with; then nothing has changed.
    pub async fn change_tenant<E: From<DatabaseError>>(
        &self,
        id: &str,
        at_us: i64,
        decide: impl FnOnce(Option<&KeptTenant>) -> Result<Option<TenantWrite>, E>,
    ) -> Result<Option<KeptTenant>, E> {
        let mut write = self.pools.write(ALL, Hold::Exclusive).await?;
        let present = one(&mut write, id).await?;
        let Some(becomes) = decide(present.as_ref())? else { return Ok(present) };
        let change = on!(&mut write, transaction => {
            let last = sqlx::query_scalar(sql::LAST_TENANT_CHANGE).fetch_one(&mut **transaction).await;
            let last: Option<i64> = last.map_err(DatabaseError::from)?;
            last.unwrap_or(0) + 1
        });
        let TenantWrite { settings, secrets, is_deleted, audit } = becomes;
        on!(&mut write, transaction => {
            let query = sqlx::query(sql::PUT_TENANT).bind(id).bind(change).bind(&settings).bind(&secrets);
            let put = query.bind(is_deleted).bind(at_us).execute(&mut **transaction).await;
            put.map_err(DatabaseError::from)?;
        });
        write_entry(&mut write, &audit).await?;
        write.commit().await?;
        let id = id.to_owned();
        Ok(Some(KeptTenant { id, change, settings, secrets, is_deleted, updated_at_us: at_us }))
    }
}

async fn one(write: &mut Write, id: &str) -> Result<Option<KeptTenant>, DatabaseError> {
    let row: Option<Row> = on!(write, transaction => {
        sqlx::query_as(sql::TENANT).bind(id).fetch_optional(&mut **transaction).await
    })?;
    Ok(row.map(kept))
}

fn kept((id, change, settings, secrets, is_deleted, updated_at_us): Row) -> KeptTenant {
    KeptTenant { id, change, settings, secrets, is_deleted, updated_at_us }
}
