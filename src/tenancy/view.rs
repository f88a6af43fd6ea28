//! Tenants as an operator sees them.

use std::sync::Arc;

use serde::Serialize;

use super::{Tenancy, TenancyError};
use crate::auth::{Described, Limits, Tenant};

/// Where a tenant was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    File,
    Database,
}

/// All of a tenant but its secrets.
#[derive(Clone, Debug, Serialize)]
pub struct TenantView {
    pub id: Arc<str>,
    pub source: Source,
    pub suspended: bool,
    pub hosts: Vec<String>,
    pub guests: bool,
    pub require_sub: bool,
    pub participation: bool,
    pub retention_days: u32,
    pub limits: Limits,
    #[serde(flatten)]
    pub described: Described,
    /// Of one in the database: the number of its last change, and when that was, in ms since 1970.
    pub version: Option<i64>,
    pub updated_at_ms: Option<i64>,
    /// Why this node does not serve it as it is kept.
    pub fault: Option<String>,
}

impl TenantView {
    fn of(tenant: &Tenant, source: Source) -> Self {
        Self {
            id: tenant.id.clone(),
            source,
            suspended: tenant.suspended,
            hosts: tenant.hosts.clone(),
            guests: tenant.guests,
            require_sub: tenant.require_sub,
            participation: tenant.participation,
            retention_days: tenant.retention_days,
            limits: tenant.limits.clone(),
            described: tenant.described.clone(),
            version: None,
            updated_at_ms: None,
            fault: None,
        }
    }
}

impl Tenancy {
    /// Every tenant that this node serves, or should, in the order of their ids.
    pub fn list(&self) -> Vec<TenantView> {
        let all = self.parts.tenants.all();
        let mut views: Vec<_> = all.iter().map(|tenant| self.view(tenant)).collect();
        let known = self.known.lock();
        let unserved =
            known.iter().filter(|(id, known)| !known.kept.is_deleted && self.parts.tenants.get(id).is_none());
        let unserved: Vec<String> = unserved.map(|(id, _)| id.clone()).collect();
        drop(known);
        views.extend(unserved.iter().filter_map(|id| self.broken(id)));
        views.sort_by(|a, b| a.id.cmp(&b.id));
        views
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn one(&self, id: &str) -> Result<TenantView, TenancyError> {
        let served = self.parts.tenants.get(id).map(|tenant| self.view(&tenant));
        served.or_else(|| self.broken(id)).ok_or_else(|| TenancyError::Unknown { id: id.to_owned() })
    }

    fn view(&self, tenant: &Tenant) -> TenantView {
        if self.is_in_file(&tenant.id) {
            return TenantView::of(tenant, Source::File);
        }
        let known = self.known.lock();
        let known = known.get(&*tenant.id);
        TenantView {
            version: known.map(|known| known.kept.change),
            updated_at_ms: known.map(|known| known.kept.updated_at_us / 1_000),
            fault: known.and_then(|known| known.fault.clone()),
            ..TenantView::of(tenant, Source::Database)
        }
    }

    /// One that cannot be served: nothing more can be said of it.
    fn broken(&self, id: &str) -> Option<TenantView> {
        let known = self.known.lock();
        let known = known.get(id).filter(|known| !known.kept.is_deleted)?;
        Some(TenantView {
            id: id.into(),
            source: Source::Database,
            suspended: false,
            hosts: Vec::new(),
            guests: false,
            require_sub: false,
            participation: false,
            retention_days: 0,
            limits: Limits::default(),
            described: Described::default(),
            version: Some(known.kept.change),
            updated_at_ms: Some(known.kept.updated_at_us / 1_000),
            fault: Some(known.fault.clone().unwrap_or_else(|| "it is not served here".to_owned())),
        })
    }
}
