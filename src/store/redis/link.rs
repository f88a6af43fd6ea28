//! One of the store's connections through its life: made when it is needed, given up when it fails, made anew.
//!
//! No call lasts longer than its limit, and none is repeated: a call that failed may have happened.

use std::{future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::store::StoreError;

use super::{
    dial::{Dialer, unavailable},
    wire::Wire,
};

/// What making a connection to a cluster may take, many of whose servers may be away. To one server: less than an
/// answer, so that a caller that waits for both learns why.
const CLUSTER_DIAL_LIMIT: Duration = Duration::from_secs(2);
/// Connections are not tried more often.
const DIAL_INTERVAL: Duration = Duration::from_millis(200);

/// How many calls are under way at once. More would wait at the server instead, past their limit: thousands of rooms
/// are taken over together.
const CALLS_MAX: usize = 64;

/// A connection and the way to the next.
pub struct Link {
    dialer: Arc<Dialer>,
    state: Mutex<State>,
    /// Held by whoever makes the next connection: the others wait for the same.
    dialling: tokio::sync::Mutex<()>,
    places: Semaphore,
    /// What an answer may take by default.
    limit: Duration,
}

#[derive(Default)]
struct State {
    wire: Option<Wire>,
    /// Counts connections, so that a late failure of an earlier one does not end the next.
    number: u64,
    last_dial: Option<Instant>,
    /// Counts tries that have ended.
    dials: u64,
    /// Why the last call failed, or none if it was answered.
    trouble: Option<StoreError>,
}

impl Link {
    pub fn new(dialer: Arc<Dialer>, limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            state: Mutex::default(),
            dialling: tokio::sync::Mutex::default(),
            places: Semaphore::new(CALLS_MAX),
            limit,
        })
    }

    /// Makes the first connection, for which a cluster may take longer than a call.
    pub async fn open(&self) -> Result<(), StoreError> {
        let _only_one = self.dialling.lock().await;
        match self.current() {
            Some(_) => Ok(()),
            None => self.dial().await.map(drop),
        }
    }

    /// Asks over the link; `question` gets a connection of its own to it.
    pub async fn ask<T, F>(self: &Arc<Self>, question: impl FnOnce(Wire) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.ask_within(self.limit, question).await
    }

    /// Asks, with another limit.
    pub async fn ask_within<T, F>(
        self: &Arc<Self>,
        limit: Duration,
        question: impl FnOnce(Wire) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let _place = self.place().await?;
        let deadline = Instant::now() + limit;
        let (wire, number) = match timeout_at(deadline, self.wire()).await {
            Ok(wire) => wire?,
            Err(_) => return Err(self.silent(limit)),
        };
        match timeout_at(deadline, question(wire)).await {
            Ok(Ok(answer)) => {
                self.state.lock().trouble = None;
                Ok(answer)
            }
            Ok(Err(error)) => {
                let trouble = unavailable(self.dialer.url(), &error);
                self.failed(number, ends_the_connection(&error), trouble.clone());
                Err(trouble)
            }
            Err(_) => {
                let trouble = self.silent(limit);
                self.failed(number, true, trouble.clone());
                Err(trouble)
            }
        }
    }

    /// Why the last call failed, or none if it was answered.
    pub fn trouble(&self) -> Option<StoreError> {
        self.state.lock().trouble.clone()
    }

    /// Gives the connection up: the next call makes a new one. Calls under way on it go on.
    pub fn give_up(&self) {
        if !self.dialer.is_cluster() {
            self.state.lock().wire = None;
        }
    }

    /// A place among the calls under way; its limit runs from there. Whoever had to wait for one does not try a
    /// broken connection after all those before it did.
    async fn place(&self) -> Result<Option<SemaphorePermit<'_>>, StoreError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(Some(place));
        }
        // The semaphore is never closed.
        let place = self.places.acquire().await.ok();
        let state = self.state.lock();
        match &state.trouble {
            Some(trouble) if state.wire.is_none() => Err(trouble.clone()),
            _ => Ok(place),
        }
    }

    /// The connection and its number.
    async fn wire(self: &Arc<Self>) -> Result<(Wire, u64), StoreError> {
        if let Some(wire) = self.current() {
            return Ok(wire);
        }
        let dials = self.state.lock().dials;
        let _only_one = self.dialling.lock().await;
        if let Some(wire) = self.current() {
            return Ok(wire);
        }
        if self.state.lock().dials != dials {
            return Err(self.trouble().unwrap_or_else(|| self.silent(self.dial_limit())));
        }
        self.may_dial()?;
        self.dial().await
    }

    fn current(&self) -> Option<(Wire, u64)> {
        let state = self.state.lock();
        state.wire.clone().map(|wire| (wire, state.number))
    }

    /// Not so soon after the last try: then its failure is the answer.
    fn may_dial(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.last_dial.is_some_and(|last| now < last + DIAL_INTERVAL) {
            return Err(state.trouble.clone().unwrap_or_else(|| self.silent(self.dial_limit())));
        }
        state.last_dial = Some(now);
        Ok(())
    }

    async fn dial(&self) -> Result<(Wire, u64), StoreError> {
        let limit = if self.dialer.is_cluster() { CLUSTER_DIAL_LIMIT } else { self.dial_limit() };
        let dialled = tokio::time::timeout(limit, self.dialer.dial(self.limit)).await;
        let mut state = self.state.lock();
        state.dials += 1;
        match dialled.unwrap_or_else(|_| Err(self.silent(limit))) {
            Ok(wire) => {
                state.number += 1;
                state.wire = Some(wire.clone());
                Ok((wire, state.number))
            }
            Err(trouble) => {
                state.trouble = Some(trouble.clone());
                Err(trouble)
            }
        }
    }

    /// Notes a failure over connection `number`, and gives that up if it is `over`.
    ///
    /// A cluster's stays in use until the next is there, because most of its servers may be well.
    fn failed(self: &Arc<Self>, number: u64, over: bool, trouble: StoreError) {
        let mut state = self.state.lock();
        state.trouble = Some(trouble);
        if !over || state.number != number {
            return;
        }
        if !self.dialer.is_cluster() {
            state.wire = None;
            return;
        }
        drop(state);
        let link = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(_only_one) = link.dialling.try_lock()
                && link.may_dial().is_ok()
            {
                // Its failure is noted, and the next call tries again.
                let _ = link.dial().await;
            }
        });
    }

    fn dial_limit(&self) -> Duration {
        self.limit * 3 / 4
    }

    fn silent(&self, limit: Duration) -> StoreError {
        let reason = format!("Redis at {} has not answered within {} ms", self.dialer.url(), limit.as_millis());
        StoreError::Unavailable { reason }
    }
}

/// Whether no further call over the same connection can succeed: it is broken, or its server is no master any more.
fn ends_the_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
        )
        || error.code() == Some("UNBLOCKED")
}
