//! One long-poll session's task: it owns what the session carries, and the session's numbers.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{ABANDONED, Ended, Parcel, PollRequest, Polled, delivery::Delivery};

/// What a session carries: a client's connection.
pub trait Carried: Send + 'static {
    /// Takes one line of a request; an error ends the session.
    fn take(&mut self, parcel: Parcel) -> Result<(), Ended>;
    /// The client was heard, be it only with a poll.
    fn heard(&self);
    /// The next message for the client.
    fn pop(&mut self) -> Option<String>;
    /// Ready when there is work to do or, unless messages are to stay where they are, something to pop.
    fn poll_ready(&mut self, leave_messages: bool, context: &mut Context<'_>) -> Poll<()>;
    /// Does what there is to do.
    fn work(&mut self);
    /// The session is over.
    fn is_closing(&self) -> bool;
}

pub(super) enum Command {
    Post { number: Option<u64>, parcels: Vec<Parcel>, taken: oneshot::Sender<()> },
    HasTaken { number: u64, answer: oneshot::Sender<bool> },
    Poll { request: PollRequest, answer: oneshot::Sender<Polled> },
    Received { upto: u64 },
}

pub(super) struct Poller<C> {
    carried: C,
    commands: mpsc::Receiver<Command>,
    delivery: Delivery,
    waiting: Option<Waiting>,
    deadline: Instant,
}

struct Waiting {
    poll: u64,
    answer: oneshot::Sender<Polled>,
}

enum Event {
    Command(Option<Command>),
    Something,
    Deadline,
}

impl<C: Carried> Poller<C> {
    pub fn new(carried: C, commands: mpsc::Receiver<Command>) -> Self {
        Self { carried, commands, delivery: Delivery::default(), waiting: None, deadline: Instant::now() + ABANDONED }
    }

    /// Runs until the session ends; true when it was the server that closed it.
    pub async fn run(mut self) -> bool {
        while self.turn().await {}
        self.carried.is_closing()
    }

    /// One event; false when the session has ended.
    async fn turn(&mut self) -> bool {
        let deadline = self.deadline;
        let (carried, commands) = (&mut self.carried, &mut self.commands);
        let nobody_waits = self.waiting.is_none();
        let event = tokio::select! {
            command = commands.recv() => Event::Command(command),
            () = poll_fn(|context| carried.poll_ready(nobody_waits, context)) => Event::Something,
            () = tokio::time::sleep_until(deadline) => Event::Deadline,
        };
        match event {
            Event::Command(None) => return false,
            Event::Command(Some(command)) => {
                if self.obey(command).is_err() {
                    return false;
                }
            }
            Event::Something => self.carried.work(),
            Event::Deadline if self.waiting.is_none() => return false,
            Event::Deadline => self.answer(Polled::Nothing),
        }
        self.flush();
        !self.carried.is_closing()
    }

    fn obey(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Post { number, parcels, taken } => {
                if number.is_none_or(|number| self.delivery.take_post(number)) {
                    parcels.into_iter().try_for_each(|parcel| self.carried.take(parcel))?;
                }
                let _ = taken.send(());
            }
            Command::HasTaken { number, answer } => {
                let _ = answer.send(self.delivery.has_taken(number));
            }
            Command::Poll { request, answer } => self.begin_poll(request, answer),
            Command::Received { upto } => self.delivery.confirm(upto),
        }
        Ok(())
    }

    fn begin_poll(&mut self, request: PollRequest, answer: oneshot::Sender<Polled>) {
        self.carried.heard();
        let PollRequest { poll, is_first, received, window } = request;
        if !self.delivery.admit_poll(poll, is_first, received) {
            let _ = answer.send(Polled::Superseded);
            return;
        }
        let is_same = self.waiting.as_ref().is_some_and(|waiting| waiting.poll == poll);
        self.answer(if is_same { Polled::Nothing } else { Polled::Superseded });
        self.waiting = Some(Waiting { poll, answer });
        self.deadline = Instant::now() + window;
    }

    /// Gives a waiting poll what there is.
    fn flush(&mut self) {
        if self.waiting.is_some()
            && let Some(batch) = self.delivery.batch(|| self.carried.pop())
        {
            self.answer(Polled::Batch(batch));
        }
    }

    fn answer(&mut self, polled: Polled) {
        let Some(waiting) = self.waiting.take() else { return };
        self.deadline = Instant::now() + ABANDONED;
        // A client that has given this poll up gets the messages with its next.
        let _ = waiting.answer.send(polled);
    }
}
