//! A store that has lost everything gets it back: every room whole, from whoever knows most of it.
//!
//! Nobody takes a room over meanwhile (`Directory::is_restoring`). The store keeps the greatest (epoch, nonce, rev) of
//! what it is given; a room that somebody knows to be closed stays closed.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Router, reign::Keepsake, room_mirror::RoomMirror};
use crate::{
    room::RoomKey,
    store::{Restoration, Restored, RoomRecord},
    telemetry::count,
};

/// Rooms given back at once.
const AT_ONCE: usize = 64;

impl Router {
    /// Gives everything back that this node knows.
    pub(super) async fn restore(self: &Arc<Self>) {
        // The session went with everything else: a new one, and the conductors of the old one lay down what they know.
        if let Err(error) = self.surroundings.membership.renew().await {
            tracing::warn!(%error, "no new session yet");
        }
        self.tick_all();
        let (store, mirror) = (&self.surroundings.store, &self.surroundings.mirror);
        let buried =
            mirror.closed.all().into_iter().map(|(key, epoch)| async move { store.bury_room(&key, epoch).await });
        stream::iter(buried).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let known = mirror.rooms().into_iter().filter_map(|room| of_mirror(&room));
        let kept: Vec<Keepsake> = self.keepsakes.lock().values().cloned().collect();
        let all: Vec<Restoration> = known.chain(kept).collect();
        let rooms = all.len();
        stream::iter(all.iter()).for_each_concurrent(AT_ONCE, |restoration| self.give_back(restoration)).await;
        tracing::warn!(rooms, "rooms were given back to the store");
        self.search_once_allowed().await;
    }

    /// What a conductor of this node knew, while the store is being filled again.
    pub(super) async fn give_back_keepsake(&self, key: &RoomKey) {
        if !self.surroundings.directory.is_restoring(self.surroundings.clock.boot_us()) {
            return;
        }
        let keepsake = self.keepsakes.lock().get(key).cloned();
        if let Some(keepsake) = keepsake {
            self.give_back(&keepsake).await;
        }
    }

    async fn give_back(&self, restoration: &Restoration) {
        let key = &restoration.record.key;
        match self.surroundings.store.restore_room(restoration).await {
            Ok(restored) => {
                count(&self.surroundings.metrics.losses, "room_given_back");
                tracing::info!(room.key = %key, ?restored, "given back");
                if restored == Restored::Closed {
                    // Somebody knows what this node has not heard.
                    self.surroundings.mirror.end(key);
                }
            }
            Err(error) => tracing::error!(room.key = %key, %error, "a room could not be given back"),
        }
    }

    /// Whether the store may lack this room only because it has lost everything.
    pub(super) async fn is_lost(&self, key: &RoomKey) -> bool {
        let directory = &self.surroundings.directory;
        let is_known = self.surroundings.mirror.room(key).is_some_and(|room| !room.lock().room.controls.closed)
            || self.keepsakes.lock().contains_key(key);
        if is_known {
            // The last look may be from before the loss.
            if self.lookout.look_and_tell().await.is_err() {
                return true;
            }
        }
        directory.is_restoring(self.surroundings.clock.boot_us())
    }
}

/// A room as its gateway knows it; a closed one is not given back.
fn of_mirror(room: &RoomMirror) -> Option<Restoration> {
    let state = room.lock();
    if state.room.controls.closed {
        return None;
    }
    let (owner, incarnation) = state.conductor.clone().map_or((String::new(), 0), |(node, i)| (node.to_string(), i));
    let record = RoomRecord {
        key: room.key().clone(),
        owner,
        incarnation,
        epoch: state.stamp.epoch,
        nonce: state.stamp.nonce,
        since_ms: state.stamp.epoch,
        taken_from: String::new(),
        from_beat: None,
        members_rev: state.members_rev,
        lineage: state.lineage.clone(),
        controls: state.room.controls.clone(),
    };
    Some(Restoration { record, members: state.homes.records(&state.room.members), done: Vec::new() })
}
