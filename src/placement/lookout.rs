//! Looks at the store some four times a second: who is there, whether it is still the same store, what its clock says.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::{Mutex, Notify, watch};

use super::{Directory, News};
use crate::{
    store::{ServerClock, Store, StoreError},
    telemetry::Metrics,
    time::Clock,
};

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// However many wait, no more looks than this pause allows.
const LOOK_PAUSE: Duration = Duration::from_millis(25);
/// Names of lives of a store are random; this many letters of them.
const GENERATION_BITS: u32 = 64;

/// Called with each sight of the server's clock, and when it was asked for and answered by the boot-time clock.
pub type OnClock = Box<dyn Fn(ServerClock, i64, i64) + Send + Sync>;

/// The watch over everything that nodes share.
pub struct Lookout {
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    on_clock: OnClock,
    on_news: OnceLock<Box<dyn Fn(News) + Send + Sync>>,
    /// The number of the last change of a tenant, as the last look has shown it.
    tenant_change: watch::Sender<i64>,
    /// How many looks have been answered.
    looks: watch::Sender<u64>,
    wanted: Notify,
    /// Looks come one after the other: a later one must not be taken in before an earlier one.
    looking: Mutex<()>,
}

impl Lookout {
    pub fn new(
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        metrics: Arc<Metrics>,
        on_clock: OnClock,
    ) -> Self {
        let (tenant_change, looks) = (watch::Sender::new(0), watch::Sender::new(0));
        let (on_news, wanted, looking) = (OnceLock::new(), Notify::new(), Mutex::new(()));
        Self { clock, store, directory, metrics, on_clock, on_news, tenant_change, looks, wanted, looking }
    }

    /// From now on `on_news` hears of what has changed. Only the first call counts.
    pub fn tell(&self, on_news: impl Fn(News) + Send + Sync + 'static) {
        self.on_news.get_or_init(|| Box::new(on_news));
    }

    /// Hears when the looks show another last change of a tenant.
    pub fn tenant_changes(&self) -> watch::Receiver<i64> {
        self.tenant_change.subscribe()
    }

    /// Whether the store can be looked at, and whatever has changed is told: a look that was asked for from now on.
    pub async fn is_up_to_date(&self, within: Duration) -> bool {
        let before = *self.looks.borrow();
        self.looked_again(within).await;
        *self.looks.borrow() > before
    }

    /// One look, whose news are told.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn look_and_tell(&self) -> Result<(), StoreError> {
        let news = self.look().await?;
        if let Some(on_news) = self.on_news.get() {
            on_news(news);
        }
        Ok(())
    }

    /// One look. A store without a name for its life gets one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn look(&self) -> Result<News, StoreError> {
        let _one_by_one = self.looking.lock().await;
        let asked_us = self.clock.boot_us();
        let mut look = self.store.look().await?;
        let answered_us = self.clock.boot_us();
        if look.generation.is_none() {
            let proposal = format!("{:0width$x}", random(), width = (GENERATION_BITS / 4) as usize);
            let in_force = self.store.name_generation(&proposal).await?;
            if in_force == proposal {
                self.directory.note_founding();
            }
            look.generation = Some(in_force);
        }
        if let Some(server) = look.server.clone() {
            (self.on_clock)(server, asked_us, answered_us);
        }
        let told = look.tenant_change;
        self.tenant_change.send_if_modified(|change| std::mem::replace(change, told) != told);
        let news = self.directory.take_in(look, asked_us, answered_us);
        if news.store_is_new {
            tracing::warn!("the store has lost everything: rooms are given back to it from what nodes know");
        }
        if news.server_changed {
            tracing::warn!("the store runs on another server: nobody takes over others' rooms for a moment");
        }
        self.looks.send_modify(|looks| *looks += 1);
        Ok(news)
    }

    /// Looks for the node's life.
    pub async fn run(&self) {
        let mut interval = tokio::time::interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = self.wanted.notified() => tokio::time::sleep(LOOK_PAUSE).await,
            }
            if let Err(error) = self.look_and_tell().await {
                self.metrics.looks_failed.inc();
                tracing::debug!(%error, "no look at the store");
            }
        }
    }

    /// Resolves with the next look that is asked for from now on, or after `within`.
    pub async fn looked_again(&self, within: Duration) {
        let mut looks = self.looks.subscribe();
        // Two: the one that is under way may have been asked for before.
        let enough = *looks.borrow_and_update() + 2;
        self.wanted.notify_one();
        let seen = async {
            while *looks.borrow_and_update() < enough {
                if looks.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever waits decides anew, whatever was seen.
        let _ = tokio::time::timeout(within, seen).await;
    }
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
