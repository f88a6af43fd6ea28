//! A music room as a realtime topic, `realtime:music_room:<CODE>`: what its members say as broadcasts does what the same
//! events do on the room's own topic, and nobody speaks in the room's name.

use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::Value;

use super::{
    Answer, Handled, MusicRoom, Payload, Push, is_client_event,
    realtime::{
        BadConfig, JoinConfig, PRESENCE_TOO_FAST, PresenceMessage, Said, TRACK_BYTES_MAX, TRACKS_PER_SECOND,
        is_too_large,
    },
};
use crate::{
    protocol::{Broadcast, Status, broadcast::Body},
    rate::Rate,
    room::is_reserved,
};

const SECOND_US: i64 = 1_000_000;

/// How a member of a room wants to hear it as a topic.
pub struct Bridge {
    config: JoinConfig,
    tracks: Rate,
}

impl Bridge {
    /// Reads the `config` of a join's params. A room is guarded by its code and by tokens: `private` means nothing here.
    ///
    /// # Errors
    /// Replay is asked for, and a room replays nothing.
    pub(super) fn parse(params: &str) -> Result<Self, BadConfig> {
        let config = JoinConfig::parse(params)?;
        match config.replay {
            Some(_) => Err(BadConfig::ReplayOfPublic),
            None => Ok(Self { config, tracks: Rate::default() }),
        }
    }

    pub fn hears_itself(&self) -> bool {
        self.config.hears_itself
    }

    pub fn hears_presence(&self) -> bool {
        self.config.hears_presence
    }

    /// The client waits for changes of a database.
    pub fn wants_postgres(&self) -> bool {
        self.config.wants_postgres
    }

    /// The entries that were asked for, each with an `id`; for once.
    pub(super) fn take_postgres_changes(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.config.postgres_changes)
    }
}

impl MusicRoom {
    pub(super) fn handle_bridged(&self, bridge: &Bridge, push: Push<'_>) -> Handled {
        if push.event == "presence" {
            return match push.payload {
                Payload::Json(payload) => self.track(bridge, payload),
                Payload::Broadcast(_) => Handled::Now(Answer::no_binary()),
            };
        }
        match Said::of(push.payload) {
            Ok(said) => quiet(self.hear(push, said), bridge.config.ack),
            Err(bad) => Handled::Now(Answer::error(&bad.to_string())),
        }
    }

    /// What a member says as a broadcast.
    fn hear(&self, push: Push<'_>, Said { event, body }: Said) -> Handled {
        if is_client_event(&event) {
            return match &body {
                Body::Json(payload) => self.handle_event(Push { event: &event, ..push }, payload),
                Body::Octets(_) => Handled::Now(Answer::no_binary()),
            };
        }
        if is_reserved(&event) {
            return Handled::Now(Answer::error(&format!("reserved event: only the room itself sends {event}")));
        }
        if is_too_large(&self.tenant, &body) {
            return Handled::Now(Answer::too_large());
        }
        let at_ms = self.services.clock.now_us().div_euclid(1_000);
        let broadcast = Arc::new(Broadcast { event, body, id: None, at_ms });
        let said = self.room.say(&self.student_id, self.connection(), self.role, &broadcast, self.note_limits());
        Handled::Now(said.map_or_else(|refused| Answer::error(&refused.to_string()), |()| Answer::ok()))
    }

    /// What the connection shows of itself in the room's presence.
    fn track(&self, bridge: &Bridge, payload: &str) -> Handled {
        let message = match PresenceMessage::parse(payload) {
            Ok(message) => message,
            Err(bad) => return Handled::Now(Answer::error(&bad.to_string())),
        };
        if !bridge.tracks.admits(TRACKS_PER_SECOND, SECOND_US, self.services.clock.boot_us()) {
            return Handled::Now(Answer::error(PRESENCE_TOO_FAST));
        }
        let fields: Option<Arc<str>> = match message {
            PresenceMessage::Track(fields) if fields.len() > TRACK_BYTES_MAX => {
                return Handled::Now(Answer::too_large());
            }
            PresenceMessage::Track(fields) => Some(fields.into()),
            PresenceMessage::Untrack => None,
        };
        let (room, connection, tracks) = (self.room.clone(), self.connection(), fields.is_some());
        let shown = self.show(fields);
        Handled::Later(Box::pin(async move {
            let answer = shown.await;
            if tracks && matches!(answer, Answer::Reply { status: Status::Ok, .. }) {
                room.enable_presence(connection);
            }
            answer
        }))
    }
}

/// What went well is said only to who asked for it; what did not, always.
fn quiet(handled: Handled, ack: bool) -> Handled {
    let quieted = move |answer| match answer {
        Answer::Reply { status: Status::Ok, .. } if !ack => Answer::Nothing,
        answer => answer,
    };
    match handled {
        Handled::Now(answer) => Handled::Now(quieted(answer)),
        Handled::Later(answer) => Handled::Later(Box::pin(answer.map(quieted))),
        Handled::Beside(answer) => Handled::Beside(Box::pin(answer.map(quieted))),
        Handled::Recorded(receipt) if ack => Handled::Recorded(receipt),
        Handled::Recorded(_) => Handled::Now(Answer::Nothing),
    }
}
