//! Long poll: the same connection, its messages carried by requests instead of a socket.
//!
//! A session is a task that owns its connection, on the node where it was opened. Requests may come to any node: here
//! they send the task messages, elsewhere they ask over the relay. A poll waits for what there is to say, at most for
//! the window. What did not arrive goes out again with the next poll.

pub mod delivery;
mod messages;
mod pieces;
mod poller;
mod remote;
mod serving;

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::poller::{Command, Poller};
pub use self::{
    delivery::Batch,
    messages::{Answer, Ask, SERVICE},
    poller::Carried,
    remote::Remote,
    serving::Serving,
};
use super::longpoll_token::SessionToken;
use crate::{
    protocol::longpoll_body::{Line, LongpollBody, parse_body},
    relay::Calls,
    telemetry::{Metrics, Open, count},
};

/// How long a poll waits for something to say.
pub const WINDOW: Duration = Duration::from_secs(10);
/// How long a request waits for its messages to be dealt with.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// A session that nobody polls for so long is gone.
const ABANDONED: Duration = Duration::from_secs(30);
const REQUESTS_WAITING_MAX: usize = 64;
const TRANSPORT: &str = "longpoll";
/// The polls of this node's own clients need no number: of two, the later counts.
const OWN_POLL: u64 = 0;

/// A line of a request's body, copied out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    Text(String),
    Binary(Vec<u8>),
    /// One line too many: answered with an error.
    Excess(String),
    Malformed,
}

/// The session has to end: what came is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// The session is gone: the client has to open another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// Why a request's messages were not dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostFailed {
    Gone,
    /// Not in time; they may be, later.
    Slow,
    /// None of them was taken.
    TooManyLines,
}

impl From<Gone> for PostFailed {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// How a poll ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    Batch(Batch),
    /// There was nothing, for the whole window.
    Nothing,
    /// A newer poll of the same client has taken over.
    Superseded,
}

/// What a session is asked by a poll, or by a slice of one.
#[derive(Clone, Copy, Debug)]
pub struct PollRequest {
    /// The same for all slices of a poll.
    pub poll: u64,
    /// Whoever asks has not had an answer to this poll yet.
    pub is_first: bool,
    /// How many messages the client has.
    pub received: u64,
    pub window: Duration,
}

/// The long-poll sessions of this node.
#[derive(Default)]
pub struct LongPolls {
    sessions: Arc<Mutex<HashMap<u64, Handle>>>,
}

/// A way to one session of this node.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Command>);

/// A way to a session, wherever it is.
#[derive(Clone)]
pub enum Session {
    Here(Handle),
    Elsewhere(Remote),
}

impl LongPolls {
    /// Opens a session for a connection; answers its number.
    pub fn open(&self, metrics: &Arc<Metrics>, carried: impl Carried) -> u64 {
        let session = getrandom::u64().unwrap_or_default();
        let (sender, commands) = mpsc::channel(REQUESTS_WAITING_MAX);
        self.sessions.lock().insert(session, Handle(sender));
        let (metrics, sessions) = (metrics.clone(), self.sessions.clone());
        tokio::spawn(async move {
            let open = Open::count(&metrics, TRANSPORT);
            match AssertUnwindSafe(Poller::new(carried, commands).run()).catch_unwind().await {
                Ok(true) => count(&metrics.connections_closed, TRANSPORT),
                Ok(false) => {}
                Err(_) => count(&metrics.panics, TRANSPORT),
            }
            sessions.lock().remove(&session);
            drop(open);
        });
        session
    }

    /// A session of this node.
    pub fn find(&self, session: u64) -> Option<Handle> {
        self.sessions.lock().get(&session).cloned()
    }

    /// The way from the node `here` to the session that a token names; none when it is of this node, and gone.
    pub fn reach(&self, here: &str, calls: &Arc<Calls>, token: &SessionToken) -> Option<Session> {
        if token.node == here {
            return self.find(token.session).map(Session::Here);
        }
        let (calls, node) = (calls.clone(), token.node.as_str().into());
        Some(Session::Elsewhere(Remote { calls, node, session: token.session }))
    }
}

impl Handle {
    /// Hands over a request's messages; Ok once the session has dealt with them. Of two posts with the same number
    /// only one counts.
    pub async fn post(&self, number: Option<u64>, parcels: Vec<Parcel>) -> Result<(), Gone> {
        self.ask(|taken| Command::Post { number, parcels, taken }).await
    }

    /// Whether a post with this number has been dealt with.
    pub async fn has_taken(&self, number: u64) -> Result<bool, Gone> {
        self.ask(|answer| Command::HasTaken { number, answer }).await
    }

    /// Waits for messages, at most for the request's window.
    pub async fn poll(&self, request: PollRequest) -> Result<Polled, Gone> {
        self.ask(|answer| Command::Poll { request, answer }).await
    }

    /// The first `upto` messages went out: later polls do not get them again.
    pub async fn received(&self, upto: u64) -> Result<(), Gone> {
        self.0.send(Command::Received { upto }).await.map_err(|_| Gone)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Gone> {
        let (sender, answer) = oneshot::channel();
        self.0.send(command(sender)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

impl Session {
    /// Hands over a request's body; Ok once the session has dealt with it.
    pub async fn post(&self, content_type: Option<&str>, body: &[u8]) -> Result<(), PostFailed> {
        match self {
            Self::Here(handle) => {
                let body = parse_body(content_type, body).map_err(|_| PostFailed::TooManyLines)?;
                let posting = timeout(POST_TIMEOUT, handle.post(None, parcels(body)));
                Ok(posting.await.map_err(|_| PostFailed::Slow)??)
            }
            Self::Elsewhere(remote) => remote.post(content_type, body).await,
        }
    }

    /// Waits for messages after the first `received`, at most for the window.
    pub async fn poll(&self, received: u64) -> Result<Polled, Gone> {
        match self {
            Self::Here(handle) => {
                let request = PollRequest { poll: OWN_POLL, is_first: true, received, window: WINDOW };
                handle.poll(request).await
            }
            Self::Elsewhere(remote) => remote.poll(received).await,
        }
    }

    /// The first `upto` messages went out, as far as HTTP can tell.
    pub async fn received(&self, upto: u64) {
        match self {
            Self::Here(handle) => {
                // A session that is gone has nothing to send again.
                let _ = handle.received(upto).await;
            }
            Self::Elsewhere(remote) => remote.received(upto).await,
        }
    }
}

/// The lines of a request's body, in order, the excess last.
fn parcels(body: LongpollBody<'_>) -> Vec<Parcel> {
    let excess = body.excess.into_iter().filter_map(|line| match line {
        Line::Text(text) => Some(Parcel::Excess(text.to_owned())),
        Line::Binary(_) | Line::Malformed => None,
    });
    let messages = body.messages.into_iter().map(|line| match line {
        Line::Text(text) => Parcel::Text(text.to_owned()),
        Line::Binary(bytes) => Parcel::Binary(bytes),
        Line::Malformed => Parcel::Malformed,
    });
    messages.chain(excess).collect()
}
