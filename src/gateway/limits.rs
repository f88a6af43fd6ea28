//! Rates and counts per tenant, kept on this node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

/// A rate with a burst, by the generic cell rate algorithm: one number, no timer.
/// (ITU-T I.371; the number is the theoretical arrival time of the next event.)
#[derive(Debug, Default)]
pub struct Rate {
    next_at_us: AtomicI64,
}

impl Rate {
    /// True when one more event keeps to `count` in `period_us`; that many may come at once.
    pub fn admits(&self, count: u32, period_us: i64, boot_us: i64) -> bool {
        let step = |next_at_us| step(next_at_us, count, period_us, boot_us);
        self.next_at_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .is_ok()
    }

    /// Whether [`Rate::admits`] would say yes; counts nothing.
    pub fn would_admit(&self, count: u32, period_us: i64, boot_us: i64) -> bool {
        step(self.next_at_us.load(Ordering::Relaxed), count, period_us, boot_us).is_some()
    }
}

fn step(next_at_us: i64, count: u32, period_us: i64, boot_us: i64) -> Option<i64> {
    let interval_us = period_us / i64::from(count.max(1));
    let next_at_us = next_at_us.max(boot_us);
    (next_at_us - boot_us <= period_us - interval_us).then_some(next_at_us + interval_us)
}

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
        tenant_use
            .users
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter)
            .ok()?;
        Some(UserPlace(tenant_use))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_the_whole_count_is_admitted_and_then_the_steady_rate() {
        let rate = Rate::default();
        assert_eq!((0..50).filter(|_| rate.admits(10, 60_000_000, 1)).count(), 10);
        assert!(!rate.admits(10, 60_000_000, 6_000_000));
        assert!(rate.admits(10, 60_000_000, 6_000_001));
    }

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
