//! One client, whatever carries its frames: the session decides, the channels act, the outbox answers.

mod answers;
mod asked;
mod carried;
mod join;
mod refusing;
mod tenant;
mod token;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::net::TcpStream;
use tracing::{Instrument, Span};

use self::{
    answers::Beside,
    asked::Asked,
    join::JoinFailed,
    refusing::{LimitHit, words},
    token::Renewal,
};
use super::{
    Gateway,
    expiry::Expiry,
    frame::Frame,
    handshake::Admitted,
    limits::UserPlace,
    outbox::{Outbox, Signal},
    registry::Registration,
    session::{Instance, Refusal, Removed, Session, Step},
};
use crate::{
    auth::Claims,
    channels::{self, Answer, Channel, Handled, Payload, Peer, Push},
    protocol::{
        CloseCode, Inbound, InboundPayload, Malformed, Ref, Status, Vsn, decode_binary, decode_text, encode_close,
        encode_error, encode_heartbeat_reply, encode_reply, event,
    },
    rate::Rate,
    telemetry::{Held, count},
};

/// What took time and has ended.
enum Outcome {
    /// `number`: its token's place among all that this client has shown.
    Joined {
        topic: String,
        instance: Instance,
        number: u64,
        result: Result<(Channel, Option<Claims>), JoinFailed>,
    },
    Handled {
        asked: Asked,
        trace: Span,
        topic: String,
        instance: Instance,
        reference: Option<Ref>,
        answer: Result<Answer, ChannelFailed>,
    },
    /// An answer that its channel did not wait for.
    Beside(Beside),
    Token {
        renewal: Renewal,
        result: Result<Option<Claims>, String>,
    },
}

/// Something panicked; it is caught here and costs its channel, nothing else.
struct ChannelFailed;

/// One client's side of the gateway.
pub struct Connection {
    gateway: Arc<Gateway>,
    peer: Peer,
    vsn: Vsn,
    session: Session,
    outbox: Arc<Outbox>,
    channels: Vec<(Instance, Channel)>,
    /// Channels that end once their handler has answered; and whether for good.
    ending: Vec<(Instance, bool)>,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    guesses: Arc<Rate>,
    /// Topics on which this client was told that there is no database here.
    told_postgres: Vec<Box<str>>,
    /// A token is being proven; one at a time.
    is_renewing: bool,
    /// The last token that came meanwhile.
    waiting_token: Option<Renewal>,
    /// How many tokens this client has shown, in joins and as `access_token`.
    shown: u64,
    /// The number of the one that counts.
    counts: u64,
    /// Joins that wait for their topic, and the numbers of their tokens.
    queued_joins: Vec<(Box<str>, u64)>,
    /// Tokens on realtime topics beyond the tenant's limit of messages.
    renewals: Rate,
    expiry: Expiry,
    place: UserPlace,
    /// Its place among those of its address.
    _held: super::addresses::Held,
    registration: Arc<Registration>,
    /// Among its tenant's, for whoever watches.
    _counted: Held,
}

impl Connection {
    /// `stream` is the WebSocket's; without one the frames wait for long poll.
    pub fn new(gateway: Arc<Gateway>, admitted: Admitted, stream: Option<Arc<TcpStream>>) -> Self {
        let Admitted { peer, vsn, place, held } = admitted;
        let outbox = Arc::new(Outbox::new(stream, gateway.settings.queue_bytes_max, gateway.clock.boot_us()));
        let channels_max = peer.tenant.limits.max_channels_per_client as usize;
        let expiry = Expiry::new(peer.claims.exp_s);
        outbox.check_at_s(expiry.check_at_s());
        let registration = Arc::new(gateway.registry.register(peer.tenant.id.clone(), outbox.clone()));
        let mut connection = Self {
            vsn,
            session: Session::new(channels_max, channels::is_immediate),
            registration,
            outbox,
            channels: Vec::new(),
            ending: Vec::new(),
            told_postgres: Vec::new(),
            is_renewing: false,
            waiting_token: None,
            shown: 0,
            counts: 0,
            queued_joins: Vec::new(),
            renewals: Rate::default(),
            running: FuturesUnordered::new(),
            guesses: Arc::default(),
            expiry,
            place,
            _counted: gateway.metrics.tenants.connection(&peer.tenant.id),
            _held: held,
            peer,
            gateway,
        };
        connection.catch_up_with_tenant();
        connection
    }

    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// The node's drain waits until every holder of this has let go.
    pub fn registration(&self) -> Arc<Registration> {
        self.registration.clone()
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
            self.error_reply(inbound.join_ref.as_ref(), inbound.reference.as_ref(), &inbound.topic, reason);
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
                let number = self.number_of_join(topic);
                self.begin_join(instance, number, inbound);
            }
            Step::Leave { instance, join_ref } => {
                self.drop_channel(instance);
                self.send(encode_reply(self.vsn, join_ref.as_ref(), reference, topic, Status::Ok, "{}"));
                self.send(encode_close(self.vsn, join_ref.as_ref(), topic));
            }
            Step::LeaveUnjoined => {
                let join_ref = inbound.join_ref.as_ref();
                self.send(encode_reply(self.vsn, join_ref, reference, topic, Status::Ok, "{}"));
            }
            Step::Push { instance, join_ref } => {
                if let Err(answer) = self.push(instance, inbound, received_us) {
                    asked::note_error(&self.gateway.metrics, channels::known_event(&inbound.event), &answer);
                    self.answer(topic, instance, join_ref.as_ref(), reference, Ok(answer));
                }
            }
            Step::Refuse(refusal) => {
                let join_ref = refusal.reply_join_ref(inbound.join_ref.as_ref());
                self.error_reply(join_ref, reference, topic, words(topic, refusal));
                if refusal == Refusal::TooManyChannels {
                    // Its turn came, if it waited, and it is over.
                    self.number_of_join(topic);
                    count(&self.gateway.metrics.joins, "too_many_channels");
                }
            }
            // A token counts from when it was shown, not from when its join's turn comes.
            Step::Queued if *inbound.event == *event::JOIN => {
                let number = self.next_shown();
                self.queued_joins.push((topic.into(), number));
            }
            Step::Stale | Step::Queued => {}
        }
    }

    /// Hands a push to its channel. `Err` is the answer when there is one at once.
    fn push(&mut self, instance: Instance, inbound: &Inbound<'_>, received_us: i64) -> Result<(), Answer> {
        let event_name = channels::known_event(&inbound.event);
        count(&self.gateway.metrics.events, event_name);
        self.check_limits(inbound).map_err(|hit| {
            self.gateway.metrics.tenants.note_refused(&self.peer.tenant.id);
            hit.answer(&inbound.topic)
        })?;
        let payload = match inbound.payload {
            InboundPayload::Json(payload) => Payload::Json(payload.get()),
            InboundPayload::UserBroadcast(user) => Payload::Broadcast(user),
            InboundPayload::Binary(_) => return Err(Answer::no_binary()),
        };
        let Some((_, channel)) = self.channels.iter().find(|(known, _)| *known == instance) else {
            // It has ended, and the frame that says so is on its way.
            return Err(Answer::error(Refusal::Unmatched.reason()));
        };
        let reference = inbound.reference.as_ref();
        let push = Push { event: &inbound.event, payload, reference, received_us };
        let handled = catch_unwind(AssertUnwindSafe(|| channel.handle(push)));
        match handled {
            Ok(Handled::Now(answer)) => Err(answer),
            Ok(Handled::Later(future)) => {
                self.session.hold(&inbound.topic, instance);
                let asked = Asked { event: event_name, since_us: self.gateway.clock.boot_us() };
                let trace = asked::trace_of(event_name, channel);
                let topic = inbound.topic.to_string();
                let reference = inbound.reference.clone();
                self.running.push(Box::pin(async move {
                    let handling = AssertUnwindSafe(future).catch_unwind().instrument(trace.clone());
                    let answer = handling.await.map_err(|_| ChannelFailed);
                    Outcome::Handled { asked, trace, topic, instance, reference, answer }
                }));
                Ok(())
            }
            Ok(Handled::Beside(future)) => {
                let asked = Asked { event: event_name, since_us: self.gateway.clock.boot_us() };
                self.answer_later(asked, inbound, instance, future);
                Ok(())
            }
            Ok(Handled::Recorded(receipt)) => {
                self.answer_once_recorded(inbound, receipt);
                Ok(())
            }
            Err(_) => {
                count(&self.gateway.metrics.panics, "channel");
                Err(Answer::Crash)
            }
        }
    }

    /// The tenant's limits on a message.
    fn check_limits(&self, inbound: &Inbound<'_>) -> Result<(), LimitHit> {
        let limits = &self.peer.tenant.limits;
        let boot_us = self.gateway.clock.boot_us();
        if !self.place.tenant_use().admits_event(limits.max_events_per_second, boot_us) {
            return Err(LimitHit::TooMany);
        }
        if inbound.payload.len_bytes() > limits.max_payload_bytes as usize {
            return Err(LimitHit::TooLarge);
        }
        Ok(())
    }

    /// The room's doing: for good (clients do not come back), or for a passing cause (they do).
    fn end_channel(&mut self, topic: &str, instance: Instance, for_good: bool) {
        let Some(Removed::Joined { join_ref }) = self.session.remove(topic, instance) else { return };
        let join_ref = join_ref.as_ref();
        self.send(if for_good {
            encode_close(self.vsn, join_ref, topic)
        } else {
            encode_error(self.vsn, join_ref, topic, event::REASON_CHANNEL_CRASH)
        });
    }

    /// This channel alone ends; its siblings live.
    fn crash(&mut self, topic: &str, instance: Instance) {
        self.drop_channel(instance);
        if let Some(Removed::Joined { join_ref }) = self.session.remove(topic, instance) {
            self.send(encode_error(self.vsn, join_ref.as_ref(), topic, event::REASON_CHANNEL_CRASH));
        }
    }

    fn drop_channel(&mut self, instance: Instance) {
        let Some(at) = self.channels.iter().position(|(known, _)| *known == instance) else {
            return;
        };
        let (_, channel) = self.channels.swap_remove(at);
        let hub = &self.gateway.hub;
        match &channel {
            Channel::Room(room) => {
                if let Some(audience) = hub.audience(room.room().key()) {
                    audience.remove(channel.connection());
                }
            }
            Channel::Topic(topic) => {
                if let Some(audience) = hub.topic(topic.topic().key()) {
                    audience.remove(channel.connection());
                }
            }
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
            Outcome::Joined { topic, instance, number, result } => {
                self.finish_join(&topic, instance, number, result);
                topic
            }
            Outcome::Handled { asked, trace, topic, instance, reference, answer } => {
                let outcome = answer.as_ref().unwrap_or(&Answer::Crash);
                asked.answered(&self.gateway.metrics, outcome, self.gateway.clock.boot_us());
                let _ack = asked::trace_ack(&trace, outcome).entered();
                if self.session.handled(&topic, instance) {
                    let join_ref = self.session.channel(&topic).and_then(|channel| channel.join_ref.cloned());
                    self.answer(&topic, instance, join_ref.as_ref(), reference.as_ref(), answer);
                    if let Some(at) = self.ending.iter().position(|(known, _)| *known == instance) {
                        let (_, for_good) = self.ending.swap_remove(at);
                        self.end_channel(&topic, instance, for_good);
                    }
                }
                topic
            }
            Outcome::Beside(beside) => {
                beside.asked.answered(&self.gateway.metrics, &beside.answer, self.gateway.clock.boot_us());
                self.answer_late(&beside);
                return;
            }
            Outcome::Token { renewal, result } => {
                self.finish_token(&renewal, result);
                return;
            }
        };
        let received_us = self.gateway.clock.now_us();
        while let Some((frame, step)) = self.session.next_queued(&topic) {
            self.act(step, &frame.as_inbound(), received_us);
        }
    }

    /// Carries out what the hub or the wheel has asked of this socket.
    pub fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::ChannelEnded { topic, instance, for_good } => {
                self.drop_channel(instance);
                if self.session.is_held(&topic, instance) {
                    // The very request that ended the channel (closing the room) still gets its answer.
                    self.ending.push((instance, for_good));
                } else {
                    self.end_channel(&topic, instance, for_good);
                }
            }
            Signal::CheckDeadlines => self.check_token(),
            Signal::TenantChanged => self.follow_tenant(),
        }
    }

    /// Sends a frame to this client, after all that was sent before.
    pub fn send_frame(&self, frame: Frame) {
        self.outbox.push(frame, self.gateway.clock.boot_us());
    }

    fn send(&self, frame: String) {
        self.send_frame(Frame::text(&frame));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        while let Some((instance, _)) = self.channels.last() {
            self.drop_channel(*instance);
        }
    }
}
