//! Long poll: the same connection, its frames carried by requests instead of a socket.
//!
//! A session is a task that owns its connection. Requests send it messages; a poll waits for what the outbox has,
//! at most for the window. What a response could not carry to its end goes out again with the next poll.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Gateway,
    connection::Connection,
    longpoll_token::{SessionToken, TokenKey},
};
use crate::{
    protocol::longpoll_body::{EXCESS_REASON, Line, LongpollBody},
    telemetry::{Open, count},
};

/// How long a poll waits for something to say.
pub const WINDOW: Duration = Duration::from_secs(10);
/// A session that nobody polls for so long is gone.
const ABANDONED: Duration = Duration::from_secs(30);
const REQUESTS_WAITING_MAX: usize = 64;
const TRANSPORT: &str = "longpoll";

/// Frames for one poll; what is not confirmed goes out again.
#[derive(Debug)]
pub struct Batch {
    pub number: u64,
    pub messages: Vec<String>,
}

/// A body's lines, copied out of the request.
#[derive(Debug)]
pub enum Parcel {
    Text(String),
    Binary(Vec<u8>),
    /// One line too many: answered with an error.
    Excess(String),
    Malformed,
}

enum Command {
    Post { parcels: Vec<Parcel>, taken: oneshot::Sender<()> },
    Poll { answer: oneshot::Sender<Batch> },
    Written { number: u64 },
    Lost { number: u64 },
}

/// A way to one session.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Command>);

/// The session is gone: the client has to open another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The long-poll sessions of this node.
pub struct LongPolls {
    key: TokenKey,
    sessions: Mutex<HashMap<u64, Handle>>,
}

impl LongPolls {
    pub fn new(key: TokenKey) -> Self {
        Self { key, sessions: Mutex::default() }
    }

    /// Opens a session for a connection; answers its token.
    pub fn open(&self, node: &str, gateway: &Arc<Gateway>, connection: Connection) -> String {
        let session = getrandom::u64().unwrap_or_default();
        let (sender, commands) = mpsc::channel(REQUESTS_WAITING_MAX);
        self.sessions.lock().insert(session, Handle(sender));
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let running = AssertUnwindSafe(Poller::new(connection, commands).run(&gateway));
            if running.catch_unwind().await.is_err() {
                count(&gateway.metrics.panics, "longpoll");
            }
            gateway.long_polls.sessions.lock().remove(&session);
        });
        self.key.sign(&SessionToken { node: node.to_owned(), session })
    }

    /// The session that a token names, if it lives on this node.
    pub fn find(&self, token: &str) -> Option<Handle> {
        let token = self.key.read(token)?;
        self.sessions.lock().get(&token.session).cloned()
    }
}

impl Handle {
    /// Hands over a request's messages; Ok once the session has dealt with them.
    pub async fn post(&self, parcels: Vec<Parcel>) -> Result<(), Gone> {
        let (taken, answer) = oneshot::channel();
        self.0.send(Command::Post { parcels, taken }).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// Waits for frames, at most for the window; an empty batch means that there were none.
    pub async fn poll(&self) -> Result<Batch, Gone> {
        let (answer, batch) = oneshot::channel();
        self.0.send(Command::Poll { answer }).await.map_err(|_| Gone)?;
        batch.await.map_err(|_| Gone)
    }

    /// Tells how a batch's response ended. Never waits: it is called from a destructor.
    pub fn delivered(&self, number: u64, written: bool) {
        let command = if written { Command::Written { number } } else { Command::Lost { number } };
        // A session too busy to hear this keeps the batch unconfirmed until the next poll, which is safe.
        let _ = self.0.try_send(command);
    }
}

/// One session's task.
struct Poller {
    connection: Connection,
    commands: mpsc::Receiver<Command>,
    waiting: Option<oneshot::Sender<Batch>>,
    deadline: Instant,
    /// What went out last and may not have arrived.
    unconfirmed: Option<Batch>,
    /// What goes out next, ahead of the outbox.
    again: VecDeque<String>,
    batches: u64,
}

enum Event {
    Command(Option<Command>),
    Something,
    Deadline,
}

impl Poller {
    fn new(connection: Connection, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            connection,
            commands,
            waiting: None,
            deadline: Instant::now() + ABANDONED,
            unconfirmed: None,
            again: VecDeque::new(),
            batches: 0,
        }
    }

    async fn run(mut self, gateway: &Gateway) {
        let _open = Open::count(&gateway.metrics, TRANSPORT);
        while self.turn().await {}
        if self.connection.outbox().closing().is_some() {
            count(&gateway.metrics.connections_closed, "longpoll");
        }
    }

    /// One event; false when the session has ended.
    async fn turn(&mut self) -> bool {
        let deadline = self.deadline;
        let (connection, commands) = (&mut self.connection, &mut self.commands);
        let nobody_waits = self.waiting.is_none();
        let event = tokio::select! {
            command = commands.recv() => Event::Command(command),
            () = poll_fn(|context| poll_connection(connection, nobody_waits, context)) => Event::Something,
            () = tokio::time::sleep_until(deadline) => Event::Deadline,
        };
        match event {
            Event::Command(None) => return false,
            Event::Command(Some(command)) => {
                if !self.obey(command) {
                    return false;
                }
            }
            Event::Something => {
                for signal in self.connection.outbox().take_signals() {
                    self.connection.obey(signal);
                }
            }
            Event::Deadline if self.waiting.is_none() => return false,
            Event::Deadline => self.answer(Vec::new()),
        }
        self.flush();
        self.connection.outbox().closing().is_none()
    }

    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Post { parcels, taken } => {
                for parcel in parcels {
                    let received = match parcel {
                        Parcel::Text(text) => self.connection.receive_text(&text),
                        Parcel::Binary(bytes) => self.connection.receive_binary(&bytes),
                        Parcel::Excess(text) => {
                            self.connection.refuse_text(&text, EXCESS_REASON);
                            Ok(())
                        }
                        Parcel::Malformed => return false,
                    };
                    if received.is_err() {
                        return false;
                    }
                }
                let _ = taken.send(());
            }
            Command::Poll { answer } => {
                self.connection.heard();
                // A second poll takes over from one whose client has given up. A client asks again only after it has
                // read its last answer, and the word of that came first: what is unconfirmed now did not arrive.
                self.answer(Vec::new());
                self.send_again();
                self.waiting = Some(answer);
                self.deadline = Instant::now() + WINDOW;
            }
            Command::Written { number } => {
                self.unconfirmed.take_if(|batch| batch.number == number);
            }
            Command::Lost { number } => {
                if self.unconfirmed.as_ref().is_some_and(|batch| batch.number == number) {
                    self.send_again();
                }
            }
        }
        true
    }

    /// Gives a waiting poll everything there is.
    fn flush(&mut self) {
        if self.waiting.is_none() {
            return;
        }
        let mut messages: Vec<String> = self.again.drain(..).collect();
        messages.extend(std::iter::from_fn(|| self.connection.outbox().pop()).map(|frame| frame.as_text().to_owned()));
        if !messages.is_empty() {
            self.answer(messages);
        }
    }

    fn answer(&mut self, messages: Vec<String>) {
        let Some(waiting) = self.waiting.take() else { return };
        self.batches += 1;
        let batch = Batch { number: self.batches, messages };
        if !batch.messages.is_empty() {
            self.unconfirmed = Some(Batch { number: batch.number, messages: batch.messages.clone() });
        }
        self.deadline = Instant::now() + ABANDONED;
        if waiting.send(batch).is_err() {
            // The client has given up this poll: its frames wait for the next.
            self.send_again();
        }
    }

    /// What did not arrive goes first with the next poll.
    fn send_again(&mut self) {
        let lost = self.unconfirmed.take().into_iter().flat_map(|batch| batch.messages);
        self.again = lost.chain(self.again.drain(..)).collect();
    }
}

/// Ready when the connection has something to do or, for a waiting poll, to say.
fn poll_connection(connection: &mut Connection, nobody_waits: bool, context: &mut Context<'_>) -> Poll<()> {
    connection.outbox().register(context);
    if connection.poll_running(context) {
        return Poll::Ready(());
    }
    connection.outbox().poll_ready(context, nobody_waits)
}

/// The lines of a request's body, in order, the excess last.
pub fn parcels(body: LongpollBody<'_>) -> Vec<Parcel> {
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
