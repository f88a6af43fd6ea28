//! The connection as a long-poll session carries it.

use std::task::{Context, Poll};

use super::Connection;
use crate::{
    gateway::longpoll::{Carried, Ended, Parcel},
    protocol::longpoll_body::EXCESS_REASON,
};

impl Carried for Connection {
    fn take(&mut self, parcel: Parcel) -> Result<(), Ended> {
        let received = match parcel {
            Parcel::Text(text) => self.receive_text(&text),
            Parcel::Binary(bytes) => self.receive_binary(&bytes),
            Parcel::Excess(text) => {
                self.refuse_text(&text, EXCESS_REASON);
                Ok(())
            }
            Parcel::Malformed => return Err(Ended),
        };
        received.map_err(|_| Ended)
    }

    fn heard(&self) {
        Connection::heard(self);
    }

    fn pop(&mut self) -> Option<String> {
        loop {
            let frame = self.outbox.pop()?;
            // Octets cannot be carried: phoenix.js reads nothing but JSON from a poll.
            if !frame.as_text().is_empty() {
                return Some(frame.as_text().to_owned());
            }
        }
    }

    fn poll_ready(&mut self, leave_messages: bool, context: &mut Context<'_>) -> Poll<()> {
        self.outbox.register(context);
        if self.poll_running(context) {
            return Poll::Ready(());
        }
        self.outbox.poll_ready(context, leave_messages)
    }

    fn work(&mut self) {
        for signal in self.outbox.take_signals() {
            self.obey(signal);
        }
    }

    fn is_closing(&self) -> bool {
        self.outbox.closing().is_some()
    }
}
