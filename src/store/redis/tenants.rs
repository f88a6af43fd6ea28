//! What the nodes' configuration says of tenants, where operators look for it. Nothing reads it back: the file is the
//! truth, and secrets stay in it.

use std::sync::Arc;

use redis::Cmd;
use serde_json::json;

use crate::auth::Tenant;
use crate::store::StoreError;

use super::RedisStore;

impl RedisStore {
    /// Writes `tenant:{id}`, a hash with plain fields, for each of these. To be repeated now and then: an emptied Redis
    /// forgets them.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn note_tenants(&self, tenants: &[Arc<Tenant>]) -> Result<(), StoreError> {
        let notes: Vec<Cmd> = tenants.iter().map(|tenant| self.note_of(tenant)).collect();
        self.read_all(notes).await.map(drop)
    }

    fn note_of(&self, tenant: &Tenant) -> Cmd {
        let mut note = redis::cmd("HSET");
        note.arg(self.keys.tenant(&tenant.id));
        let settings = [
            ("id", json!(tenant.id)),
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
}
