//! One connection's channel to a realtime topic.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::BoxFuture;

use super::{
    Present, Realtime, Topic, TopicSeat, TopicState,
    config::{JoinConfig, Replay},
    message::{PresenceMessage, Said},
    saying,
    topic::Newcomer,
};
use crate::{
    auth::{Claims, Limits, Permit, Tenant},
    channels::{Answer, Followed, Handled, Payload, Push},
    protocol::{Broadcast, broadcast::Body},
    rate::Rate,
    relay::BROADCAST_BYTES_MAX,
};

/// The longest payload of a track, in bytes of JSON.
pub(crate) const TRACK_BYTES_MAX: usize = 16 * 1024;
/// Presence messages of one channel.
pub(crate) const TRACKS_PER_SECOND: u32 = 10;
const SECOND_US: i64 = 1_000_000;
/// What a client may push.
const UNKNOWN_EVENT: &str = "unknown event: a realtime topic takes broadcast, presence and access_token";
pub(crate) const PRESENCE_TOO_FAST: &str = "ClientPresenceRateLimitReached: Client presence rate limit exceeded";

/// A joined topic. Dropping it is leaving.
pub struct RealtimeTopic {
    realtime: Arc<Realtime>,
    tenant: Arc<Tenant>,
    present: Arc<Present>,
    config: JoinConfig,
    permit: Permit,
    tracks: Rate,
    /// What the store held for this newcomer, until it is told.
    missed: Option<Missed>,
    _seat: TopicSeat,
}

/// What a newcomer has missed, and what keeps more from being missed.
pub(super) struct Missed {
    pub stored: Vec<Broadcast>,
    pub replay: Replay,
    pub newcomer: Newcomer,
}

impl RealtimeTopic {
    pub(super) fn new(
        realtime: Arc<Realtime>,
        tenant: Arc<Tenant>,
        connection: u64,
        config: JoinConfig,
        permit: Permit,
        missed: Option<Missed>,
        seat: TopicSeat,
    ) -> Self {
        let key = config.presence_key.clone().unwrap_or_else(|| format!("{connection:013x}")).into();
        let present = Present { topic: seat.topic().clone(), connection, key, may_show: AtomicBool::new(permit.write) };
        let (present, tracks) = (Arc::new(present), Rate::default());
        Self { realtime, tenant, present, config, permit, tracks, missed, _seat: seat }
    }

    pub fn topic(&self) -> &Arc<Topic> {
        &self.present.topic
    }

    pub fn connection(&self) -> u64 {
        self.present.connection
    }

    pub fn hears_itself(&self) -> bool {
        self.config.hears_itself
    }

    pub fn hears_presence(&self) -> bool {
        self.config.hears_presence
    }

    /// The client waits for changes of a database, which nobody sends here.
    pub fn wants_postgres(&self) -> bool {
        self.config.wants_postgres
    }

    pub fn set_tenant(&mut self, tenant: Arc<Tenant>) {
        self.tenant = tenant;
    }

    /// The join's reply, as JSON text.
    pub fn join_reply(&mut self) -> String {
        self.config.take_reply()
    }

    /// What this newcomer is to be told again, in order; for once. What comes with it is to be dropped once the topic's
    /// lock is free, and the connection is in the audience.
    pub fn retell(&mut self, state: &mut TopicState) -> (Vec<Arc<Broadcast>>, Option<impl Drop + use<>>) {
        let Some(Missed { stored, replay, newcomer }) = self.missed.take() else { return (Vec::new(), None) };
        let boot_us = self.realtime.parts.clock.boot_us();
        (state.retell(self.connection(), stored, replay, boot_us), Some(newcomer))
    }

    /// A fresh token counts from now on.
    pub fn follow(&mut self, claims: &Claims) -> Followed {
        let key = self.topic().key();
        self.permit = permit(claims, &key.name, key.private);
        self.present.may_show.store(self.permit.write, Ordering::Relaxed);
        if !self.permit.write {
            // Whoever may not be seen any more leaves; whoever goes always finds a place.
            let _ = self.realtime.set_presence(&self.present, None);
        }
        if self.permit.read {
            return Followed::Stays;
        }
        let name = &self.topic().key().name;
        Followed::Ends(format!("You no longer have permission to read from this Channel topic: {name}"))
    }

    pub fn handle(&self, push: Push<'_>) -> Handled {
        match (push.event, push.payload) {
            ("broadcast", payload) => match Said::of(payload) {
                Ok(said) => self.broadcast(said),
                Err(bad) => Handled::Now(Answer::error(&bad.to_string())),
            },
            ("presence", Payload::Json(payload)) => self.presence(payload),
            _ => Handled::Now(Answer::error(UNKNOWN_EVENT)),
        }
    }

    fn broadcast(&self, said: Said) -> Handled {
        if !self.permit.write {
            return Handled::Now(Answer::error(&no_writing(&self.topic().key().name)));
        }
        if is_too_large(&self.tenant, &said.body) {
            return Handled::Now(Answer::too_large());
        }
        let key = self.topic().key();
        let kept = self.realtime.broadcast(key, Some(self.connection()), said.event, said.body);
        match self.config.ack {
            false => return Handled::Now(Answer::Nothing),
            true if !key.private => return Handled::Now(Answer::ok()),
            true => {}
        }
        let later: BoxFuture<'static, Answer> = Box::pin(async move {
            match saying::kept(kept).await {
                Ok(()) => Answer::ok(),
                Err(_) => Answer::error("unavailable: it was sent, and is not kept for replay"),
            }
        });
        // It is on its way, and in its place: only the ok waits for the store.
        Handled::Beside(later)
    }

    fn presence(&self, payload: &str) -> Handled {
        let message = match PresenceMessage::parse(payload) {
            Ok(message) => message,
            Err(bad) => return Handled::Now(Answer::error(&bad.to_string())),
        };
        if !self.tracks.admits(TRACKS_PER_SECOND, SECOND_US, self.realtime.parts.clock.boot_us()) {
            return Handled::Now(Answer::error(PRESENCE_TOO_FAST));
        }
        match message {
            PresenceMessage::Untrack => {
                // Whoever goes always finds a place.
                let _ = self.realtime.set_presence(&self.present, None);
                Handled::Now(Answer::ok())
            }
            PresenceMessage::Track(_) if !self.permit.write => {
                Handled::Now(Answer::error(&no_writing(&self.topic().key().name)))
            }
            PresenceMessage::Track(fields) if fields.len() > TRACK_BYTES_MAX => Handled::Now(Answer::too_large()),
            PresenceMessage::Track(fields) => self.track(fields.into()),
        }
    }

    /// Whoever is present sees who else is, though it may not have asked for that when it joined.
    fn track(&self, fields: Arc<str>) -> Handled {
        let (realtime, present) = (self.realtime.clone(), self.present.clone());
        let tracking = async move {
            realtime.presences_known(&present.topic).await;
            realtime.enable_presence(&present);
            match realtime.set_presence(&present, Some(fields)) {
                Ok(()) => Answer::ok(),
                Err(full) => Answer::error(&full.to_string()),
            }
        };
        Handled::Later(Box::pin(tracking))
    }
}

impl Drop for RealtimeTopic {
    fn drop(&mut self) {
        // Whoever goes always finds a place.
        self.present.may_show.store(false, Ordering::Relaxed);
        let _ = self.realtime.set_presence(&self.present, None);
    }
}

/// What a token may do on a topic of its tenant. A token that is good for one room opens no other topic.
pub(super) fn permit(claims: &Claims, name: &str, private: bool) -> Permit {
    match (private, &claims.room) {
        (true, _) => claims.permit(name),
        (false, None) => Permit::EVERYTHING,
        (false, Some(_)) => Permit::NOTHING,
    }
}

/// The longest payload of a broadcast: what the tenant allows, as far as it can be passed on to other nodes.
pub fn bytes_max(limits: &Limits) -> usize {
    (limits.max_payload_bytes as usize).min(BROADCAST_BYTES_MAX)
}

pub(super) fn no_reading(name: &str) -> String {
    format!("Unauthorized: You do not have permissions to read from this Channel topic: {name}")
}

pub(super) fn no_writing(name: &str) -> String {
    format!("Unauthorized: You do not have permissions to write to this Channel topic: {name}")
}

/// What counts against the limit of a payload.
pub(crate) fn is_too_large(tenant: &Tenant, body: &Body) -> bool {
    body.len() > bytes_max(&tenant.limits)
}
