//! What a client is answered: at once, later, or once something is recorded.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{ChannelFailed, Connection, Outcome};
use crate::{
    channels::Answer,
    gateway::{
        frame::Frame,
        session::{Instance, Refusal},
    },
    participation::Receipt,
    protocol::{Inbound, Ref, Status, encode_error_reply, encode_reply, topic::REALTIME},
    telemetry::count,
};

/// An answer, and the push that it is of.
pub(super) struct Beside {
    topic: String,
    instance: Instance,
    reference: Option<Ref>,
    answer: Answer,
}

/// A limit of the tenant that a message does not keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitHit {
    TooMany,
    TooLarge,
}

impl LimitHit {
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooMany => "Too many messages per second",
            Self::TooLarge => "payload_too_large",
        }
    }

    /// In the words of the topic's family of clients.
    pub fn answer(self, topic: &str) -> Answer {
        match self {
            Self::TooLarge if is_realtime(topic) => Answer::too_large(),
            _ => Answer::error(self.reason()),
        }
    }
}

/// A topic of Supabase's family of clients.
pub(super) fn is_realtime(topic: &str) -> bool {
    topic.starts_with(REALTIME)
}

/// The reason of a refusal, in the words of the topic's family of clients.
pub(super) fn words(topic: &str, refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TooManyChannels if is_realtime(topic) => "ChannelRateLimitReached: Too many channels",
        _ => refusal.reason(),
    }
}

impl Connection {
    pub(super) fn answer(
        &mut self,
        topic: &str,
        instance: Instance,
        join_ref: Option<&Ref>,
        reference: Option<&Ref>,
        answer: Result<Answer, ChannelFailed>,
    ) {
        match answer {
            Ok(Answer::Reply { status, response }) => {
                // A push without a ref awaits no answer, as in Phoenix.
                if reference.is_some() {
                    self.send(encode_reply(self.vsn, join_ref, reference, topic, status, &response));
                }
            }
            Ok(Answer::Nothing) => {}
            Ok(Answer::Crash) => self.crash(topic, instance),
            Err(ChannelFailed) => {
                count(&self.gateway.metrics.panics, "channel");
                self.crash(topic, instance);
            }
        }
    }

    pub(super) fn error_reply(&self, join_ref: Option<&Ref>, reference: Option<&Ref>, topic: &str, reason: &str) {
        self.send(encode_error_reply(self.vsn, join_ref, reference, topic, reason));
    }

    /// Its channel goes on while the answer is awaited.
    pub(super) fn answer_later(
        &mut self,
        inbound: &Inbound<'_>,
        instance: Instance,
        future: BoxFuture<'static, Answer>,
    ) {
        let (topic, reference) = (inbound.topic.to_string(), inbound.reference.clone());
        self.running.push(Box::pin(async move {
            Outcome::Beside(Beside { topic, instance, reference, answer: future.await })
        }));
    }

    /// The reply of a channel that has gone on meanwhile; none if it has ended, or nobody awaits one.
    pub(super) fn answer_late(&self, Beside { topic, instance, reference, answer }: &Beside) {
        let Some(channel) = self.session.channel(topic).filter(|channel| channel.instance == *instance) else { return };
        if let (Answer::Reply { status, response }, Some(_)) = (answer, reference) {
            self.send(encode_reply(self.vsn, channel.join_ref, reference.as_ref(), topic, *status, response));
        }
    }

    /// Says ok once it is recorded what was asked for, from wherever that becomes known: this socket's loop sleeps on.
    /// Clients know by its refs what an ok belongs to, should the channel have ended meanwhile.
    pub(super) fn answer_once_recorded(&self, inbound: &Inbound<'_>, receipt: Receipt) {
        let (Some(channel), Some(_)) = (self.session.channel(&inbound.topic), &inbound.reference) else { return };
        let reference = inbound.reference.as_ref();
        let reply = encode_reply(self.vsn, channel.join_ref, reference, &inbound.topic, Status::Ok, "{}");
        let (frame, outbox, gateway) = (Frame::text(&reply), self.outbox.clone(), Arc::clone(&self.gateway));
        receipt.then(move || gateway.hub.push_unhurried(&outbox, frame));
    }
}
