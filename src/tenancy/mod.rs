//! Tenants at run time: made, changed and erased by an operator on any node, in force on all of them.
//!
//! The database is the truth. Each change of any tenant has the next number there; nodes read what was changed after the
//! last number that they know. They learn that there is something to read from whoever made the change, and from the
//! number of the last one, which their looks at the store show four times a second. Where the database does not answer,
//! Redis has a copy, which may lack something: what is missing there was lost, not deleted.
//!
//! Tenants of the file stay as they are, and win over those of the database.

mod calls;
mod changes;
mod erase;
mod error;
mod health;
mod sync;
mod view;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    auth::{KeptTenant, SealingKeys, Tenant, TenantSettings, Tenants},
    conductor::Router,
    gateway::Gateway,
    participation::Database,
    placement::Directory,
    relay::Calls,
    store::{RedisStore, Store, TopicStore},
    time::Clock,
};

pub use calls::TenancyService;
pub use changes::{Changed, Outcome};
pub use error::TenancyError;
pub use health::{Health, NodeHealth, Reach};
pub use view::{Source, TenantView};

/// What it works with.
pub struct TenancyParts {
    /// This node's id.
    pub node: Arc<str>,
    pub clock: Arc<dyn Clock>,
    pub tenants: Arc<Tenants>,
    pub gateway: Arc<Gateway>,
    pub router: Arc<Router>,
    pub directory: Arc<Directory>,
    pub calls: Arc<Calls>,
    pub store: Arc<dyn Store>,
    pub topics: Arc<dyn TopicStore>,
    /// None: nothing can be made at run time.
    pub database: Option<Database>,
    /// Where there is one.
    pub redis: Option<Arc<RedisStore>>,
    /// None: nothing can be unsealed, and nothing be made.
    pub keys: Option<SealingKeys>,
}

/// The tenants of this node that come and go.
pub struct Tenancy {
    parts: TenancyParts,
    /// Those of the file.
    in_file: HashSet<Arc<str>>,
    /// Those of the database, the deleted ones too.
    known: Mutex<HashMap<String, Known>>,
    /// The change up to which the database was read.
    read_up_to: AtomicI64,
    /// One reading at a time. True: the last one failed.
    reading: tokio::sync::Mutex<bool>,
    /// One deletion at a time.
    erasing: tokio::sync::Mutex<()>,
    /// Something was learnt otherwise than from the looks at the store.
    stirred: Notify,
}

/// A tenant of the database, as this node knows it.
struct Known {
    kept: KeptTenant,
    /// None: it is deleted, or cannot be used.
    settings: Option<TenantSettings>,
    /// Why it is not served as it is kept.
    fault: Option<String>,
    /// Hosts that belonged to others when it was served.
    lacking: Vec<String>,
}

impl Known {
    fn new(kept: KeptTenant, settings: Option<TenantSettings>, fault: Option<String>) -> Self {
        Self { kept, settings, fault, lacking: Vec::new() }
    }
}

impl Tenancy {
    /// Those that `parts.tenants` has by now are the file's.
    pub fn new(parts: TenancyParts) -> Self {
        let in_file = parts.tenants.all().iter().map(|tenant| tenant.id.clone()).collect();
        Self {
            parts,
            in_file,
            known: Mutex::default(),
            read_up_to: AtomicI64::new(0),
            reading: tokio::sync::Mutex::default(),
            erasing: tokio::sync::Mutex::default(),
            stirred: Notify::new(),
        }
    }

    /// Whether tenants can be made here.
    pub fn has_database(&self) -> bool {
        self.parts.database.is_some()
    }

    fn is_in_file(&self, id: &str) -> bool {
        self.in_file.contains(id)
    }

    /// Takes in what is kept of tenants, unless later changes of them are known.
    fn take_in(&self, kept: impl IntoIterator<Item = KeptTenant>) {
        let mut known = self.known.lock();
        kept.into_iter().for_each(|kept| self.take_in_one(&mut known, kept));
        self.give_hosts(&mut known);
    }

    fn take_in_one(&self, known: &mut HashMap<String, Known>, kept: KeptTenant) {
        let former = known.get(&kept.id);
        if former.is_some_and(|former| former.kept.change >= kept.change) {
            return;
        }
        let id = kept.id.clone();
        if self.is_in_file(&id) {
            tracing::warn!(tenant.id = %id, "the file has this tenant, too: the one in the database is not served");
        }
        let former = former.and_then(|former| former.settings.clone());
        let mut taken = if kept.is_deleted { Known::new(kept, None, None) } else { self.open(kept, former) };
        if !self.is_in_file(&id) {
            self.serve(&id, &mut taken);
        }
        known.insert(id, taken);
    }

    /// Where a secret cannot be unsealed, the former one goes on to serve: other settings shall not wait for it.
    fn open(&self, kept: KeptTenant, former: Option<TenantSettings>) -> Known {
        match kept.open(self.parts.keys.as_ref()) {
            Ok(settings) => Known::new(kept, Some(settings), None),
            Err(wrong) => {
                let fault = wrong.to_string();
                tracing::error!(tenant.id = %kept.id, fault, "a tenant in the database cannot be read as it is");
                let settings = former.and_then(|former| kept.open_with_secrets_of(&former).ok());
                Known::new(kept, settings, Some(fault))
            }
        }
    }

    /// Puts it before the gateways, and tells its sockets.
    fn serve(&self, id: &str, known: &mut Known) {
        match &known.settings {
            Some(settings) => match settings.build(id) {
                Ok(tenant) => known.lacking = self.install(tenant),
                Err(problems) => {
                    // Checked before it was written: a later release may allow what this one does not.
                    let wrong = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                    tracing::error!(tenant.id = %id, wrong, "a tenant in the database is wrong");
                    known.fault = Some(wrong);
                }
            },
            None if known.kept.is_deleted => drop(self.parts.tenants.remove(id)),
            None => {}
        }
        self.parts.gateway.registry.tell_of_change(id);
    }

    /// Whoever gave a host away may be taken in after whoever got it: each is told in the order of its last change alone.
    fn give_hosts(&self, known: &mut HashMap<String, Known>) {
        let is_free = |host: &String| self.parts.tenants.alias_owner(host).is_none();
        let mut waiting: Vec<_> = known.iter_mut().filter(|(_, known)| known.lacking.iter().any(is_free)).collect();
        waiting.sort_by_key(|(_, known)| known.kept.change);
        for (id, known) in waiting {
            self.serve(id, known);
        }
    }

    /// Answers the hosts that it does not get.
    fn install(&self, mut tenant: Tenant) -> Vec<String> {
        let tenants = &self.parts.tenants;
        if let Some(former) = tenants.get(&tenant.id) {
            tenant.keys.inherit(&former.keys);
        }
        // Two nodes may have given it away at the same time, or a file has it: whoever has it keeps it.
        let mut lacking = Vec::new();
        tenant.hosts.retain(|host| {
            let owner = tenants.alias_owner(host).filter(|owner| owner.id != tenant.id);
            if let Some(owner) = &owner {
                tracing::warn!(tenant.id = %tenant.id, host, owner.id = %owner.id, "the host belongs to another tenant");
                lacking.push(host.clone());
            }
            owner.is_none()
        });
        let id = tenant.id.clone();
        if let Err(problem) = tenants.put(tenant) {
            tracing::error!(tenant.id = %id, %problem, "a tenant cannot be served");
        }
        lacking
    }

    /// The last change of any tenant that this node has read.
    pub fn read_up_to(&self) -> i64 {
        self.read_up_to.load(Ordering::SeqCst)
    }
}
