//! The token of a live socket: renewed by the client, warned of, and ended when it is over.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    Connection, Outcome,
    refusing::{LimitHit, is_realtime},
};
use crate::{
    auth::{Claims, is_opaque_key, verify},
    channels::{Channel as Joined, Followed, OTHER_SUB, Peer},
    gateway::{
        Gateway,
        expiry::{Expiry, Standing},
        session::{Channel, Instance, Refusal, Removed},
    },
    protocol::{
        Inbound, InboundPayload, Ref, Status, encode_close, encode_error, encode_push, encode_reply, topic::REALTIME,
    },
};

pub(super) const TOKEN_OVER: &str = "the token has expired: send a fresh one as access_token";

/// A payload that shows a token, and little else.
const RENEWAL_BYTES_MAX: usize = 16 * 1024;
const SECOND_US: i64 = 1_000_000;

/// A token that a client has shown, and what to answer.
pub(super) struct Renewal {
    topic: String,
    join_ref: Option<Ref>,
    reference: Option<Ref>,
    /// Its place among all that this client has shown.
    number: u64,
    payload: String,
}

/// The claims of a token in a payload's `access_token`, proven for the socket's own tenant.
pub(super) async fn fresh_claims(gateway: &Gateway, peer: &Peer, payload: &str) -> Result<Option<Claims>, String> {
    let fields = match serde_json::from_str(payload) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) => return Ok(None),
        // A token in it would be overlooked, and the former one used in its place.
        Err(error) => return Err(format!("the payload cannot be read: {error}")),
    };
    let token = match fields.get("access_token") {
        None | Some(serde_json::Value::Null) => return Ok(None),
        // A key of Supabase's that proves nobody: whoever came with it has shown a token elsewhere.
        Some(serde_json::Value::String(key)) if is_opaque_key(key) => return Ok(None),
        Some(serde_json::Value::String(token)) => token,
        Some(_) => return Err("access_token must be a string".to_owned()),
    };
    let verified = verify(token, &peer.tenant, gateway.clock.now_s()).await;
    let claims = verified.map_err(|error| format!("{}: {error}", error.code()))?;
    Ok(Some(claims))
}

/// Whether a payload shows what may be a token.
fn shows_token(payload: &str) -> bool {
    let fields: Option<serde_json::Value> = serde_json::from_str(payload).ok();
    let token = fields.as_ref().and_then(|fields| fields.get("access_token")?.as_str());
    token.is_some_and(|token| !is_opaque_key(token))
}

fn warning(seconds: i64) -> String {
    format!("token expires in {seconds} seconds")
}

impl Connection {
    /// `access_token {access_token}`: another token for this socket. It is heard on an errored topic too.
    pub(super) fn renew_token(&mut self, inbound: &Inbound<'_>) {
        let InboundPayload::Json(payload) = inbound.payload else { return };
        let number = self.next_shown();
        let renewal = Renewal {
            topic: inbound.topic.to_string(),
            join_ref: inbound.join_ref.clone(),
            reference: inbound.reference.clone(),
            number,
            payload: payload.get().to_owned(),
        };
        match self.check_limits(inbound) {
            // Supabase's clients show a token on all their channels at once, and must not lose it.
            Err(LimitHit::TooMany) if is_realtime(&inbound.topic) => {
                // Nor are they told: some of them join again at every `system` error.
                if !self.admits_renewal(payload.get()) {
                    return;
                }
            }
            Err(hit) => return self.answer_renewal(&renewal, Err(hit.reason().to_owned())),
            Ok(()) => {}
        }
        if self.is_renewing {
            // What shows no token takes no token's place.
            if !shows_token(&renewal.payload) {
                return self.answer_renewal(&renewal, Ok(()));
            }
            if let Some(overtaken) = self.waiting_token.replace(renewal) {
                self.answer_overtaken(&overtaken);
            }
        } else {
            self.prove(renewal);
        }
    }

    /// Beyond the tenant's limit: once a second as many as there may be channels, and no longer than a token is.
    fn admits_renewal(&self, payload: &str) -> bool {
        let channels_max = self.peer.tenant.limits.max_channels_per_client;
        let boot_us = self.gateway.clock.boot_us();
        payload.len() <= RENEWAL_BYTES_MAX && self.renewals.admits(channels_max, SECOND_US, boot_us)
    }

    /// A number above that of every token that this client has shown before.
    pub(super) fn next_shown(&mut self) -> u64 {
        self.shown += 1;
        self.shown
    }

    fn prove(&mut self, renewal: Renewal) {
        self.is_renewing = true;
        let (gateway, peer) = (self.gateway.clone(), self.peer.clone());
        let mut renewing: BoxFuture<'static, Outcome> = Box::pin(async move {
            let fresh = fresh_claims(&gateway, &peer, &renewal.payload).await;
            // What is no token at all is nothing new on a realtime topic, whose clients send it by habit.
            let result = match fresh {
                Ok(None) if !is_realtime(&renewal.topic) => Err("access_token must be a token".to_owned()),
                fresh => fresh,
            };
            Outcome::Token { renewal, result }
        });
        // With a shared secret there is nothing to wait for: whatever follows meets the new token.
        match (&mut renewing).now_or_never() {
            Some(outcome) => self.finish(outcome),
            None => self.running.push(renewing),
        }
    }

    pub(super) fn finish_token(&mut self, renewal: &Renewal, result: Result<Option<Claims>, String>) {
        self.is_renewing = false;
        let renewed = result.and_then(|claims| claims.map_or(Ok(()), |claims| self.renew(claims, renewal.number)));
        self.answer_renewal(renewal, renewed);
        if let Some(waiting) = self.waiting_token.take() {
            self.prove(waiting);
        }
    }

    /// On a realtime topic nothing is answered, and what is wrong is told as `system`: that is what its clients hear.
    fn answer_renewal(&self, renewal: &Renewal, renewed: Result<(), String>) {
        let Renewal { topic, join_ref, reference, .. } = renewal;
        let (join_ref, reference) = (join_ref.as_ref(), reference.as_ref());
        match renewed {
            Err(reason) if is_realtime(topic) => self.tell_system(topic, "error", &reason),
            Err(reason) => self.error_reply(join_ref, reference, topic, &reason),
            Ok(()) if reference.is_some() && !is_realtime(topic) => {
                self.send(encode_reply(self.vsn, join_ref, reference, topic, Status::Ok, "{}"));
            }
            Ok(()) => {}
        }
    }

    /// A later token came before this one could be proven.
    fn answer_overtaken(&self, Renewal { topic, join_ref, reference, .. }: &Renewal) {
        if !is_realtime(topic) {
            self.error_reply(join_ref.as_ref(), reference.as_ref(), topic, Refusal::QueueFull.reason());
        }
    }

    /// Whether these claims may be the socket's from now on: in a room everybody stays who he is.
    fn may_follow(&self, claims: &Claims) -> Result<(), String> {
        if self.is_in_room() && claims.sub != self.peer.claims.sub { Err(OTHER_SUB.to_owned()) } else { Ok(()) }
    }

    pub(super) fn is_in_room(&self) -> bool {
        self.channels.iter().any(|(_, channel)| matches!(channel, Joined::Room(_)))
    }

    /// The token shown as this `number` counts from now on, unless a later one counts already.
    pub(super) fn renew(&mut self, claims: Claims, number: u64) -> Result<(), String> {
        if number < self.counts {
            return Ok(());
        }
        self.may_follow(&claims)?;
        self.counts = number;
        self.follow(claims);
        Ok(())
    }

    fn follow(&mut self, claims: Claims) {
        self.expiry = Expiry::new(claims.exp_s);
        self.outbox.check_at_s(self.expiry.check_at_s());
        let mut ending = Vec::new();
        for (instance, channel) in &mut self.channels {
            if let Followed::Ends(reason) = channel.follow(&claims) {
                ending.push((*instance, reason));
            }
            if let Joined::Room(room) = channel
                && let Some(audience) = self.gateway.hub.audience(room.room().key())
            {
                audience.set_teacher(room.connection(), room.is_teacher());
            }
        }
        self.peer.claims = Arc::new(claims);
        for (instance, reason) in ending {
            self.end_revoked(instance, &reason);
        }
    }

    /// The fresh token does not open this channel any more.
    fn end_revoked(&mut self, instance: Instance, reason: &str) {
        let found = self.session.channels().find(|channel| channel.instance == instance);
        let Some(topic) = found.map(|channel| channel.topic.to_owned()) else { return };
        self.tell_system(&topic, "error", reason);
        self.drop_channel(instance);
        self.ending.retain(|(ending, _)| *ending != instance);
        self.end_channel(&topic, instance, true);
    }

    fn tell_system(&self, topic: &str, status: &str, message: &str) {
        if let Some(channel) = self.session.channel(topic) {
            self.send_system(&channel, "system", status, message);
        }
    }

    /// Who joins when the warning has gone out already gets one too.
    pub(super) fn warn_newcomer(&mut self, topic: &str) {
        match self.expiry.standing(self.gateway.clock.now_s()) {
            Standing::EndsIn { seconds } if self.expiry.has_warned() => {
                let channel = self.session.channel(topic);
                channel.iter().for_each(|channel| self.send_system(channel, "system", "ok", &warning(seconds)));
            }
            _ => self.outbox.check_at_s(self.expiry.check_at_s()),
        }
    }

    pub(super) fn check_token(&mut self) {
        let now_s = self.gateway.clock.now_s();
        if self.expiry.warns(now_s)
            && let Standing::EndsIn { seconds } = self.expiry.standing(now_s)
        {
            self.send_system_to_all("ok", &warning(seconds));
        }
        if self.expiry.standing(now_s) == Standing::Over {
            self.send_system_to_all("error", TOKEN_OVER);
            self.error_all_channels("token_expired");
        } else {
            self.outbox.check_at_s(self.expiry.check_at_s());
        }
    }

    pub(super) fn send_system_to_all(&self, status: &str, message: &str) {
        for channel in self.session.channels().filter(|channel| channel.joined) {
            self.send_system(&channel, "system", status, message);
        }
    }

    /// All four fields, always.
    pub(super) fn send_system(&self, channel: &Channel<'_>, extension: &str, status: &str, message: &str) {
        let name = channel.topic.strip_prefix(REALTIME).unwrap_or(channel.topic);
        let payload = json!({ "extension": extension, "status": status, "message": message, "channel": name });
        self.send(encode_push(self.vsn, channel.join_ref, channel.topic, "system", &payload.to_string()));
    }

    /// A passing cause: the clients join again.
    pub(super) fn error_all_channels(&mut self, reason: &str) {
        for (topic, join_ref) in self.drop_all_channels() {
            self.send(encode_error(self.vsn, join_ref.as_ref(), &topic, reason));
        }
    }

    /// For good: the clients do not join again.
    pub(super) fn end_all_channels(&mut self) {
        for (topic, join_ref) in self.drop_all_channels() {
            self.send(encode_close(self.vsn, join_ref.as_ref(), &topic));
        }
    }

    /// Those that were joined, whose clients are to be told.
    fn drop_all_channels(&mut self) -> Vec<(String, Option<Ref>)> {
        let joined: Vec<(String, Instance)> = self
            .session
            .channels()
            .filter(|channel| channel.joined)
            .map(|channel| (channel.topic.to_owned(), channel.instance))
            .collect();
        let mut dropped = Vec::new();
        for (topic, instance) in joined {
            self.drop_channel(instance);
            self.ending.retain(|(ending, _)| *ending != instance);
            if let Some(Removed::Joined { join_ref }) = self.session.remove(&topic, instance) {
                dropped.push((topic, join_ref));
            }
        }
        dropped
    }
}
