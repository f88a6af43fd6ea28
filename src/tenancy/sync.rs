//! How a node comes to know the tenants of the database, and stays in step with it.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{Tenancy, calls::Ask, calls::Reply};
use crate::auth::KeptTenant;
use crate::participation::{DatabaseError, TenantWrite};

/// Past it, Redis is asked: a change shall be everywhere within a second.
const READ_WITHIN: Duration = Duration::from_millis(400);
/// A start has more to read, and more time.
const LOADED_WITHIN: Duration = Duration::from_secs(5);
/// How soon a database is asked again that did not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the database is read without having heard of a change.
const ROUND_EVERY: Duration = Duration::from_secs(60);
const ASKED_WITHIN: Duration = Duration::from_secs(1);

impl Tenancy {
    /// Reads all tenants, before the node serves anybody.
    pub async fn load(&self) {
        if self.parts.database.is_none() {
            return;
        }
        let is_read = self.read(LOADED_WITHIN).await;
        let served = self.known.lock().values().filter(|known| known.settings.is_some()).count();
        if is_read {
            tracing::info!(tenants = served, "the database's tenants were read");
        } else {
            tracing::warn!(tenants = served, "the database does not tell its tenants: those that Redis has are served");
        }
    }

    /// Keeps in step for the node's life. `told` is the last change that the looks at the store show.
    pub async fn run(&self, mut told: watch::Receiver<i64>) {
        if self.parts.database.is_none() {
            return self.run_without_database().await;
        }
        let mut next_round = Instant::now();
        let mut was_untold = false;
        loop {
            let is_read = self.catch_up().await;
            // Redis was emptied, or a word to it was lost: whoever looks there shall find what is known here. Not at
            // once: whoever has made a change may be about to tell it.
            let is_untold = *told.borrow_and_update() < self.read_up_to() && self.parts.redis.is_some();
            if is_untold && was_untold {
                self.cache_all().await;
            }
            was_untold = is_untold;
            if Instant::now() >= next_round {
                next_round = Instant::now() + ROUND_EVERY;
                self.note_file().await;
                self.seal_anew().await;
            }
            let pause = if is_read && !is_untold { next_round - Instant::now() } else { AGAIN_AFTER };
            tokio::select! {
                _ = told.changed() => {}
                () = self.stirred.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn run_without_database(&self) {
        loop {
            self.note_file().await;
            tokio::time::sleep(ROUND_EVERY).await;
        }
    }

    /// Reads what was changed since the last reading. False: the database did not answer.
    pub(super) async fn catch_up(&self) -> bool {
        self.read(READ_WITHIN).await
    }

    async fn read(&self, within: Duration) -> bool {
        let Some(database) = &self.parts.database else { return false };
        let mut has_failed = self.reading.lock().await;
        match timeout(within, database.tenants_changed(self.read_up_to())).await {
            Ok(Ok(changed)) => {
                let last = changed.last().map(|kept| kept.change);
                self.take_in(changed);
                if let Some(last) = last {
                    self.read_up_to.fetch_max(last, Ordering::SeqCst);
                }
                if std::mem::take(&mut *has_failed) {
                    tracing::info!("the database tells its tenants again");
                }
                true
            }
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it does not answer in time".to_owned(),
                };
                if !std::mem::replace(&mut *has_failed, true) {
                    tracing::warn!(error, "the database does not tell its tenants: changes wait, or come by Redis");
                }
                self.read_cache().await;
                false
            }
        }
    }

    /// What Redis has, as a help: it may lack something, so the database is asked again for all.
    async fn read_cache(&self) {
        let Some(redis) = &self.parts.redis else { return };
        match timeout(READ_WITHIN, redis.cached_tenants()).await {
            Ok(Ok(cached)) => self.take_in(cached),
            Ok(Err(error)) => tracing::debug!(%error, "nor does Redis"),
            Err(_) => tracing::debug!("nor does Redis"),
        }
    }

    /// What the file says, for whoever looks at Redis.
    async fn note_file(&self) {
        let Some(redis) = &self.parts.redis else { return };
        let of_file: Vec<_> = self.in_file.iter().filter_map(|id| self.parts.tenants.get(id)).collect();
        if let Err(error) = redis.note_tenants(&of_file).await {
            tracing::debug!(%error, "the tenants were not noted for operators");
        }
    }

    /// Gives Redis everything that it may have lost.
    async fn cache_all(&self) {
        let Some(redis) = &self.parts.redis else { return };
        let all: Vec<KeptTenant> = self.known.lock().values().map(|known| known.kept.clone()).collect();
        if let Err(error) = redis.cache_tenants(&all).await {
            tracing::debug!(%error, "the tenants were not given back to Redis yet");
        }
    }

    /// Seals anew what a former key has sealed, once every node can open what the current one seals: a node that is
    /// still to be restarted would be left without the tenants.
    async fn seal_anew(&self) {
        let (Some(database), Some(keys)) = (&self.parts.database, &self.parts.keys) else { return };
        let formerly = |kept: &KeptTenant| !kept.is_deleted && kept.is_sealed_formerly(keys);
        let former: Vec<String> = {
            let known = self.known.lock();
            known.values().filter(|known| formerly(&known.kept)).map(|known| known.kept.id.clone()).collect()
        };
        if former.is_empty() {
            return;
        }
        let ask = Ask::HasKey { key: keys.current_name().to_owned() };
        let replies = self.ask_others(&ask, ASKED_WITHIN).await;
        if let Some((node, _)) = replies.iter().find(|(_, reply)| !matches!(reply, Some(Reply::HasKey { yes: true }))) {
            tracing::info!(node.lacking = %node, tenants = former.len(), "secrets wait for a new seal until this node has the new key");
            return;
        }
        let mut count = 0;
        for id in &former {
            let at_us = self.parts.clock.now_us();
            let sealing = database.change_tenant(id, at_us, |present| {
                let Some(present) = present.filter(|present| formerly(present)) else { return Ok(None) };
                let Ok(settings) = present.open(Some(keys)) else { return Ok(None) };
                let Ok(secrets) = settings.sealed_text(id, keys) else { return Ok(None) };
                let audit = self.audit(id, at_us, "tenant_sealed_anew", serde_json::Value::Null);
                let settings = present.settings.clone();
                Ok::<_, DatabaseError>(Some(TenantWrite { settings, secrets, is_deleted: false, audit }))
            });
            match sealing.await {
                Ok(Some(kept)) if !formerly(&kept) => {
                    count += 1;
                    self.spread(kept).await;
                }
                Ok(_) => tracing::warn!(tenant.id = %id, "secrets could not be sealed anew: no key opens them"),
                Err(error) => tracing::warn!(tenant.id = %id, %error, "secrets wait for a new seal"),
            }
        }
        tracing::info!(
            tenants = count,
            of = former.len(),
            "secrets of tenants were sealed with the current secret key; when none is left, the former can be dropped"
        );
    }
}
