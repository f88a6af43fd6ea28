//! What is known of tenants, where operators look for it, and where nodes look that cannot reach the database:
//! `tenant:{id}`, a hash. Of a tenant of the file it has plain fields and no secret, and nothing reads it back. Of one
//! that was made at run time it has `settings` and `secrets`, sealed, as they stand in the database.
//!
//! `tenant:index:{generation}` is a hash of tenants and the numbers of their last changes, with the last of all in `:last`,
//! which nodes look at. What is missing in either was lost, not deleted: a deletion is told as one.

use std::{collections::HashMap, sync::Arc};

use redis::{Cmd, Value as Answer};
use serde_json::json;

use crate::auth::{KeptTenant, Tenant};
use crate::store::StoreError;

use super::{
    RedisStore, read,
    script::{CACHE_TENANT, Call, NOTE_TENANTS},
};

/// In the index, where no tenant can have this name.
const LAST: &str = ":last";
/// For how long it is told that a tenant was deleted: whoever was away for longer has the database.
const DELETION_TOLD_S: u64 = 7 * 24 * 3_600;

impl RedisStore {
    /// Writes `tenant:{id}` for each of these, which are of the file. To be repeated now and then: an emptied Redis
    /// forgets them.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn note_tenants(&self, tenants: &[Arc<Tenant>]) -> Result<(), StoreError> {
        let notes: Vec<Cmd> = tenants.iter().map(|tenant| self.note_of(tenant)).collect();
        if notes.is_empty() {
            return Ok(());
        }
        self.read_all(notes).await.map(drop)
    }

    /// Writes those that are kept in the database, and that they have changed. Whatever is there of a later change stays.
    ///
    /// # Errors
    /// Redis does not answer. To be repeated.
    pub async fn cache_tenants(&self, kept: &[KeptTenant]) -> Result<(), StoreError> {
        let Some(last) = kept.iter().map(|kept| kept.change).max() else { return Ok(()) };
        let calls = kept.iter().map(|kept| self.cache_of(kept)).collect();
        self.run_all(calls).await?;
        // Only now: whoever hears of a change finds it.
        let changes: Vec<String> = kept.iter().flat_map(|kept| [kept.id.clone(), kept.change.to_string()]).collect();
        let call = NOTE_TENANTS.on(vec![self.keys.tenant_changes()]).arg(last).list(&changes);
        self.run_all(vec![call]).await.map(drop)
    }

    /// Those that are written here, as far as they are: no more than a help where the database does not answer.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn cached_tenants(&self) -> Result<Vec<KeptTenant>, StoreError> {
        let mut index = redis::cmd("HGETALL");
        index.arg(self.keys.tenant_changes());
        let answer = self.read_all(vec![index]).await?.pop().unwrap_or(Answer::Nil);
        let mut index: HashMap<String, String> = read(answer)?;
        index.remove(LAST);
        let ids: Vec<String> = index.into_keys().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = ids.iter().map(|id| {
            let mut hash = redis::cmd("HGETALL");
            hash.arg(self.keys.tenant(id));
            hash
        });
        let answers = self.read_all(hashes.collect()).await?;
        let hashes = answers.into_iter().map(read::<HashMap<String, String>>).collect::<Result<Vec<_>, _>>()?;
        Ok(ids.into_iter().zip(hashes).filter_map(|(id, hash)| kept(id, hash)).collect())
    }

    fn note_of(&self, tenant: &Tenant) -> Cmd {
        let mut note = redis::cmd("HSET");
        note.arg(self.keys.tenant(&tenant.id));
        let settings = [
            ("id", json!(tenant.id)),
            ("source", json!("file")),
            ("hosts", json!(tenant.hosts)),
            ("guests", json!(tenant.guests)),
            ("require_sub", json!(tenant.require_sub)),
            ("suspended", json!(tenant.suspended)),
            ("limits", json!(tenant.limits)),
        ];
        for (name, value) in settings {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            note.arg(name).arg(text);
        }
        note
    }

    fn cache_of(&self, kept: &KeptTenant) -> Call {
        let KeptTenant { id, change, settings, secrets, is_deleted, updated_at_us } = kept;
        let call = CACHE_TENANT.on(vec![self.keys.tenant(id)]).arg(change);
        let call = call.optional(is_deleted.then_some(DELETION_TOLD_S));
        let fields = [
            ("id", id.clone()),
            ("source", "database".to_owned()),
            ("settings", settings.clone()),
            ("secrets", secrets.clone()),
            ("deleted", is_deleted.to_string()),
            ("updated_at_us", updated_at_us.to_string()),
        ];
        let fields: Vec<String> = fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        call.list(&fields)
    }
}

/// None: it is of a file, or not what this program writes.
fn kept(id: String, mut hash: HashMap<String, String>) -> Option<KeptTenant> {
    let mut text = |name: &str| hash.remove(name);
    Some(KeptTenant {
        id,
        change: text("change")?.parse().ok()?,
        settings: text("settings")?,
        secrets: text("secrets")?,
        is_deleted: text("deleted")? == "true",
        updated_at_us: text("updated_at_us")?.parse().ok()?,
    })
}
