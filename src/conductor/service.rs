//! What other nodes ask of this one about rooms.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Router,
    actor::Mail,
    ask::{Ask, Reply, Roll, RoomCall, decode, encode},
    router::{ControlRefused, Whereabouts},
};
use crate::{
    relay::{Calls, Service},
    room::RoomKey,
};

/// Answers the calls about rooms.
pub struct RoomService(Arc<Router>);

impl RoomService {
    /// From now on other nodes can ask this one's conductors and mirrors.
    pub fn offer(router: Arc<Router>, calls: &Calls) {
        calls.offer(super::ask::SERVICE, Arc::new(Self(router)));
    }
}

#[async_trait]
impl Service for RoomService {
    async fn serve(&self, from: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>> {
        let RoomCall { key, ask } = decode(&payload)?;
        tracing::trace!(tenant.id = %key.tenant, room.code = %key.code, node.from = %from, "asked about a room");
        encode(&self.0.answer(&key, ask).await)
    }
}

impl Router {
    async fn answer(&self, key: &RoomKey, ask: Ask) -> Reply {
        let mirror = &self.surroundings.mirror;
        match ask {
            Ask::Confirm { update } => {
                match mirror.room(key) {
                    Some(room) => {
                        room.accept(&update);
                        let stamp = room.lock().stamp;
                        if stamp >= update.stamp { Reply::Done } else { Reply::NoConductor }
                    }
                    // Somebody is on the way in, and may be let in by what went before.
                    None if mirror.is_attended(key) => Reply::NoConductor,
                    None => Reply::Done,
                }
            }
            Ask::RollCall => Reply::Roll(self.roll(key)),
            Ask::TooLow { stamp } => {
                if let Some(handle) = self.conducting(key) {
                    // A conductor that is too busy hears it again with its next plan.
                    let _ = handle.mail.try_send(Mail::ReAssert { above_epoch: stamp.epoch });
                }
                Reply::Done
            }
            ask => self.answer_as_conductor(key, ask).await,
        }
    }

    /// Only what this node conducts, or may take up: a call is never passed on, so it cannot go round in circles.
    async fn answer_as_conductor(&self, key: &RoomKey, ask: Ask) -> Reply {
        let handle = match self.conducting(key) {
            Some(handle) => handle,
            None => match self.locate(key).await {
                Ok(Whereabouts::Here(handle)) => handle,
                Ok(Whereabouts::There(_)) | Err(ControlRefused::NoConductor) => return Reply::NoConductor,
                Err(ControlRefused::NotFound) => return Reply::NotFound,
                Err(ControlRefused::Refused(refusal)) => return Reply::Refused(refusal),
                Err(ControlRefused::Unavailable) => return Reply::Unavailable,
            },
        };
        if ask == Ask::TakeUp {
            return Reply::Done;
        }
        self.ask_here(key, &handle, ask).await.into()
    }

    /// What this gateway knows of the room, and who is here.
    pub(super) fn roll(&self, key: &RoomKey) -> Roll {
        let mirror = &self.surroundings.mirror;
        let home = self.surroundings.membership.home();
        let is_attended = mirror.is_attended(key);
        let Some(room) = mirror.room(key) else {
            return Roll { is_attended, ..Roll::default() };
        };
        let state = room.lock();
        Roll { snapshot: Some(Box::new(state.snapshot())), residents: state.resident_records(&home), is_attended }
    }
}
