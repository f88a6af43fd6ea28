//! This node's own session: opened at the start, renewed for as long as the node lives, opened anew when it lapsed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{Renewal, Session, Terms};
use crate::{
    store::{Home, SessionInfo, Store, StoreError},
    telemetry::Metrics,
    time::Clock,
};

/// Incarnations of this process that are remembered as its own.
const FORMER_MAX: usize = 1_024;

/// The node's standing among the others.
pub struct Membership {
    node: Arc<str>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    terms: Terms,
    info: SessionInfo,
    load: Load,
    session: ArcSwap<Session>,
    /// The incarnations that this process has given up for good.
    former: Mutex<BTreeSet<u64>>,
    /// The node leaves: no session is opened any more.
    is_closing: AtomicBool,
}

/// What a node tells of itself that changes.
#[derive(Debug, Default)]
pub struct Load {
    pub draining: AtomicBool,
    pub rooms: AtomicU64,
    pub sockets: AtomicU64,
}

impl Membership {
    /// Opens the first session.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(
        node: Arc<str>,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        terms: Terms,
        info: SessionInfo,
    ) -> Result<Self, StoreError> {
        let session = open(&node, &*clock, &*store, terms, &info, 0).await?;
        let session = ArcSwap::from_pointee(session);
        let (load, former, is_closing) = (Load::default(), Mutex::default(), AtomicBool::new(false));
        Ok(Self { node, clock, store, metrics, terms, info, load, session, former, is_closing })
    }

    /// The node's id.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// This process, as the home of its connections.
    pub fn home(&self) -> Home {
        Home { node: self.node.clone(), process: self.info.process }
    }

    pub fn load(&self) -> &Load {
        &self.load
    }

    /// The incarnation in which this node may act right now; none when its session is not to be trusted.
    /// To be asked at every publish and every write.
    pub fn standing(&self) -> Option<u64> {
        let session = self.session.load();
        session.is_trusted(self.clock.boot_us()).then(|| session.incarnation())
    }

    /// The incarnation last opened, trusted or not.
    pub fn incarnation(&self) -> u64 {
        self.session.load().incarnation()
    }

    /// Whether this very process had this incarnation and gave it up.
    pub fn was_mine(&self, incarnation: u64) -> bool {
        self.former.lock().contains(&incarnation)
    }

    /// Renews the session until the node ends; a lapsed one is discarded for good and another opened.
    pub async fn run(&self) {
        let mut interval = tokio::time::interval(Duration::from_micros(self.terms.renew_every_us.unsigned_abs()));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut before_us = None;
        loop {
            interval.tick().await;
            let now_us = self.clock.boot_us();
            if let Some(before_us) = before_us.replace(now_us) {
                let late_us = (now_us - before_us - self.terms.renew_every_us).max(0);
                self.metrics.session_renewal_late_seconds.observe(late_us as f64 / 1e6);
            }
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "the session was not renewed");
            }
        }
    }

    /// One renewal; a session that has lapsed is replaced.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let session = self.session.load_full();
        let asked_us = self.clock.boot_us();
        let renewal = Renewal::sent(asked_us);
        // Not for a session that is past: somebody may hold it for dead already.
        let renewed = session.is_trusted(asked_us)
            && self.store.renew_session(&self.node, session.incarnation(), &self.info_now()).await?;
        let took_us = self.clock.boot_us() - asked_us;
        self.metrics.session_renewal_seconds.observe(took_us as f64 / 1e6);
        if renewed && session.renewal_succeeded(renewal, self.clock.boot_us()) {
            return Ok(());
        }
        session.discard();
        if self.is_closing.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.give_up(session.incarnation()) {
            self.metrics.sessions_lapsed.inc();
            tracing::warn!(
                session.incarnation = session.incarnation(),
                "the session has lapsed; a new one is opened as soon as the store answers"
            );
        }
        let at_least = session.incarnation() + 1;
        let info = self.info_now();
        let reopened = open(&self.node, &*self.clock, &*self.store, self.terms, &info, at_least).await?;
        self.session.store(Arc::new(reopened));
        Ok(())
    }

    /// Ends the session: the last act of a node that leaves.
    pub async fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        let session = self.session.load_full();
        session.discard();
        if let Err(error) = self.store.close_session(&self.node, session.incarnation()).await {
            tracing::warn!(%error, "the session was not closed; it runs out by itself");
        }
    }

    /// True the first time.
    fn give_up(&self, incarnation: u64) -> bool {
        let mut former = self.former.lock();
        let is_new = former.insert(incarnation);
        if former.len() > FORMER_MAX {
            former.pop_first();
        }
        is_new
    }

    fn info_now(&self) -> SessionInfo {
        SessionInfo {
            draining: self.load.draining.load(Ordering::Relaxed),
            rooms: self.load.rooms.load(Ordering::Relaxed),
            sockets: self.load.sockets.load(Ordering::Relaxed),
            ..self.info.clone()
        }
    }
}

async fn open(
    node: &str,
    clock: &dyn Clock,
    store: &dyn Store,
    terms: Terms,
    info: &SessionInfo,
    at_least: u64,
) -> Result<Session, StoreError> {
    let opening = Renewal::sent(clock.boot_us());
    let incarnation = store.open_session(node, info, at_least).await?;
    Ok(Session::opened(incarnation, opening, terms))
}
