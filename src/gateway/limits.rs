//! Rates and counts per tenant, kept on this node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

use crate::rate::Rate;

/// What one tenant uses of this node.
#[derive(Debug, Default)]
pub struct TenantUse {
    users: AtomicUsize,
    pub joins: Rate,
    pub events: Rate,
}

/// One socket's place among its tenant's; given back when dropped.
pub struct UserPlace(Arc<TenantUse>);

impl UserPlace {
    pub fn tenant_use(&self) -> &TenantUse {
        &self.0
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The use of every tenant. Only tenants that exist get an entry.
#[derive(Debug, Default)]
pub struct Uses {
    by_tenant: RwLock<HashMap<Arc<str>, Arc<TenantUse>>>,
}

impl Uses {
    /// A place for one more socket, or none when the tenant has `max` of them.
    pub fn enter(&self, tenant: &Arc<str>, max: u32) -> Option<UserPlace> {
        let known = self.by_tenant.read().get(tenant).cloned();
        let tenant_use = match known {
            Some(tenant_use) => tenant_use,
            None => self.by_tenant.write().entry(tenant.clone()).or_default().clone(),
        };
        let enter = |users: usize| (users < max as usize).then_some(users + 1);
        tenant_use.users.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(UserPlace(tenant_use))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_gives_its_place_back() {
        let uses = Uses::default();
        let tenant: Arc<str> = "acme".into();
        let first = uses.enter(&tenant, 1);
        assert!(first.is_some());
        assert!(uses.enter(&tenant, 1).is_none());
        drop(first);
        assert!(uses.enter(&tenant, 1).is_some());
    }
}
