//! A store that has lost everything gets it back: every room whole, from whoever knows most of it.
//!
//! Nobody takes a room over meanwhile (`Directory::is_restoring`). The store keeps the greatest (epoch, nonce, rev) of
//! what it is given; a room that somebody knows to be closed stays closed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};

use super::{Router, room_mirror::RoomMirror};
use crate::{
    room::RoomKey,
    store::{Restoration, Restored, RoomRecord},
    telemetry::count,
};

/// Rooms given back at once.
const AT_ONCE: usize = 64;
/// How long this node's conductors have to lay down what they know.
const LAYING_DOWN: Duration = Duration::from_millis(20);
const LAYING_DOWN_TRIES: usize = 25;
/// How long a look may take that is to show whether the store is still the same.
const LOOK_WITHIN: Duration = Duration::from_millis(600);

impl Router {
    /// Gives everything back that this node knows.
    pub(super) async fn restore(self: &Arc<Self>) {
        let directory = &self.surroundings.directory;
        directory.set_giving_back(true);
        // The session went with everything else: a new one, and the conductors of the old one lay down what they know.
        if let Err(error) = self.surroundings.membership.renew().await {
            tracing::warn!(%error, "no new session yet");
        }
        self.lay_down_all().await;
        let (store, mirror) = (&self.surroundings.store, &self.surroundings.mirror);
        let buried =
            mirror.closed.all().into_iter().map(|(key, epoch)| async move { store.bury_room(&key, epoch).await });
        stream::iter(buried).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        // A conductor knows more of its room than the gateway beside it.
        let mut known: Vec<Restoration> = self.keepsakes.lock().values().cloned().collect();
        let kept: HashSet<RoomKey> = known.iter().map(|kept| kept.record.key.clone()).collect();
        let attended = mirror.rooms();
        known.extend(attended.iter().filter(|room| !kept.contains(room.key())).filter_map(|room| of_mirror(room)));
        let rooms = known.len();
        // What fails now is given back when somebody finds it missing.
        let given_back = known.into_iter().map(|known| {
            let router = self.clone();
            async move { router.give_back(&known).await }
        });
        stream::iter(given_back).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        tracing::warn!(rooms, "rooms were given back to the store");
        directory.set_giving_back(false);
        self.search_once_allowed().await;
    }

    async fn lay_down_all(&self) {
        for _ in 0..LAYING_DOWN_TRIES {
            self.tick_all();
            if self.conductors.lock().values().all(|cell| cell.get().is_none()) {
                return;
            }
            tokio::time::sleep(LAYING_DOWN).await;
        }
    }

    /// What a conductor of this node knew, while the store is being filled again.
    pub(super) async fn give_back_keepsake(&self, key: &RoomKey) {
        if !self.surroundings.directory.has_lost_rooms(self.surroundings.clock.boot_us()) {
            return;
        }
        let keepsake = self.keepsakes.lock().get(key).cloned();
        if let Some(keepsake) = keepsake {
            self.give_back(&keepsake).await;
        }
    }

    async fn give_back(&self, restoration: &Restoration) -> Option<Restored> {
        let key = &restoration.record.key;
        match self.surroundings.store.restore_room(restoration).await {
            Ok(restored) => {
                count(&self.surroundings.metrics.losses, "room_given_back");
                tracing::info!(tenant.id = %key.tenant, room.code = %key.code, ?restored, "given back");
                if restored == Restored::Closed {
                    // Somebody knows what this node has not heard.
                    self.surroundings.mirror.end(key);
                }
                Some(restored)
            }
            Err(error) => {
                tracing::warn!(
                    tenant.id = %key.tenant, room.code = %key.code, %error,
                    "a room could not be given back yet"
                );
                None
            }
        }
    }

    /// Whether the store may lack this room only because it has lost everything: then it is given back, and whoever asks
    /// looks again. The store remembers which rooms were closed.
    pub(super) async fn is_lost(&self, key: &RoomKey) -> bool {
        let (directory, clock) = (&self.surroundings.directory, &self.surroundings.clock);
        let room = self.surroundings.mirror.room(key);
        let keepsake = self.keepsakes.lock().get(key).cloned();
        let Some(known) = keepsake.or_else(|| room.as_deref().and_then(of_mirror)) else {
            return directory.is_restoring(clock.boot_us());
        };
        // The last look may be from before the loss.
        if !self.lookout.is_up_to_date(LOOK_WITHIN).await || directory.is_restoring(clock.boot_us()) {
            return true;
        }
        directory.has_lost_rooms(clock.boot_us()) && self.give_back(&known).await != Some(Restored::Closed)
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
