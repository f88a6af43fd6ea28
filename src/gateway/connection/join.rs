//! Joins: what has to hold before one begins, and how it ends.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;

use super::{
    Connection, Outcome,
    refusing::is_realtime,
    token::{TOKEN_OVER, fresh_claims},
};
use crate::{
    auth::Claims,
    channels::{self, Channel, Followed, JoinRefused, JoinRequest, MusicRoom, OTHER_SUB, realtime::RealtimeTopic},
    gateway::{
        expiry::Standing,
        hub::{PresenceHearing, RealtimeSubscriber, Style, Subscriber},
        session::{Instance, JoinEnd, Refusal},
    },
    protocol::{
        Inbound, InboundPayload, Status, Vsn, broadcast::as_broadcast, encode_close, encode_push, encode_reply, event,
    },
    telemetry::count,
};

/// Unknown codes that a socket may try in a minute before its joins are refused.
const GUESSES_PER_MINUTE: u32 = 10;
const MINUTE_US: i64 = 60_000_000;
/// What a client is told that asks for changes of a database.
const NO_POSTGRES: &str =
    "Postgres changes are not served here: Downbeat has no database of yours; broadcast what has changed";
/// Topics of one socket that are remembered as told so.
const TOLD_MAX: usize = 64;

/// Why a join did not succeed.
pub(super) enum JoinFailed {
    Refused(JoinRefused),
    BadToken(String),
    Crashed,
}

impl Connection {
    /// The place of a join's token among all that this client has shown.
    pub(super) fn number_of_join(&mut self, topic: &str) -> u64 {
        match self.queued_joins.iter().position(|(queued, _)| **queued == *topic) {
            Some(at) => self.queued_joins.remove(at).1,
            None => self.next_shown(),
        }
    }

    pub(super) fn begin_join(&mut self, instance: Instance, number: u64, inbound: &Inbound<'_>) {
        let topic = inbound.topic.to_string();
        let refused = |refused| Err(JoinFailed::Refused(JoinRefused::BadParams(refused)));
        let boot_us = self.gateway.clock.boot_us();
        let limits = &self.peer.tenant.limits;
        let InboundPayload::Json(payload) = inbound.payload else {
            return self.finish_join(&topic, instance, number, refused("binary not supported here".to_owned()));
        };
        if !self.place.tenant_use().admits_join(limits.max_joins_per_second, boot_us) {
            self.gateway.metrics.tenants.note_refused(&self.peer.tenant.id);
            let reason = "ClientJoinRateLimitReached: Too many joins per second";
            return self.finish_join(&topic, instance, number, refused(reason.to_owned()));
        }
        if payload.get().len() > limits.max_payload_bytes as usize {
            return self.finish_join(&topic, instance, number, refused("payload_too_large".to_owned()));
        }
        let (gateway, guesses) = (self.gateway.clone(), self.guesses.clone());
        let mut peer = self.peer.clone();
        let request =
            JoinRequest { topic: topic.clone(), payload: payload.get().to_owned(), connection: random_connection() };
        let is_over = self.expiry.standing(self.gateway.clock.now_s()) == Standing::Over;
        let is_in_room = self.is_in_room();
        let distrust = self.distrust();
        self.running.push(Box::pin(async move {
            let joining = async {
                let fresh = fresh_claims(&gateway, &peer, &request.payload).await.map_err(JoinFailed::BadToken)?;
                match &fresh {
                    Some(claims) if is_in_room && claims.sub != peer.claims.sub => {
                        return Err(JoinFailed::BadToken(OTHER_SUB.to_owned()));
                    }
                    Some(claims) => peer.claims = Arc::new(claims.clone()),
                    None if is_over => return Err(JoinFailed::BadToken(TOKEN_OVER.to_owned())),
                    None => {
                        if let Some(reason) = distrust {
                            return Err(JoinFailed::BadToken(reason));
                        }
                    }
                }
                if channels::is_room(&request.topic) {
                    let delay = gateway.guesses.delay(peer.address, gateway.clock.boot_us());
                    let delay = delay.ok_or(JoinFailed::Refused(JoinRefused::TooManyGuesses))?;
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                }
                // Looked at only now, and counted before the next look: joins sent in one go are no way round.
                if !guesses.would_admit(GUESSES_PER_MINUTE, MINUTE_US, gateway.clock.boot_us()) {
                    return Err(JoinFailed::Refused(JoinRefused::TooManyGuesses));
                }
                let joined = channels::join(&gateway.services, &peer, request).await;
                if let Err(JoinRefused::RoomNotFound) = &joined {
                    let boot_us = gateway.clock.boot_us();
                    guesses.admits(GUESSES_PER_MINUTE, MINUTE_US, boot_us);
                    gateway.guesses.note_unknown(peer.address, boot_us);
                }
                joined.map(|channel| (channel, fresh)).map_err(JoinFailed::Refused)
            };
            let result = AssertUnwindSafe(joining).catch_unwind().await.unwrap_or(Err(JoinFailed::Crashed));
            Outcome::Joined { topic, instance, number, result }
        }));
    }

    pub(super) fn finish_join(
        &mut self,
        topic: &str,
        instance: Instance,
        number: u64,
        result: Result<(Channel, Option<Claims>), JoinFailed>,
    ) {
        match result {
            Ok((mut channel, fresh)) => {
                channel.set_tenant(&self.peer.tenant);
                // A room that was joined meanwhile holds the socket to who he is there.
                if let Some(Err(reason)) = fresh.map(|claims| self.renew(claims, number)) {
                    return self.refuse_join(topic, instance, &reason);
                }
                // And whatever token counts by now counts for this channel as for all.
                let role = channel.role();
                if let Followed::Ends(reason) = channel.follow(&self.peer.claims) {
                    return self.refuse_join(topic, instance, &reason);
                }
                if channel.role() != role {
                    // The room has let somebody else in: a passing cause, clients join again.
                    return self.refuse_join(topic, instance, "the token changed while joining: join again");
                }
                let wants_postgres = channel.wants_postgres();
                match channel {
                    Channel::Room(room) => self.attach_room(topic, instance, room),
                    Channel::Topic(joined) => self.attach_topic(topic, instance, joined),
                }
                if wants_postgres {
                    self.tell_of_postgres(topic);
                }
            }
            Err(failed) => {
                let (reason, outcome) = match failed {
                    JoinFailed::Refused(refused @ JoinRefused::RoomNotFound) => (refused.to_string(), "room_not_found"),
                    JoinFailed::Refused(refused) => (refused.to_string(), "refused"),
                    JoinFailed::BadToken(reason) => (reason, "bad_token"),
                    JoinFailed::Crashed => {
                        count(&self.gateway.metrics.panics, "join");
                        (event::REASON_JOIN_CRASHED.to_owned(), "crashed")
                    }
                };
                count(&self.gateway.metrics.joins, outcome);
                self.refuse_join(topic, instance, &reason);
            }
        }
    }

    /// The reply, what follows it, and the place in the audience, under the room's lock: nothing is missed between.
    fn attach_room(&mut self, topic: &str, instance: Instance, mut channel: Box<MusicRoom>) {
        let room = channel.room().clone();
        let mut state = room.lock();
        if let Some(reason) = channel.ended(&state) {
            drop(state);
            return self.refuse_join(topic, instance, reason);
        }
        let Some(audience) = self.gateway.hub.audience(room.key()) else {
            // The seat holds the audience: this cannot be, and a silent room would be worse than another try.
            drop(state);
            return self.refuse_join(topic, instance, "no_conductor");
        };
        let Some(end) = self.session.joined(topic, instance) else {
            // Left or joined again meanwhile: dropping the channel is leaving the room.
            return;
        };
        let (vsn, join_ref) = (self.vsn, end.join_ref.as_ref());
        self.send(encode_reply(vsn, join_ref, end.reference.as_ref(), topic, Status::Ok, &channel.join_reply(&state)));
        self.close_replaced(topic, &end);
        let style = channel.bridge().map_or(Style::Plain, |bridge| Style::Bridged {
            hears_itself: bridge.hears_itself(),
            hears_presence: bridge.hears_presence(),
        });
        for (event_name, payload) in channel.welcome(&mut state) {
            self.send(match (style, event_name) {
                (Style::Bridged { hears_presence: false, .. }, event::PRESENCE_STATE) => continue,
                (Style::Plain, _) | (_, event::PRESENCE_STATE) => {
                    encode_push(vsn, join_ref, topic, event_name, &payload)
                }
                _ => encode_push(vsn, join_ref, topic, event::BROADCAST, &as_broadcast(event_name, &payload)),
            });
        }
        audience.add(Subscriber {
            connection: channel.connection(),
            instance,
            outbox: self.outbox.clone(),
            vsn,
            join_ref: end.join_ref.clone(),
            student_id: channel.student_id().clone(),
            is_teacher: channel.is_teacher(),
            style,
        });
        drop(state);
        self.keep(topic, instance, Channel::Room(channel));
    }

    /// The same for a realtime topic.
    fn attach_topic(&mut self, topic: &str, instance: Instance, mut channel: Box<RealtimeTopic>) {
        let joined = channel.topic().clone();
        let Some(audience) = self.gateway.hub.topic(joined.key()) else {
            // As above.
            return self.refuse_join(topic, instance, "no_conductor");
        };
        let Some(end) = self.session.joined(topic, instance) else { return };
        let (vsn, join_ref) = (self.vsn, end.join_ref.as_ref());
        // Before the lock, so that it goes after it, however this ends: it takes the lock itself.
        let _newcomer;
        let mut state = joined.lock();
        self.send(encode_reply(vsn, join_ref, end.reference.as_ref(), topic, Status::Ok, &channel.join_reply()));
        self.close_replaced(topic, &end);
        let presence = match channel.hears_presence().then(|| state.presence_state()) {
            None => PresenceHearing::Off,
            // A diff is about to be sent, of which the state would tell already.
            Some(None) => PresenceHearing::Awaits,
            Some(Some(payload)) => {
                self.send(encode_push(vsn, join_ref, topic, event::PRESENCE_STATE, &payload));
                PresenceHearing::On
            }
        };
        let missed;
        (missed, _newcomer) = channel.retell(&mut state);
        for broadcast in missed {
            // Octets mean nothing to a client of V1.
            audience.replay(vsn, &broadcast).into_iter().for_each(|frame| self.send_frame(frame));
        }
        audience.add(RealtimeSubscriber {
            connection: channel.connection(),
            outbox: self.outbox.clone(),
            vsn,
            join_ref: end.join_ref.clone(),
            hears_itself: channel.hears_itself(),
            presence,
        });
        drop(state);
        self.keep(topic, instance, Channel::Topic(channel));
    }

    fn keep(&mut self, topic: &str, instance: Instance, channel: Channel) {
        count(&self.gateway.metrics.joins, "ok");
        self.channels.push((instance, channel));
        self.warn_newcomer(topic);
    }

    /// Once a topic: clients of the Python library join again at every error that they are told of.
    fn tell_of_postgres(&mut self, topic: &str) {
        let Some(channel) = self.session.channel(topic) else { return };
        if !self.told_postgres.iter().any(|told| **told == *topic) {
            self.send_system(&channel, "postgres_changes", "error", NO_POSTGRES);
            if self.told_postgres.len() >= TOLD_MAX {
                self.told_postgres.remove(0);
            }
            self.told_postgres.push(topic.into());
        }
    }

    fn refuse_join(&mut self, topic: &str, instance: Instance, reason: &str) {
        let Some(end) = self.session.refused(topic, instance) else { return };
        // A topic that is none has no channel whose join_ref could be borne.
        let is_unmatched = reason == Refusal::Unmatched.reason();
        let join_ref = end.join_ref.as_ref().filter(|_| !is_unmatched);
        self.error_reply(join_ref, end.reference.as_ref(), topic, reason);
        self.close_replaced(topic, &end);
    }

    fn close_replaced(&self, topic: &str, end: &JoinEnd) {
        // On V1 it bears no join_ref, and the Python library takes it for the new channel's end.
        let is_misread = self.vsn == Vsn::V1 && is_realtime(topic);
        if let Some(replaced) = end.replaced.as_ref().filter(|_| !is_misread) {
            self.send(encode_close(self.vsn, replaced.join_ref.as_ref(), topic));
        }
    }
}

/// A number that no other join has: 52 random bits, which JSON and Redis carry exactly.
fn random_connection() -> u64 {
    // Where the system gives no randomness, nothing here works: not the tokens either.
    getrandom::u64().unwrap_or_default() >> 12
}
