//! What members say in a room beside the music: broadcasts, among those who hear the room over the bridge.

use std::sync::Arc;

use super::{Mirror, NoteLimits, NoteRefused, room_mirror::RoomMirror};
use crate::{
    protocol::Broadcast,
    relay::{Body, Topic},
    room::{Refusal, RoomKey, TokenRole},
};

impl RoomMirror {
    /// Passes on what a member says. Who is muted says nothing either, and it counts against the rate of notes.
    pub fn say(
        &self,
        student_id: &str,
        connection: u64,
        role: TokenRole,
        broadcast: &Arc<Broadcast>,
        limits: NoteLimits,
    ) -> Result<(), NoteRefused> {
        let mut state = self.lock();
        if !state.is_here(student_id, connection) {
            return Err(Refusal::RemovedFromRoom.into());
        }
        if role == TokenRole::Student && state.room.controls.is_muted(student_id) {
            return Err(Refusal::Muted.into());
        }
        if !state.notes.admits(student_id, limits.of(role), self.mirror().clock.boot_us()) {
            return Err(NoteRefused::TooFast);
        }
        self.audience().broadcast(Some(connection), broadcast);
        drop(state);
        self.mirror().publish(&Topic::Room(self.key().clone()), Body::Broadcast(broadcast.clone()));
        Ok(())
    }
}

impl RoomMirror {
    /// From now on this connection hears who comes and goes, whatever it asked for when it joined.
    pub fn enable_presence(&self, connection: u64) {
        let mut state = self.lock();
        self.audience().enable_presence(connection, &mut || state.roster.state_json());
    }
}

impl Mirror {
    /// Passes on what somebody says who is not in the room.
    pub fn broadcast(&self, key: &RoomKey, broadcast: &Arc<Broadcast>) {
        if let Some(room) = self.room(key) {
            let _state = room.lock();
            room.audience().broadcast(None, broadcast);
        }
        self.publish(&Topic::Room(key.clone()), Body::Broadcast(broadcast.clone()));
    }
}
