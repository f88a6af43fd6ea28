//! One client, whatever carries its frames: the session decides, the channels act, the outbox answers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::json;

use super::{
    Gateway,
    expiry::{Expiry, Standing},
    hub::Subscriber,
    limits::{Rate, UserPlace},
    outbox::{Frame, Outbox, Signal},
    registry::Registration,
    session::{Instance, JoinEnd, Refusal, Removed, Session, Step},
};
use crate::{
    auth::{Claims, verify},
    channels::{self, Answer, Handled, JoinRefused, JoinRequest, MusicRoom, Peer, Push},
    protocol::{
        CloseCode, Inbound, InboundPayload, Malformed, Ref, Status, Vsn, decode_binary, decode_text, encode_close,
        encode_error, encode_error_reply, encode_heartbeat_reply, encode_push, encode_reply, event,
    },
    telemetry::count,
};

/// Unknown codes that a socket may try in a minute before its joins are refused.
const GUESSES_PER_MINUTE: u32 = 10;
const MINUTE_US: i64 = 60_000_000;
const SECOND_US: i64 = 1_000_000;

/// What took time and has ended.
enum Outcome {
    Joined {
        topic: String,
        instance: Instance,
        result: Result<(MusicRoom, Option<Claims>), JoinFailed>,
    },
    Handled {
        topic: String,
        instance: Instance,
        reference: Option<Ref>,
        answer: Result<Answer, ChannelFailed>,
    },
    Token {
        topic: String,
        join_ref: Option<Ref>,
        reference: Option<Ref>,
        result: Result<Claims, String>,
    },
}

/// Something panicked; it is caught here and costs its channel, nothing else.
struct ChannelFailed;

enum JoinFailed {
    Refused(JoinRefused),
    BadToken(String),
    Crashed,
}

/// One client's side of the gateway.
pub struct Connection {
    gateway: Arc<Gateway>,
    peer: Peer,
    vsn: Vsn,
    session: Session,
    outbox: Arc<Outbox>,
    channels: Vec<(Instance, MusicRoom)>,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    guesses: Rate,
    expiry: Expiry,
    place: UserPlace,
    _registration: Registration,
}

impl Connection {
    pub fn new(gateway: Arc<Gateway>, peer: Peer, vsn: Vsn, place: UserPlace) -> Self {
        let outbox = Arc::new(Outbox::new(gateway.settings.queue_bytes_max, gateway.clock.boot_us()));
        let channels_max = peer.tenant.limits.max_channels_per_client as usize;
        let expiry = Expiry::new(peer.claims.exp_s);
        outbox.check_at(expiry.check_at_s().saturating_mul(SECOND_US));
        Self {
            vsn,
            session: Session::new(channels_max, channels::is_immediate),
            _registration: gateway.registry.register(outbox.clone()),
            outbox,
            channels: Vec::new(),
            running: FuturesUnordered::new(),
            guesses: Rate::default(),
            expiry,
            place,
            peer,
            gateway,
        }
    }

    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Something was heard from the client, be it only a ping.
    pub fn heard(&self) {
        self.outbox.heard(self.gateway.clock.boot_us());
    }

    pub fn receive_text(&mut self, text: &str) -> Result<(), CloseCode> {
        let inbound = decode_text(self.vsn, text);
        self.receive(inbound)
    }

    pub fn receive_binary(&mut self, bytes: &[u8]) -> Result<(), CloseCode> {
        let inbound = decode_binary(self.vsn, bytes);
        self.receive(inbound)
    }

    /// Answers a message that is one too many for its request.
    pub fn refuse_text(&mut self, text: &str, reason: &str) {
        if let Ok(inbound) = decode_text(self.vsn, text) {
            self.error_reply(
                inbound.join_ref.as_ref(),
                inbound.reference.as_ref(),
                &inbound.topic,
                reason,
            );
        }
    }

    fn receive(&mut self, inbound: Result<Inbound<'_>, Malformed>) -> Result<(), CloseCode> {
        self.heard();
        let inbound = inbound.map_err(|malformed| {
            tracing::debug!(%malformed, "a socket sent a malformed frame");
            CloseCode::Malformed
        })?;
        let received_us = self.gateway.clock.now_us();
        if &*inbound.event == "access_token" {
            self.renew_token(&inbound);
        } else {
            let step = self.session.receive(&inbound);
            self.act(step, &inbound, received_us);
        }
        Ok(())
    }

    fn act(&mut self, step: Step, inbound: &Inbound<'_>, received_us: i64) {
        let topic = &*inbound.topic;
        let reference = inbound.reference.as_ref();
        match step {
            Step::Heartbeat => self.send(encode_heartbeat_reply(self.vsn, reference)),
            Step::Join { instance, replaced } => {
                replaced.into_iter().for_each(|replaced| self.drop_channel(replaced));
                self.begin_join(instance, inbound);
            }
            Step::Leave { instance, join_ref } => {
                self.drop_channel(instance);
                self.send(encode_reply(
                    self.vsn,
                    join_ref.as_ref(),
                    reference,
                    topic,
                    Status::Ok,
                    "{}",
                ));
                self.send(encode_close(self.vsn, join_ref.as_ref(), topic));
            }
            Step::LeaveUnjoined => {
                let join_ref = inbound.join_ref.as_ref();
                self.send(encode_reply(self.vsn, join_ref, reference, topic, Status::Ok, "{}"));
            }
            Step::Push { instance, join_ref } => {
                if let Err(answer) = self.push(instance, inbound, received_us) {
                    self.answer(topic, instance, join_ref.as_ref(), reference, Ok(answer));
                }
            }
            Step::Refuse(refusal) => {
                let join_ref = refusal.reply_join_ref(inbound.join_ref.as_ref());
                self.error_reply(join_ref, reference, topic, refusal.reason());
                if refusal == Refusal::TooManyChannels {
                    count(&self.gateway.metrics.joins, "too_many_channels");
                }
            }
            Step::Stale | Step::Queued => {}
        }
    }

    /// Hands a push to its channel. `Err` is the answer when there is one at once.
    fn push(&mut self, instance: Instance, inbound: &Inbound<'_>, received_us: i64) -> Result<(), Answer> {
        let event_name = channels::known_event(&inbound.event);
        count(&self.gateway.metrics.events, event_name);
        let limits = &self.peer.tenant.limits;
        let boot_us = self.gateway.clock.boot_us();
        if !self
            .place
            .tenant_use()
            .events
            .admits(limits.max_events_per_second, SECOND_US, boot_us)
        {
            return Err(Answer::error("Too many messages per second"));
        }
        if inbound.payload.len_bytes() > limits.max_payload_bytes as usize {
            return Err(Answer::error("payload_too_large"));
        }
        let InboundPayload::Json(payload) = inbound.payload else {
            return Err(Answer::error("binary not supported here"));
        };
        let Some((_, channel)) = self.channels.iter().find(|(known, _)| *known == instance) else {
            return Err(Answer::Crash);
        };
        let reference = inbound.reference.as_ref();
        let push = Push {
            event: &inbound.event,
            payload: payload.get(),
            reference,
            received_us,
        };
        let handled = catch_unwind(AssertUnwindSafe(|| channel.handle(push)));
        match handled {
            Ok(Handled::Now(answer)) => Err(answer),
            Ok(Handled::Later(future)) => {
                self.session.hold(&inbound.topic, instance);
                let topic = inbound.topic.to_string();
                let reference = inbound.reference.clone();
                self.running.push(Box::pin(async move {
                    let answer = AssertUnwindSafe(future).catch_unwind().await.map_err(|_| ChannelFailed);
                    Outcome::Handled {
                        topic,
                        instance,
                        reference,
                        answer,
                    }
                }));
                Ok(())
            }
            Err(_) => {
                count(&self.gateway.metrics.panics, "channel");
                Err(Answer::Crash)
            }
        }
    }

    fn answer(
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
            Ok(Answer::Crash) => self.crash(topic, instance),
            Err(ChannelFailed) => {
                count(&self.gateway.metrics.panics, "channel");
                self.crash(topic, instance);
            }
        }
    }

    /// This channel alone ends; its siblings live.
    fn crash(&mut self, topic: &str, instance: Instance) {
        self.drop_channel(instance);
        if let Some(Removed::Joined { join_ref }) = self.session.remove(topic, instance) {
            self.send(encode_error(
                self.vsn,
                join_ref.as_ref(),
                topic,
                event::REASON_CHANNEL_CRASH,
            ));
        }
    }

    fn begin_join(&mut self, instance: Instance, inbound: &Inbound<'_>) {
        let topic = inbound.topic.to_string();
        let refused = |refused| Err(JoinFailed::Refused(JoinRefused::BadParams(refused)));
        let boot_us = self.gateway.clock.boot_us();
        let limits = &self.peer.tenant.limits;
        let InboundPayload::Json(payload) = inbound.payload else {
            return self.finish_join(&topic, instance, refused("binary not supported here".to_owned()));
        };
        if payload.get().len() > limits.max_payload_bytes as usize {
            return self.finish_join(&topic, instance, refused("payload_too_large".to_owned()));
        }
        if !self
            .place
            .tenant_use()
            .joins
            .admits(limits.max_joins_per_second, SECOND_US, boot_us)
        {
            let reason = "ClientJoinRateLimitReached: Too many joins per second";
            return self.finish_join(&topic, instance, refused(reason.to_owned()));
        }
        if self.guesses_exhausted(boot_us) {
            return self.finish_join(&topic, instance, refused("rate_limit_exceeded".to_owned()));
        }
        let gateway = self.gateway.clone();
        let mut peer = self.peer.clone();
        let request = JoinRequest {
            topic: topic.clone(),
            payload: payload.get().to_owned(),
            connection: random_connection(),
        };
        let is_over = self.expiry.standing(self.gateway.clock.now_s()) == Standing::Over;
        self.running.push(Box::pin(async move {
            let joining = async {
                let fresh = fresh_claims(&gateway, &peer, &request.payload)
                    .await
                    .map_err(JoinFailed::BadToken)?;
                match &fresh {
                    Some(claims) => peer.claims = Arc::new(claims.clone()),
                    None if is_over => return Err(JoinFailed::BadToken(TOKEN_OVER.to_owned())),
                    None => {}
                }
                let delay = gateway.guesses.delay(peer.address, gateway.clock.boot_us());
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                let joined = channels::join(&gateway.services, &peer, request).await;
                if let Err(JoinRefused::RoomNotFound) = &joined {
                    gateway.guesses.note_unknown(peer.address, gateway.clock.boot_us());
                }
                joined.map(|channel| (channel, fresh)).map_err(JoinFailed::Refused)
            };
            let result = AssertUnwindSafe(joining)
                .catch_unwind()
                .await
                .unwrap_or(Err(JoinFailed::Crashed));
            Outcome::Joined {
                topic,
                instance,
                result,
            }
        }));
    }

    /// Looks without counting: only unknown codes count.
    fn guesses_exhausted(&self, boot_us: i64) -> bool {
        !self.guesses.would_admit(GUESSES_PER_MINUTE, MINUTE_US, boot_us)
    }

    fn finish_join(
        &mut self,
        topic: &str,
        instance: Instance,
        result: Result<(MusicRoom, Option<Claims>), JoinFailed>,
    ) {
        match result {
            Ok((channel, fresh)) => {
                if let Some(claims) = fresh {
                    self.follow(claims);
                }
                self.attach(topic, instance, channel);
            }
            Err(failed) => {
                let (reason, outcome) = match failed {
                    JoinFailed::Refused(JoinRefused::RoomNotFound) => {
                        let boot_us = self.gateway.clock.boot_us();
                        self.guesses.admits(GUESSES_PER_MINUTE, MINUTE_US, boot_us);
                        ("Room not found".to_owned(), "room_not_found")
                    }
                    JoinFailed::Refused(refused) => (refused.to_string(), "refused"),
                    JoinFailed::BadToken(reason) => (reason, "bad_token"),
                    JoinFailed::Crashed => {
                        count(&self.gateway.metrics.panics, "join");
                        (event::REASON_JOIN_CRASHED.to_owned(), "crashed")
                    }
                };
                count(&self.gateway.metrics.joins, outcome);
                if let Some(end) = self.session.refused(topic, instance) {
                    self.error_reply(end.join_ref.as_ref(), end.reference.as_ref(), topic, &reason);
                    self.close_replaced(topic, &end);
                }
            }
        }
    }

    /// The reply, what follows it, and the place in the audience, under the room's lock: nothing is missed between.
    fn attach(&mut self, topic: &str, instance: Instance, channel: MusicRoom) {
        let room = channel.room().clone();
        let mut state = room.lock();
        if let Some(reason) = channel.ended(&state) {
            drop(state);
            if let Some(end) = self.session.refused(topic, instance) {
                self.error_reply(end.join_ref.as_ref(), end.reference.as_ref(), topic, reason);
                self.close_replaced(topic, &end);
            }
            return;
        }
        let Some(end) = self.session.joined(topic, instance) else {
            // Left or joined again meanwhile: dropping the channel is leaving the room.
            return;
        };
        let (vsn, join_ref) = (self.vsn, end.join_ref.as_ref());
        self.send(encode_reply(
            vsn,
            join_ref,
            end.reference.as_ref(),
            topic,
            Status::Ok,
            &channel.join_reply(&state),
        ));
        self.close_replaced(topic, &end);
        for (event_name, payload) in channel.welcome(&mut state) {
            self.send(encode_push(vsn, join_ref, topic, event_name, &payload));
        }
        if let Some(audience) = self.gateway.hub.audience(room.key()) {
            audience.add(Subscriber {
                connection: channel.connection(),
                instance,
                outbox: self.outbox.clone(),
                vsn,
                join_ref: end.join_ref.clone(),
                student_id: channel.student_id().clone(),
                is_teacher: channel.is_teacher(),
            });
        }
        drop(state);
        count(&self.gateway.metrics.joins, "ok");
        self.channels.push((instance, channel));
        self.outbox.check_at(self.expiry.check_at_s().saturating_mul(SECOND_US));
    }

    fn close_replaced(&self, topic: &str, end: &JoinEnd) {
        if let Some(replaced) = &end.replaced {
            self.send(encode_close(self.vsn, replaced.join_ref.as_ref(), topic));
        }
    }

    fn drop_channel(&mut self, instance: Instance) {
        let Some(at) = self.channels.iter().position(|(known, _)| *known == instance) else {
            return;
        };
        let (_, channel) = self.channels.swap_remove(at);
        if let Some(audience) = self.gateway.hub.audience(channel.room().key()) {
            audience.remove(channel.connection());
        }
    }

    /// Takes what has ended; true when something had.
    pub fn poll_running(&mut self, context: &mut Context<'_>) -> bool {
        if self.running.is_empty() {
            return false;
        }
        let Poll::Ready(Some(outcome)) = self.running.poll_next_unpin(context) else {
            return false;
        };
        self.finish(outcome);
        true
    }

    fn finish(&mut self, outcome: Outcome) {
        let topic = match outcome {
            Outcome::Joined {
                topic,
                instance,
                result,
            } => {
                self.finish_join(&topic, instance, result);
                topic
            }
            Outcome::Handled {
                topic,
                instance,
                reference,
                answer,
            } => {
                if self.session.handled(&topic, instance) {
                    let join_ref = self
                        .session
                        .channel(&topic)
                        .and_then(|channel| channel.join_ref.cloned());
                    self.answer(&topic, instance, join_ref.as_ref(), reference.as_ref(), answer);
                }
                topic
            }
            Outcome::Token {
                topic,
                join_ref,
                reference,
                result,
            } => {
                self.finish_token(&topic, join_ref.as_ref(), reference.as_ref(), result);
                topic
            }
        };
        let received_us = self.gateway.clock.now_us();
        while let Some((frame, step)) = self.session.next_queued(&topic) {
            self.act(step, &frame.as_inbound(), received_us);
        }
    }

    /// `access_token {access_token}`: another token for this socket. It is heard on an errored topic too.
    fn renew_token(&mut self, inbound: &Inbound<'_>) {
        let (join_ref, reference) = (inbound.join_ref.clone(), inbound.reference.clone());
        let topic = inbound.topic.to_string();
        let InboundPayload::Json(payload) = inbound.payload else {
            return;
        };
        let payload = payload.get().to_owned();
        let (gateway, peer) = (self.gateway.clone(), self.peer.clone());
        let mut renewing: BoxFuture<'static, Outcome> = Box::pin(async move {
            let fresh = fresh_claims(&gateway, &peer, &payload).await;
            let result = fresh.and_then(|claims| claims.ok_or_else(|| "access_token must be a token".to_owned()));
            Outcome::Token {
                topic,
                join_ref,
                reference,
                result,
            }
        });
        // With a shared secret there is nothing to wait for: whatever follows meets the new token.
        match (&mut renewing).now_or_never() {
            Some(outcome) => self.finish(outcome),
            None => self.running.push(renewing),
        }
    }

    fn finish_token(
        &mut self,
        topic: &str,
        join_ref: Option<&Ref>,
        reference: Option<&Ref>,
        result: Result<Claims, String>,
    ) {
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

    fn follow(&mut self, claims: Claims) {
        self.expiry = Expiry::new(claims.exp_s);
        self.outbox.check_at(self.expiry.check_at_s().saturating_mul(SECOND_US));
        self.channels
            .iter_mut()
            .for_each(|(_, channel)| channel.follow(&claims));
        self.peer.claims = Arc::new(claims);
    }

    /// Carries out what the hub or the wheel has asked of this socket.
    pub fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::ChannelEnded { topic, instance } => {
                self.session.remove(&topic, instance);
                self.drop_channel(instance);
            }
            Signal::CheckDeadlines => self.check_token(),
        }
    }

    fn check_token(&mut self) {
        let now_s = self.gateway.clock.now_s();
        if self.expiry.warns(now_s)
            && let Standing::EndsIn { seconds } = self.expiry.standing(now_s)
        {
            self.send_system("ok", &format!("token expires in {seconds} seconds"));
        }
        if self.expiry.standing(now_s) == Standing::Over {
            self.send_system("error", TOKEN_OVER);
            self.error_all_channels();
        } else {
            self.outbox.check_at(self.expiry.check_at_s().saturating_mul(SECOND_US));
        }
    }

    /// Tells every joined channel; all four fields, always.
    fn send_system(&self, status: &str, message: &str) {
        for channel in self.session.channels().filter(|channel| channel.joined) {
            let payload =
                json!({ "extension": "system", "status": status, "message": message, "channel": channel.topic });
            self.send(encode_push(
                self.vsn,
                channel.join_ref,
                channel.topic,
                "system",
                &payload.to_string(),
            ));
        }
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
            if let Some(Removed::Joined { join_ref }) = self.session.remove(&topic, instance) {
                self.send(encode_error(self.vsn, join_ref.as_ref(), &topic, "token_expired"));
            }
        }
    }

    fn error_reply(&self, join_ref: Option<&Ref>, reference: Option<&Ref>, topic: &str, reason: &str) {
        self.send(encode_error_reply(self.vsn, join_ref, reference, topic, reason));
    }

    fn send(&self, frame: String) {
        self.outbox.push(Frame::Text(frame.into()));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        while let Some((instance, _)) = self.channels.last() {
            self.drop_channel(*instance);
        }
    }
}

const TOKEN_OVER: &str = "the token has expired: send a fresh one as access_token";

/// The claims of a token in a payload's `access_token`, proven for the socket's own tenant and person.
async fn fresh_claims(gateway: &Gateway, peer: &Peer, payload: &str) -> Result<Option<Claims>, String> {
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

/// A number that no other join has: 52 random bits, which JSON and Redis carry exactly.
fn random_connection() -> u64 {
    // Where the system gives no randomness, nothing here works: not the tokens either.
    getrandom::u64().unwrap_or_default() >> 12
}
