//! All tenants of a node, and which of them a request is for.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

use super::{AuthError, Named, Problem, Tenant};

/// The tenants of a node: read without a lock by every request, changed at run time by whole copies.
#[derive(Debug, Default)]
pub struct Tenants {
    book: ArcSwap<Book>,
    default: Option<Arc<str>>,
}

#[derive(Clone, Debug, Default)]
struct Book {
    by_id: HashMap<Arc<str>, Arc<Tenant>>,
    /// Aliases only: the first host label needs no entry, as it is the id itself.
    by_alias: HashMap<String, Arc<Tenant>>,
}

impl Tenants {
    /// `default` is the tenant of whoever names none, by token or by host.
    ///
    /// # Errors
    /// Ids or hosts that occur twice, and a default that is none of the tenants: all of them at once.
    pub fn new(tenants: Vec<Tenant>, default: Option<&str>) -> Result<Self, Vec<Problem>> {
        let mut book = Book::default();
        let mut problems = Vec::new();
        for tenant in tenants {
            if book.by_id.contains_key(&tenant.id) {
                problems.push(Problem::value("tenants.id", &tenant.id, "must occur once"));
            } else if let Err(problem) = book.put(tenant) {
                problems.push(problem);
            }
        }
        if let Some(id) = default.filter(|id| !book.by_id.contains_key(*id)) {
            problems.push(Problem::value("default_tenant", id, "must be the id of a configured tenant"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { book: ArcSwap::from_pointee(book), default: default.map(Arc::from) })
    }

    /// The tenant of that exact id.
    pub fn get(&self, id: &str) -> Option<Arc<Tenant>> {
        self.book.load().by_id.get(id).cloned()
    }

    /// The tenant that a `Host` header names: by an alias, or by its first label.
    pub fn by_host(&self, host: &str) -> Option<Arc<Tenant>> {
        let host = bare_host(host);
        let book = self.book.load();
        let by_alias = book.by_alias.get(&host).cloned();
        by_alias.or_else(|| book.by_id.get(first_label(&host)?).cloned())
    }

    /// The tenant that has this host as an alias, in lower case.
    pub fn alias_owner(&self, host: &str) -> Option<Arc<Tenant>> {
        self.book.load().by_alias.get(host).cloned()
    }

    /// The tenant of whoever names none.
    pub fn default_tenant(&self) -> Option<Arc<Tenant>> {
        self.get(self.default.as_deref()?)
    }

    /// All tenants, by id.
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let mut all: Vec<_> = self.book.load().by_id.values().cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// The tenant of a request: by the token's (unproven) claim, else by the host, else the default.
    ///
    /// The claim only picks the key: the signature must then prove it.
    ///
    /// # Errors
    /// A claim and a host that name different tenants, an unknown or suspended tenant, none at all.
    pub fn choose(&self, claim: Option<&str>, host: Option<&str>) -> Result<Arc<Tenant>, AuthError> {
        let by_host = host.and_then(|host| self.by_host(host));
        let tenant = match (claim, by_host) {
            (Some(claim), Some(by_host)) if *by_host.id != *claim => {
                return Err(AuthError::TenantMismatch { tenant: Arc::clone(&by_host.id) });
            }
            (_, Some(by_host)) => by_host,
            (Some(claim), None) => {
                self.get(claim).ok_or_else(|| AuthError::TenantUnknown { claimed: Named::tenant(claim) })?
            }
            (None, None) => self.default_tenant().ok_or_else(|| undecided(host))?,
        };
        if tenant.suspended {
            return Err(AuthError::TenantSuspended { tenant: Arc::clone(&tenant.id) });
        }
        Ok(tenant)
    }

    /// Adds a tenant, or replaces the one of the same id. True when it is new.
    ///
    /// # Errors
    /// When one of its hosts belongs to another tenant.
    pub fn put(&self, tenant: Tenant) -> Result<bool, Problem> {
        let tenant = Arc::new(tenant);
        let mut outcome = Ok(true);
        self.book.rcu(|book| {
            let mut book = Book::clone(book);
            let is_new = !book.by_id.contains_key(&tenant.id);
            outcome = book.put_shared(Arc::clone(&tenant)).map(|()| is_new);
            book
        });
        outcome
    }

    /// Takes a tenant out. False when there is none of that id.
    pub fn remove(&self, id: &str) -> bool {
        let mut found = false;
        self.book.rcu(|book| {
            let mut book = Book::clone(book);
            found = book.by_id.remove(id).is_some();
            book.by_alias.retain(|_, tenant| *tenant.id != *id);
            book
        });
        found
    }
}

impl Book {
    fn put(&mut self, tenant: Tenant) -> Result<(), Problem> {
        self.put_shared(Arc::new(tenant))
    }

    /// Changes nothing when it fails.
    fn put_shared(&mut self, tenant: Arc<Tenant>) -> Result<(), Problem> {
        for host in &tenant.hosts {
            let owner = self.by_alias.get(host).filter(|owner| owner.id != tenant.id);
            if let Some(owner) = owner {
                let setting = format!("tenant {}: hosts", tenant.id);
                return Err(Problem::value(setting, host, format!("belongs to tenant {} already", owner.id)));
            }
        }
        self.by_alias.retain(|_, owner| owner.id != tenant.id);
        for host in &tenant.hosts {
            self.by_alias.insert(host.clone(), Arc::clone(&tenant));
        }
        self.by_id.insert(Arc::clone(&tenant.id), tenant);
        Ok(())
    }
}

/// Why the host decides nothing where neither a claim nor a default does.
fn undecided(host: Option<&str>) -> AuthError {
    let asked = host.unwrap_or_default();
    let host = Named::host(asked);
    match first_label(&bare_host(asked)) {
        Some(label) => AuthError::HostUnknown { label: Named::tenant(label), host },
        None => AuthError::TenantUndecided { host },
    }
}

/// The label that may be a tenant's id; an address has none. `host` is bare.
fn first_label(host: &str) -> Option<&str> {
    host.split('.').next().filter(|label| !label.is_empty() && host.parse::<IpAddr>().is_err())
}

/// The host without port, brackets and final dot, in lower case.
fn bare_host(host: &str) -> String {
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TenantConfig;

    fn tenant(id: &str, hosts: &[&str], suspended: bool) -> Tenant {
        let config = TenantConfig {
            id: id.into(),
            jwt_secret: Some("x".repeat(32).into()),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            suspended,
            ..TenantConfig::default()
        };
        config.build(std::path::Path::new(".")).unwrap()
    }

    fn two() -> Tenants {
        let tenants = vec![tenant("acme", &["music.acme.org"], false), tenant("zeta", &[], false)];
        Tenants::new(tenants, Some("zeta")).unwrap()
    }

    fn chosen(claim: Option<&str>, host: Option<&str>) -> Result<String, u16> {
        two().choose(claim, host).map(|tenant| tenant.id.to_string()).map_err(|error| error.status())
    }

    #[test]
    fn the_claim_comes_before_the_host_and_the_host_before_the_default() {
        assert_eq!(chosen(Some("acme"), None), Ok("acme".into()));
        assert_eq!(chosen(Some("acme"), Some("elsewhere.net")), Ok("acme".into()));
        assert_eq!(chosen(None, Some("acme.example.org:4000")), Ok("acme".into()));
        assert_eq!(chosen(None, Some("MUSIC.acme.org.")), Ok("acme".into()));
        assert_eq!(chosen(None, Some("127.0.0.1:4000")), Ok("zeta".into()));
        assert_eq!(chosen(None, Some("[::1]:4000")), Ok("zeta".into()));
        assert_eq!(chosen(None, None), Ok("zeta".into()));
    }

    #[test]
    fn a_claim_and_a_host_that_disagree_are_refused_with_403() {
        assert_eq!(chosen(Some("zeta"), Some("acme.example.org")), Err(403));
        assert_eq!(chosen(Some("zeta"), Some("music.acme.org")), Err(403));
        assert_eq!(chosen(Some("nobody"), Some("acme.example.org")), Err(403));
    }

    #[test]
    fn an_unknown_tenant_is_404_and_a_suspended_one_403() {
        assert_eq!(chosen(Some("nobody"), None), Err(404));
        let tenants = Tenants::new(vec![tenant("acme", &[], true)], None).unwrap();
        assert_eq!(tenants.choose(None, None).unwrap_err().status(), 404);
        assert_eq!(tenants.choose(Some("acme"), None).unwrap_err().status(), 403);
    }

    #[test]
    fn a_refusal_says_which_tenant_was_looked_for() {
        let tenants = Tenants::new(vec![tenant("acme", &[], false)], None).unwrap();
        let said = |claim, host| tenants.choose(claim, host).unwrap_err().to_string();
        for (claim, host, beginning) in [
            (Some("acmee"), None, "no tenant `acmee` here: the token's"),
            (Some("acmee"), Some("nobody.school.org"), "no tenant `acmee` here: the token's"),
            (Some(""), None, "no tenant with an empty name here: "),
            (Some("acme\n"), None, "no tenant with a name of unprintable characters here: "),
            (None, Some("Acmee.school.org:443"), "no tenant `acmee` here: the host `Acmee.school.org:443`"),
            (None, Some("localhost"), "no tenant `localhost` here: the host `localhost`"),
            (None, Some("10.0.0.7:4000"), "no tenant was named: there is no `tenant` claim, the host `10.0.0.7:4000`"),
            (None, Some("[::1]:4000"), "no tenant was named: there is no `tenant` claim, the host `[::1]:4000`"),
            (None, None, "no tenant was named: there is no `tenant` claim, the host with an empty name"),
        ] {
            let said = said(claim, host);
            assert!(said.starts_with(beginning), "{said}");
        }
    }

    #[test]
    fn a_tenant_can_be_replaced_and_removed_while_running() {
        let tenants = two();
        assert_eq!(tenants.put(tenant("acme", &["new.acme.org"], false)), Ok(false));
        assert!(tenants.by_host("music.acme.org").is_none());
        assert!(tenants.by_host("new.acme.org").is_some());
        assert!(tenants.put(tenant("other", &["new.acme.org"], false)).is_err());
        assert!(tenants.get("other").is_none());
        assert!(tenants.remove("acme") && !tenants.remove("acme"));
        assert!(tenants.by_host("new.acme.org").is_none());
    }

    #[test]
    fn double_ids_double_hosts_and_a_missing_default_are_all_reported() {
        let tenants = vec![tenant("a", &["h.org"], false), tenant("a", &[], false), tenant("b", &["h.org"], false)];
        let problems = Tenants::new(tenants, Some("c")).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
