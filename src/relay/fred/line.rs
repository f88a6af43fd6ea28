//! One connection, from its opening to its first failure.

use std::{pin::pin, sync::Arc, time::Duration};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::{ConnectHandle, config::Config},
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::config;

/// How long a connection that could not be opened has to say why.
const OVERRUN_PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A connection to Redis (to each primary, on a cluster). It is closed when this is dropped, and what still waits to be
/// written is forgotten.
pub struct Line {
    pub client: Client,
    router: ConnectHandle,
}

impl Line {
    /// `prepare` sees the client before it connects, so that it misses nothing.
    pub async fn open<T>(
        servers: &Config,
        patience: Duration,
        messages: usize,
        prepare: impl FnOnce(&Client) -> T,
    ) -> Result<(Self, T), Error> {
        let performance = config::performance(messages);
        let client = Client::new(servers.clone(), Some(performance), Some(config::connection()), None);
        let prepared = prepare(&client);
        let connected = client.clone();
        let mut connected = pin!(connected.wait_for_connect());
        // It listens from its first poll on; after `connect` that could be too late.
        tokio::select! {
            biased;
            _ = &mut connected => {}
            () = std::future::ready(()) => {}
        }
        let router = client.connect();
        let mut line = Self { client, router };
        tokio::select! {
            result = timeout(patience, connected) => match result.unwrap_or_else(|_| Err(timed_out())) {
                Ok(()) => {}
                // What it waited by was overrun by news of the same failure: the router knows the reason.
                Err(error) if error.details().contains("lagged") => {
                    return Err(timeout(OVERRUN_PATIENCE, line.ended()).await.unwrap_or(error));
                }
                Err(error) => return Err(error),
            },
            error = line.ended() => return Err(error),
        }
        Ok((line, prepared))
    }

    /// Resolves when the connection has failed, with the reason.
    pub async fn ended(&mut self) -> Error {
        let closed = || Error::new(ErrorKind::IO, "the connection was closed");
        match (&mut self.router).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => closed(),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.router.abort();
    }
}

pub fn timed_out() -> Error {
    Error::new(ErrorKind::Timeout, "Redis did not answer in time")
}

/// What others see of a line that is replaced again and again: its present life, if it is up.
pub struct Current<T>(watch::Sender<Option<Arc<Life<T>>>>);

/// One life of a line.
pub struct Life<T> {
    pub value: T,
    given_up: Notify,
}

impl<T> Current<T> {
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub fn is_up(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub fn get(&self) -> Option<Arc<Life<T>>> {
        self.0.borrow().clone()
    }

    pub fn start(&self, value: T) -> Arc<Life<T>> {
        let life = Arc::new(Life { value, given_up: Notify::new() });
        self.0.send_replace(Some(Arc::clone(&life)));
        life
    }

    pub fn end(&self) {
        self.0.send_replace(None);
    }

    /// Resolves once a line is up.
    pub async fn up(&self) -> Option<Arc<Life<T>>> {
        let mut changes = self.0.subscribe();
        let present = changes.wait_for(Option::is_some).await.ok()?;
        present.clone()
    }

    /// Resolves once `life` is over.
    pub async fn over(&self, life: &Arc<Life<T>>) {
        let other =
            |present: &Option<Arc<Life<T>>>| !present.as_ref().is_some_and(|present| Arc::ptr_eq(present, life));
        // An error would mean that `self` is gone.
        let _ = self.0.subscribe().wait_for(other).await;
    }
}

impl<T> Life<T> {
    /// Asks whoever keeps the line to replace it.
    pub fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// Resolves when somebody has given it up, be it before.
    pub async fn given_up(&self) -> Error {
        self.given_up.notified().await;
        Error::new(ErrorKind::Timeout, "a message did not come through in time")
    }
}

/// The pauses between tries: from 50 ms up to a second.
pub struct Pauses(Duration);

impl Pauses {
    pub fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub async fn next(&mut self) {
        sleep(self.0).await;
        self.0 = PAUSE_MAX.min(self.0 * 2);
    }
}
