//! What an operator may ask for.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    Tenancy, TenancyError, TenantView,
    calls::{Ask, Reply},
};
use crate::{
    auth::{KeptTenant, Problem, SealingKeys, TenantSettings, is_tenant_id},
    participation::{AuditEntry, Database, TenantWrite},
};

/// How long the database may take for a change.
const CHANGED_WITHIN: Duration = Duration::from_secs(10);
/// How long the other nodes may take to follow: what they have not confirmed by then they learn by themselves.
const FOLLOWED_WITHIN: Duration = Duration::from_millis(900);
/// How long Redis may take.
const CACHED_WITHIN: Duration = Duration::from_millis(900);
/// Who is named in the audit log.
const OPERATOR: &str = "operator";

/// What came of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Replaced,
    Patched,
}

/// A tenant that was changed, and where.
#[derive(Clone, Debug)]
pub struct Changed {
    pub view: TenantView,
    pub outcome: Outcome,
    /// Nodes that have not confirmed it: they follow as soon as they can.
    pub pending_nodes: Vec<Arc<str>>,
}

impl Tenancy {
    /// Makes a tenant, or replaces it as a whole; goes on where a client hangs up, as what is written has to be told.
    ///
    /// # Errors
    /// See [`TenancyError`]; then nothing has changed.
    pub async fn put(self: &Arc<Self>, id: &str, given: Map<String, Value>) -> Result<Changed, TenancyError> {
        let (tenancy, id) = (self.clone(), id.to_owned());
        to_its_end(async move { tenancy.put_here(&id, given).await }).await
    }

    /// Changes what a JSON merge patch names; goes on likewise.
    ///
    /// # Errors
    /// See [`TenancyError`]; then nothing has changed.
    pub async fn patch(self: &Arc<Self>, id: &str, patch: Map<String, Value>) -> Result<Changed, TenancyError> {
        let (tenancy, id) = (self.clone(), id.to_owned());
        to_its_end(async move { tenancy.patch_here(&id, patch).await }).await
    }

    async fn put_here(&self, id: &str, given: Map<String, Value>) -> Result<Changed, TenancyError> {
        let settings = TenantSettings::parse(id, given).map_err(TenancyError::Wrong)?;
        self.change(id, |present, _| {
            let outcome = if present.is_some() { Outcome::Replaced } else { Outcome::Created };
            Ok((settings, outcome))
        })
        .await
    }

    async fn patch_here(&self, id: &str, patch: Map<String, Value>) -> Result<Changed, TenancyError> {
        self.change(id, |present, keys| {
            let present = present.ok_or_else(|| TenancyError::Unknown { id: id.to_owned() })?;
            let settings = present.open(Some(keys));
            let settings = settings.map_err(|wrong| TenancyError::Kept { id: id.to_owned(), wrong })?;
            Ok((settings.patched(id, patch).map_err(TenancyError::Wrong)?, Outcome::Patched))
        })
        .await
    }

    async fn change(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&KeptTenant>, &SealingKeys) -> Result<(TenantSettings, Outcome), TenancyError>,
    ) -> Result<Changed, TenancyError> {
        let (database, keys) = self.ground(id)?;
        let at_us = self.parts.clock.now_us();
        let mut outcome = Outcome::Patched;
        let changing = database.change_tenant(id, at_us, |present| {
            let present = present.filter(|present| !present.is_deleted);
            let (settings, came) = decide(present, keys)?;
            outcome = came;
            self.check_hosts(id, &settings)?;
            let before = present.and_then(|present| present.open(Some(keys)).ok()).unwrap_or_default();
            let (action, fields) = match outcome {
                Outcome::Created => ("tenant_created", Vec::new()),
                Outcome::Replaced | Outcome::Patched => ("tenant_changed", before.differences(&settings)),
            };
            Ok::<_, TenancyError>(Some(TenantWrite {
                settings: settings.plain_text(),
                secrets: settings.sealed_text(id, keys)?,
                is_deleted: false,
                audit: self.audit(id, at_us, action, json!({ "fields": fields })),
            }))
        });
        // What came too late may be in force all the same: it is looked for at once.
        let kept = in_time(changing).await.inspect_err(|_| self.stirred.notify_one())?.ok_or(TenancyError::Late)?;
        tracing::info!(tenant.id = %id, change = kept.change, outcome = ?outcome, "an operator has changed a tenant");
        let pending_nodes = self.spread(kept).await;
        Ok(Changed { view: self.one(id)?, outcome, pending_nodes })
    }

    /// Takes a tenant out of service, on all nodes. Nothing of it is erased by that. Says whether it was in service, and
    /// which nodes have not confirmed that it is no more.
    pub(super) async fn retire(&self, id: &str) -> Result<(bool, Vec<Arc<str>>), TenancyError> {
        let Some(database) = &self.parts.database else { return Err(TenancyError::NoDatabase) };
        let at_us = self.parts.clock.now_us();
        let mut was_in_service = false;
        let retiring = database.change_tenant(id, at_us, |present| {
            was_in_service = present.is_some_and(|present| !present.is_deleted);
            if !was_in_service {
                return Ok::<_, TenancyError>(None);
            }
            Ok(Some(TenantWrite {
                settings: "{}".to_owned(),
                secrets: "{}".to_owned(),
                is_deleted: true,
                audit: self.audit(id, at_us, "tenant_deleted", Value::Null),
            }))
        });
        let kept = in_time(retiring).await.inspect_err(|_| self.stirred.notify_one())?;
        // Also one that was deleted before: a node may not know it yet.
        let Some(kept) = kept else { return Ok((was_in_service, Vec::new())) };
        tracing::info!(tenant.id = %id, change = kept.change, "an operator has deleted a tenant");
        Ok((was_in_service, self.spread(kept).await))
    }

    /// Closes a tenant's sockets on all nodes; they may come back at once. Says how many, and which nodes did not answer.
    ///
    /// # Errors
    /// There is no such tenant.
    pub async fn disconnect(&self, id: &str) -> Result<(usize, Vec<Arc<str>>), TenancyError> {
        self.one(id)?;
        let mut count = self.parts.gateway.registry.disconnect(id);
        let (mut pending, ask) = (Vec::new(), Ask::Disconnect { tenant: id.into() });
        for (node, reply) in self.ask_others(&ask, FOLLOWED_WITHIN).await {
            match reply {
                Some(Reply::Disconnected { sockets }) => count += usize::try_from(sockets).unwrap_or(usize::MAX),
                _ => pending.push(node),
            }
        }
        tracing::info!(tenant.id = %id, sockets = count, ?pending, "an operator has closed a tenant's sockets");
        Ok((count, pending))
    }

    /// What every change needs.
    pub(super) fn ground(&self, id: &str) -> Result<(&Database, &SealingKeys), TenancyError> {
        if self.is_in_file(id) {
            return Err(TenancyError::InFile { id: id.to_owned() });
        }
        if !is_tenant_id(id) {
            return Err(TenancyError::BadId);
        }
        let database = self.parts.database.as_ref().ok_or(TenancyError::NoDatabase)?;
        Ok((database, self.parts.keys.as_ref().ok_or(TenancyError::NoKey)?))
    }

    /// A host is one tenant's.
    fn check_hosts(&self, id: &str, settings: &TenantSettings) -> Result<(), TenancyError> {
        let tenant = settings.build(id).map_err(TenancyError::Wrong)?;
        let mut problems = Vec::new();
        let mut named = HashSet::new();
        for host in &tenant.hosts {
            let owner = self.parts.tenants.alias_owner(host).filter(|owner| *owner.id != *id);
            if let Some(owner) = owner {
                problems.push(Problem::value("hosts", host, format!("belongs to tenant {} already", owner.id)));
            } else if !named.insert(host) {
                problems.push(Problem::value("hosts", host, "must be named once"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(TenancyError::Wrong(problems)) }
    }

    pub(super) fn audit(&self, id: &str, at_us: i64, action: &str, details: Value) -> AuditEntry {
        AuditEntry {
            tenant: id.to_owned(),
            at_us,
            actor: OPERATOR.to_owned(),
            action: action.to_owned(),
            subject: None,
            details,
        }
    }

    /// Takes a change in here, tells everybody, and waits a moment until they have it. Names the nodes that do not say so.
    pub(super) async fn spread(&self, kept: KeptTenant) -> Vec<Arc<str>> {
        let change = kept.change;
        self.take_in([kept.clone()]);
        self.stirred.notify_one();
        let caching = async {
            let Some(redis) = &self.parts.redis else { return };
            match tokio::time::timeout(CACHED_WITHIN, redis.cache_tenants(&[kept])).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a tenant's change was not told in Redis yet"),
                Err(_) => tracing::warn!("a tenant's change was not told in Redis yet: it does not answer"),
            }
        };
        let ask = Ask::Follow { change };
        let ((), replies) = tokio::join!(caching, self.ask_others(&ask, FOLLOWED_WITHIN));
        let behind = |reply: &Option<Reply>| !matches!(reply, Some(Reply::At { change: at }) if *at >= change);
        replies.into_iter().filter(|(_, reply)| behind(reply)).map(|(node, _)| node).collect()
    }

    /// Asks every other node that has a session, were it as good as dead; None is one that does not answer.
    pub(super) async fn ask_others(&self, ask: &Ask, within: Duration) -> Vec<(Arc<str>, Option<Reply>)> {
        let view = self.parts.directory.view();
        let others = view.nodes.keys().filter(|node| **node != self.parts.node);
        join_all(others.map(|node| async move { (node.clone(), self.ask_one(node, ask, within).await) })).await
    }
}

/// Whoever asked may be gone: what is committed by then would be in force nowhere for a minute.
async fn to_its_end<F>(changing: F) -> Result<Changed, TenancyError>
where
    F: Future<Output = Result<Changed, TenancyError>> + Send + 'static,
{
    // It ends otherwise only by a panic, and with the node.
    tokio::spawn(changing).await.unwrap_or(Err(TenancyError::Late))
}

async fn in_time<T>(changing: impl Future<Output = Result<T, TenancyError>>) -> Result<T, TenancyError> {
    tokio::time::timeout(CHANGED_WITHIN, changing).await.unwrap_or(Err(TenancyError::Late))
}
