//! A cluster's way from the recorder: the tenants' streams in the store.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Batch, NotKept, Sink};
use crate::store::{AddRefused, EventStream};

/// Events of one tenant that may wait for the database: two minutes of as much as the limits of a tenant let through,
/// days of what a school plays.
pub const STREAMED_MAX: u64 = 250_000;
/// A longer event counts as several: so a tenant's stream takes 128 MB at most, half of that as a rule.
const BYTES_PER_EVENT: usize = 512;
/// What more a full stream takes, of what tells of losses.
const TELLING_MAX: u64 = 10_000;

/// Keeps batches in their tenants' streams.
pub struct StreamSink {
    stream: Arc<dyn EventStream>,
    events_max: u64,
}

impl StreamSink {
    pub fn new(stream: Arc<dyn EventStream>, events_max: u64) -> Self {
        Self { stream, events_max }
    }
}

#[async_trait]
impl Sink for StreamSink {
    async fn keep(&self, batch: &Batch) -> Result<(), NotKept> {
        let unavailable = |error: &dyn std::error::Error| NotKept::Unavailable(error.to_string());
        let events = serde_json::to_string(&batch.events).map_err(|error| unavailable(&error))?;
        let count = batch.events.len().max(events.len() / BYTES_PER_EVENT);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let events_max = self.events_max + if batch.tells_of_losses() { TELLING_MAX } else { 0 };
        match self.stream.add_events(&batch.tenant, &events, count, events_max).await {
            Ok(()) => Ok(()),
            Err(AddRefused::Full { events_max }) => Err(NotKept::Full { max: format!("{events_max} events") }),
            Err(AddRefused::Unavailable(error)) => Err(unavailable(&error)),
        }
    }
}
