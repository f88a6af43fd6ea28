//! One node's way to the topics' store: it can be cut, and slow on the way there and on the way back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use downbeat::{
    protocol::{Broadcast, TopicKey},
    store::{PresenceRecord, PresenceWrite, StoreError, TopicStore},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{super::faulty_store::FaultyStore, gate::Gate};

/// How long a call is under way to the store, and its answer back, in milliseconds of tokio's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pub there_ms: u64,
    pub back_ms: u64,
}

type Paces = Box<dyn FnMut() -> Pace + Send>;

pub struct Link {
    store: Arc<FaultyStore>,
    gate: Arc<Gate>,
    is_cut: Mutex<bool>,
    paces: Mutex<Paces>,
    /// Calls wait here before they reach the store.
    calls: Mutex<Option<Arc<Semaphore>>>,
    /// Answers of the store wait here.
    answers: Mutex<Option<Arc<Semaphore>>>,
}

/// Whatever waits goes on when this is dropped.
pub struct Held(Arc<Semaphore>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Link {
    pub fn to(store: Arc<FaultyStore>, gate: Arc<Gate>) -> Self {
        let paces: Mutex<Paces> = Mutex::new(Box::new(Pace::default));
        Self { store, gate, is_cut: Mutex::default(), paces, calls: Mutex::default(), answers: Mutex::default() }
    }

    pub fn cut(&self) {
        *self.is_cut.lock() = true;
    }

    pub fn mend(&self) {
        *self.is_cut.lock() = false;
    }

    pub fn pace(&self, paces: impl FnMut() -> Pace + Send + 'static) {
        *self.paces.lock() = Box::new(paces);
    }

    /// The store does not see the calls of this node.
    pub fn hold_calls(&self) -> Held {
        hold(&self.calls)
    }

    /// This node does not see the store's answers.
    pub fn hold_answers(&self) -> Held {
        hold(&self.answers)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let pace = (self.paces.lock())();
        self.gate.pass().await;
        held(&self.calls).await;
        wait(pace.there_ms).await;
        if *self.is_cut.lock() {
            return Err(StoreError::Unavailable { reason: "it was told to fail".into() });
        }
        let answer = call.await;
        held(&self.answers).await;
        wait(pace.back_ms).await;
        self.gate.pass().await;
        answer
    }
}

fn hold(place: &Mutex<Option<Arc<Semaphore>>>) -> Held {
    let semaphore = Arc::new(Semaphore::new(0));
    *place.lock() = Some(semaphore.clone());
    Held(semaphore)
}

async fn held(place: &Mutex<Option<Arc<Semaphore>>>) {
    let semaphore = place.lock().clone();
    if let Some(semaphore) = semaphore {
        // Closed is let go.
        let _ = semaphore.acquire().await;
    }
}

async fn wait(ms: u64) {
    if ms > 0 {
        let nothing = tokio::time::timeout(Duration::from_millis(ms), std::future::pending::<()>());
        nothing.await.expect_err("nothing ever comes");
    }
}

#[async_trait]
impl TopicStore for Link {
    async fn write_presences(&self, key: &TopicKey, changes: &[PresenceWrite]) -> Result<(), StoreError> {
        self.call(async { self.store.inner().write_presences(key, changes).await }).await
    }

    async fn presences(&self, key: &TopicKey) -> Result<Vec<PresenceRecord>, StoreError> {
        self.call(async { self.store.inner().presences(key).await }).await
    }

    async fn keep_broadcast(&self, key: &TopicKey, broadcast: &Broadcast) -> Result<(), StoreError> {
        self.call(async { self.store.inner().keep_broadcast(key, broadcast).await }).await
    }

    async fn broadcasts(&self, key: &TopicKey, since_ms: i64, limit: usize) -> Result<Vec<Broadcast>, StoreError> {
        self.call(async { self.store.inner().broadcasts(key, since_ms, limit).await }).await
    }

    async fn forget_topics(&self, tenant: &str) -> Result<(), StoreError> {
        self.call(async { self.store.inner().forget_topics(tenant).await }).await
    }
}
