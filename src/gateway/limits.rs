//! Rates and counts per tenant, over all nodes: each counts its own, and hears once a second what the others count.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use super::shares::{has_place, per_second, share};
use crate::{
    rate::Rate,
    relay::{TenantUsage, Usage},
};

const SECOND_US: i64 = 1_000_000;
/// What a node said of a tenant is forgotten so long after: it is dead, or has nothing more to tell.
const WORD_LIFE_US: i64 = 3 * SECOND_US;
/// Rates are told as if at least so much time had passed.
const REPORT_US_MIN: i64 = SECOND_US / 4;
/// The most tenants of one report, the busiest first: it has to fit an envelope.
const TENANTS_MAX: usize = 4_096;

/// What one tenant uses of this node.
#[derive(Debug, Default)]
pub struct TenantUse {
    users: AtomicU64,
    joins: Limited,
    events: Limited,
    /// The others have been told of a use that is not nothing.
    is_told: AtomicBool,
}

/// One rate that is limited over all nodes.
#[derive(Debug, Default)]
struct Limited {
    rate: Rate,
    /// What the rate is set to; 0 before its first use.
    share: AtomicU32,
    /// Asked of this node since the last report.
    attempts: AtomicU64,
    /// Asked of this node, per second, as in the last report.
    own: AtomicU64,
    /// The same of all other nodes.
    others: AtomicU64,
}

impl Limited {
    fn admits(&self, events: u32, limit: u32, boot_us: i64) -> bool {
        self.attempts.fetch_add(events.into(), Ordering::Relaxed);
        let share = share(limit, self.own.load(Ordering::Relaxed), self.others.load(Ordering::Relaxed));
        let before = self.share.swap(share, Ordering::Relaxed);
        if before != share && before != 0 {
            self.rate.change(before, share, SECOND_US, boot_us);
        }
        self.rate.admits_all(events, share, SECOND_US, boot_us)
    }

    /// What was asked per second since the last report, which ends here.
    fn report(&self, elapsed_us: i64) -> u64 {
        let own = per_second(self.attempts.swap(0, Ordering::Relaxed), elapsed_us);
        self.own.store(own, Ordering::Relaxed);
        own
    }
}

impl TenantUse {
    /// Whether one more join keeps to this node's share of `limit` per second; counts it either way.
    pub fn admits_join(&self, limit: u32, boot_us: i64) -> bool {
        self.joins.admits(1, limit, boot_us)
    }

    /// The same for a client's message.
    pub fn admits_event(&self, limit: u32, boot_us: i64) -> bool {
        self.events.admits(1, limit, boot_us)
    }

    fn report(&self, tenant: &Arc<str>, elapsed_us: i64) -> TenantUsage {
        TenantUsage {
            tenant: tenant.clone(),
            users: self.users.load(Ordering::Relaxed),
            joins: self.joins.report(elapsed_us),
            events: self.events.report(elapsed_us),
        }
    }

    fn hear(&self, others: Others) {
        self.joins.others.store(others.joins, Ordering::Relaxed);
        self.events.others.store(others.events, Ordering::Relaxed);
    }
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

/// What all other nodes together use.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    users: u64,
    joins: u64,
    events: u64,
}

/// What one other node said last of a tenant.
#[derive(Debug)]
struct Word {
    said: Others,
    at_us: i64,
}

/// By node.
type Words = HashMap<Arc<str>, Word>;

/// The use of every tenant. Only tenants that exist get an entry.
#[derive(Debug, Default)]
pub struct Uses {
    here: RwLock<HashMap<Arc<str>, Arc<TenantUse>>>,
    elsewhere: RwLock<HashMap<Arc<str>, Words>>,
    reported_us: AtomicI64,
    /// The node's users are about to be the others'.
    is_leaving: AtomicBool,
}

impl Uses {
    /// A place for one more socket, or none when the tenant has `max` of them on all nodes together.
    pub fn enter(&self, tenant: &Arc<str>, max: u32, boot_us: i64) -> Option<UserPlace> {
        let others = self.others(tenant, boot_us);
        let tenant_use = self.of(tenant, others);
        let enter = |users| has_place(max, users, others.users).then_some(users + 1);
        tenant_use.users.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(UserPlace(tenant_use))
    }

    /// Whether `count` messages without a socket, all together, keep to this node's share of `limit` per second.
    pub fn admits_events(&self, tenant: &Arc<str>, count: u32, limit: u32, boot_us: i64) -> bool {
        let tenant_use = self.of(tenant, self.others(tenant, boot_us));
        tenant_use.events.admits(count, limit, boot_us)
    }

    fn of(&self, tenant: &Arc<str>, others: Others) -> Arc<TenantUse> {
        if let Some(known) = self.here.read().get(tenant) {
            return known.clone();
        }
        let tenant_use = self.here.write().entry(tenant.clone()).or_default().clone();
        tenant_use.hear(others);
        tenant_use
    }

    /// From now on this node's users are told to be none: they go to the others, where nobody shall find his own place
    /// taken by himself.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// What to tell the other nodes; to be called once a second. None when there is nothing to tell.
    pub fn report(&self, boot_us: i64) -> Option<Usage> {
        let elapsed_us = match self.reported_us.swap(boot_us, Ordering::Relaxed) {
            0 => SECOND_US,
            // Two reports within a moment: the few attempts between are no rate.
            reported_us => (boot_us - reported_us).max(REPORT_US_MIN),
        };
        self.forget(boot_us);
        let is_leaving = self.is_leaving.load(Ordering::Relaxed);
        let here = self.here.read();
        let mut tenants = Vec::new();
        for (tenant, tenant_use) in &*here {
            let mut usage = tenant_use.report(tenant, elapsed_us);
            if is_leaving {
                usage.users = 0;
            }
            tenant_use.hear(self.others(tenant, boot_us));
            let is_something = usage.users + usage.joins + usage.events > 0;
            // That there is nothing any more is told once.
            if tenant_use.is_told.swap(is_something, Ordering::Relaxed) || is_something {
                tenants.push(usage);
            }
        }
        if tenants.len() > TENANTS_MAX {
            tracing::warn!(tenants = tenants.len(), "too many tenants for one report: only the busiest are told of");
            tenants.sort_unstable_by_key(|usage| Reverse(usage.users + usage.joins + usage.events));
            tenants.truncate(TENANTS_MAX);
        }
        (!tenants.is_empty()).then_some(Usage { tenants })
    }

    /// What another node told.
    pub fn take_in(&self, origin: &str, usage: &Usage, boot_us: i64) {
        let mut elsewhere = self.elsewhere.write();
        let origin: Arc<str> = origin.into();
        for TenantUsage { tenant, users, joins, events } in usage.tenants.iter().take(TENANTS_MAX) {
            let said = Others { users: *users, joins: *joins, events: *events };
            elsewhere.entry(tenant.clone()).or_default().insert(origin.clone(), Word { said, at_us: boot_us });
        }
        drop(elsewhere);
        let here = self.here.read();
        for usage in &usage.tenants {
            if let Some(tenant_use) = here.get(&usage.tenant) {
                tenant_use.hear(self.others(&usage.tenant, boot_us));
            }
        }
    }

    /// What the others use, as far as they have said so lately.
    fn others(&self, tenant: &Arc<str>, boot_us: i64) -> Others {
        let elsewhere = self.elsewhere.read();
        let words = elsewhere.get(tenant).into_iter().flat_map(HashMap::values);
        words.filter(|word| word.is_fresh(boot_us)).fold(Others::default(), |sum, Word { said, .. }| Others {
            users: sum.users.saturating_add(said.users),
            joins: sum.joins.saturating_add(said.joins),
            events: sum.events.saturating_add(said.events),
        })
    }

    fn forget(&self, boot_us: i64) {
        self.elsewhere.write().retain(|_, words| {
            words.retain(|_, word| word.is_fresh(boot_us));
            !words.is_empty()
        });
    }
}

impl Word {
    fn is_fresh(&self, boot_us: i64) -> bool {
        boot_us - self.at_us < WORD_LIFE_US
    }
}
