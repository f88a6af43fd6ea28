//! What is on its way to the database: in the journal, in a tenant's stream, or nowhere.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    participation::{Journal, OnTheWay, OnTheirWay},
    store::EventStream,
};

/// A single node's journal. It knows no ages.
pub(super) struct InJournal(pub Arc<Journal>);

/// In a cluster, the tenants' streams.
pub(super) struct InStreams(pub Arc<dyn EventStream>);

/// Nothing is recorded.
pub(super) struct Nowhere;

#[async_trait]
impl OnTheirWay for InJournal {
    async fn waiting(&self, tenant: &str) -> Option<OnTheWay> {
        Some(OnTheWay { events: self.0.waiting_of(tenant).await.ok()?, oldest_age_ms: None })
    }
}

#[async_trait]
impl OnTheirWay for InStreams {
    async fn waiting(&self, tenant: &str) -> Option<OnTheWay> {
        let waiting = self.0.waiting_events(tenant).await.ok()?;
        let oldest_age_ms = waiting.ends.is_some().then(|| u64::try_from(waiting.oldest.as_millis()).ok()).flatten();
        Some(OnTheWay { events: waiting.events, oldest_age_ms })
    }
}

#[async_trait]
impl OnTheirWay for Nowhere {
    async fn waiting(&self, _: &str) -> Option<OnTheWay> {
        Some(OnTheWay::default())
    }
}
