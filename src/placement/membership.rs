//! This node's own session: opened at the start, renewed for as long as the node lives, opened anew when it lapsed.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{Renewal, Session, Terms};
use crate::{
    store::{SessionInfo, Store, StoreError},
    time::Clock,
};

/// The node's standing among the others.
pub struct Membership {
    node: Arc<str>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    terms: Terms,
    info: SessionInfo,
    session: ArcSwap<Session>,
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
        terms: Terms,
        info: SessionInfo,
    ) -> Result<Self, StoreError> {
        let session = open(&node, &*clock, &*store, terms, &info).await?;
        Ok(Self { node, clock, store, terms, info, session: ArcSwap::from_pointee(session) })
    }

    /// The node's id.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// The incarnation in which this node may act right now; none when its session is not to be trusted.
    /// To be asked at every publish and every write.
    pub fn standing(&self) -> Option<u64> {
        let session = self.session.load();
        session.is_trusted(self.clock.boot_us()).then(|| session.incarnation())
    }

    /// Renews the session until the node ends; a lapsed one is discarded for good and another opened.
    pub async fn run(&self) {
        let mut interval = tokio::time::interval(Duration::from_micros(self.terms.renew_every_us.unsigned_abs()));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Err(error) = self.renew().await {
                tracing::warn!(node.id = %self.node, %error, "the session was not renewed");
            }
        }
    }

    /// One renewal; a session that has lapsed is replaced.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let session = self.session.load_full();
        let renewal = Renewal::sent(self.clock.boot_us());
        let renewed = self.store.renew_session(&self.node, session.incarnation(), &self.info).await?;
        if renewed && session.renewal_succeeded(renewal, self.clock.boot_us()) {
            return Ok(());
        }
        session.discard();
        tracing::warn!(node.id = %self.node, "the session had lapsed; a new one is opened");
        let reopened = open(&self.node, &*self.clock, &*self.store, self.terms, &self.info).await?;
        self.session.store(Arc::new(reopened));
        Ok(())
    }

    /// Ends the session: the last act of a node that leaves.
    pub async fn close(&self) {
        let session = self.session.load_full();
        session.discard();
        if let Err(error) = self.store.close_session(&self.node, session.incarnation()).await {
            tracing::warn!(node.id = %self.node, %error, "the session was not closed; it runs out by itself");
        }
    }
}

async fn open(
    node: &str,
    clock: &dyn Clock,
    store: &dyn Store,
    terms: Terms,
    info: &SessionInfo,
) -> Result<Session, StoreError> {
    let opening = Renewal::sent(clock.boot_us());
    let incarnation = store.open_session(node, info, 0).await?;
    Ok(Session::opened(incarnation, opening, terms))
}
