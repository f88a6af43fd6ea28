//! The token of a live socket: renewed by the client, warned of, and ended when it is over.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{Connection, Outcome};
use crate::{
    auth::{Claims, verify},
    channels::Peer,
    gateway::{
        Gateway,
        expiry::{Expiry, Standing},
        session::{Channel, Instance, Refusal, Removed},
    },
    protocol::{Inbound, InboundPayload, Ref, Status, encode_error, encode_push, encode_reply},
};

pub(super) const TOKEN_OVER: &str = "the token has expired: send a fresh one as access_token";

/// The claims of a token in a payload's `access_token`, proven for the socket's own tenant and person.
pub(super) async fn fresh_claims(gateway: &Gateway, peer: &Peer, payload: &str) -> Result<Option<Claims>, String> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(payload) else {
        return Ok(None);
    };
    let token = match fields.get("access_token") {
        None | Some(serde_json::Value::Null) => return Ok(None),
        Some(serde_json::Value::String(token)) => token,
        Some(_) => return Err("access_token must be a string".to_owned()),
    };
    let verified = verify(token, &peer.tenant, gateway.clock.now_s()).await;
    let claims = verified.map_err(|error| format!("{}: {error}", error.code()))?;
    if claims.sub != peer.claims.sub {
        return Err("the token's `sub` claim must be the one that this socket came with".to_owned());
    }
    Ok(Some(claims))
}

fn warning(seconds: i64) -> String {
    format!("token expires in {seconds} seconds")
}

impl Connection {
    /// `access_token {access_token}`: another token for this socket. It is heard on an errored topic too.
    pub(super) fn renew_token(&mut self, inbound: &Inbound<'_>) {
        let (join_ref, reference) = (inbound.join_ref.clone(), inbound.reference.clone());
        let topic = inbound.topic.to_string();
        let InboundPayload::Json(payload) = inbound.payload else { return };
        let allowed = match self.check_limits(inbound) {
            Ok(()) if self.is_renewing => Err(Refusal::QueueFull.reason()),
            checked => checked,
        };
        if let Err(reason) = allowed {
            return self.error_reply(join_ref.as_ref(), reference.as_ref(), &topic, reason);
        }
        self.is_renewing = true;
        let payload = payload.get().to_owned();
        let (gateway, peer) = (self.gateway.clone(), self.peer.clone());
        let mut renewing: BoxFuture<'static, Outcome> = Box::pin(async move {
            let fresh = fresh_claims(&gateway, &peer, &payload).await;
            let result = fresh.and_then(|claims| claims.ok_or_else(|| "access_token must be a token".to_owned()));
            Outcome::Token { topic, join_ref, reference, result }
        });
        // With a shared secret there is nothing to wait for: whatever follows meets the new token.
        match (&mut renewing).now_or_never() {
            Some(outcome) => self.finish(outcome),
            None => self.running.push(renewing),
        }
    }

    pub(super) fn finish_token(
        &mut self,
        topic: &str,
        join_ref: Option<&Ref>,
        reference: Option<&Ref>,
        result: Result<Claims, String>,
    ) {
        self.is_renewing = false;
        match result {
            Ok(claims) => {
                self.follow(claims);
                if reference.is_some() {
                    self.send(encode_reply(self.vsn, join_ref, reference, topic, Status::Ok, "{}"));
                }
            }
            Err(reason) => self.error_reply(join_ref, reference, topic, &reason),
        }
    }

    pub(super) fn follow(&mut self, claims: Claims) {
        self.expiry = Expiry::new(claims.exp_s);
        self.outbox.check_at_s(self.expiry.check_at_s());
        for (_, channel) in &mut self.channels {
            channel.follow(&claims);
            if let Some(audience) = self.gateway.hub.audience(channel.room().key()) {
                audience.set_teacher(channel.connection(), channel.is_teacher());
            }
        }
        self.peer.claims = Arc::new(claims);
    }

    /// Who joins when the warning has gone out already gets one too.
    pub(super) fn warn_newcomer(&mut self, topic: &str) {
        match self.expiry.standing(self.gateway.clock.now_s()) {
            Standing::EndsIn { seconds } if self.expiry.has_warned() => {
                let channel = self.session.channel(topic);
                channel.iter().for_each(|channel| self.send_system(channel, "ok", &warning(seconds)));
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
            self.error_all_channels();
        } else {
            self.outbox.check_at_s(self.expiry.check_at_s());
        }
    }

    fn send_system_to_all(&self, status: &str, message: &str) {
        for channel in self.session.channels().filter(|channel| channel.joined) {
            self.send_system(&channel, status, message);
        }
    }

    /// All four fields, always.
    fn send_system(&self, channel: &Channel<'_>, status: &str, message: &str) {
        let payload = json!({ "extension": "system", "status": status, "message": message, "channel": channel.topic });
        self.send(encode_push(self.vsn, channel.join_ref, channel.topic, "system", &payload.to_string()));
    }

    /// A passing cause: the clients join again, with a fresh token.
    fn error_all_channels(&mut self) {
        let joined: Vec<(String, Instance)> = self
            .session
            .channels()
            .filter(|channel| channel.joined)
            .map(|channel| (channel.topic.to_owned(), channel.instance))
            .collect();
        for (topic, instance) in joined {
            self.drop_channel(instance);
            self.ending.retain(|(ending, _)| *ending != instance);
            if let Some(Removed::Joined { join_ref }) = self.session.remove(&topic, instance) {
                self.send(encode_error(self.vsn, join_ref.as_ref(), &topic, "token_expired"));
            }
        }
    }
}
