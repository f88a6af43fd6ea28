//! What a client is answered: at once, later, or once something is recorded.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{ChannelFailed, Connection, Outcome, asked::Asked};
use crate::{
    channels::Answer,
    gateway::{frame::Frame, session::Instance},
    participation::Receipt,
    protocol::{Inbound, Ref, Status, encode_error_reply, encode_reply},
    telemetry::count,
};

/// An answer, and the push that it is of.
pub(super) struct Beside {
    pub asked: Asked,
    topic: String,
    instance: Instance,
    reference: Option<Ref>,
    pub answer: Answer,
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
        asked: Asked,
        inbound: &Inbound<'_>,
        instance: Instance,
        future: BoxFuture<'static, Answer>,
    ) {
        let (topic, reference) = (inbound.topic.to_string(), inbound.reference.clone());
        self.running.push(Box::pin(async move {
            Outcome::Beside(Beside { asked, topic, instance, reference, answer: future.await })
        }));
    }

    /// The reply of a channel that has gone on meanwhile; none if it has ended, or nobody awaits one.
    pub(super) fn answer_late(&self, Beside { topic, instance, reference, answer, .. }: &Beside) {
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
