//! What was recorded of every room of a world.

use std::sync::Arc;

use async_trait::async_trait;
use downbeat::{
    participation::{Batch, Event, Feed, NotKept, Recorder, Sink},
    telemetry::Metrics,
};
use parking_lot::Mutex;

/// Keeps everything, in the order in which it came.
#[derive(Default)]
pub struct Book(Mutex<Vec<Event>>);

impl Book {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().clone()
    }

    /// (kind, student, actor) of each.
    pub fn lines(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let name = |name: &Option<Arc<str>>| name.as_deref().map(str::to_owned);
        let line = |event: &Event| (event.kind.as_str().to_owned(), name(&event.student), name(&event.actor));
        self.0.lock().iter().map(line).collect()
    }

    pub fn of_kind(&self, kind: &str) -> Vec<Event> {
        self.0.lock().iter().filter(|event| event.kind.as_str() == kind).cloned().collect()
    }

    /// A node's recorder that writes into it.
    pub fn recorder(self: &Arc<Self>, process: u64, metrics: Arc<Metrics>) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::new(Box::new(|_| true), process, metrics));
        tokio::spawn(Feed::new(recorder.clone(), self.clone()).run());
        recorder
    }
}

#[async_trait]
impl Sink for Book {
    async fn keep(&self, batch: &Batch) -> Result<(), NotKept> {
        self.0.lock().extend(batch.events.iter().cloned());
        Ok(())
    }
}
