//! What mirrors want done that takes an answer from elsewhere: records read again, connections given back.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    Errands, Router,
    ask::Ask,
    mirror::Errand,
    router::{CALL_WITHIN, ControlRefused},
};
use crate::{
    relay::{Snapshot, Stamp},
    room::{Refusal, RoomKey},
};

/// Errands under way at once.
const AT_ONCE: usize = 128;
/// Before a record that could not be read is asked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Router {
    /// Runs the mirrors' errands for the node's life: each at most once at a time.
    pub async fn run_errands(self: &Arc<Self>, mut errands: Errands) {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(errand) = errands.0.recv().await {
            let name = errand.name();
            if !self.errands_under_way.lock().insert(name.clone()) {
                continue;
            }
            let (router, at_once) = (self.clone(), at_once.clone());
            tokio::spawn(async move {
                // Never closed.
                let permit = at_once.acquire().await;
                router.run_errand(errand).await;
                drop(permit);
                router.errands_under_way.lock().remove(&name);
            });
        }
    }

    async fn run_errand(self: &Arc<Self>, errand: Errand) {
        match errand {
            Errand::ReRead { key } => {
                if !self.read_again(&key).await {
                    self.read_again_later(key);
                }
            }
            Errand::Summon { key } => {
                if let Err(ControlRefused::NotFound) = self.ask(&key, Ask::TakeUp, CALL_WITHIN).await {
                    self.surroundings.mirror.end(&key);
                }
            }
            Errand::TooLow { key, node, stamp } => {
                // A conductor that does not hear this is told again at its next plan.
                self.ask_there(&node, &key, Ask::TooLow { stamp }, CALL_WITHIN).await;
            }
            Errand::Restore { key, snapshot } => {
                let stamp = snapshot.stamp;
                match self.ask(&key, Ask::Restore { snapshot: *snapshot }, CALL_WITHIN).await {
                    Ok(_) => {
                        if let Some(room) = self.surroundings.mirror.room(&key) {
                            room.dealt_with(stamp);
                        }
                    }
                    // It is kept, and tried again with the next reconciliation.
                    Err(refused) => {
                        tracing::warn!(
                            tenant.id = %key.tenant, room.code = %key.code, error = %refused,
                            "what this gateway knows was not taken"
                        )
                    }
                }
            }
            Errand::Return { key, member } => {
                let connections: Vec<u64> = member.connections.keys().copied().collect();
                match self.ask(&key, Ask::Return { member: *member }, CALL_WITHIN).await {
                    Err(ControlRefused::Refused(Refusal::RemovedFromRoom)) => self.send_away(&key, &connections),
                    Err(ControlRefused::NotFound) => self.surroundings.mirror.end(&key),
                    // The next reconciliation tries again.
                    Ok(_) | Err(_) => {}
                }
            }
            Errand::Depart { key, connection } => {
                // As above.
                let _ = self.ask(&key, Ask::Depart { connection }, CALL_WITHIN).await;
            }
        }
    }

    fn read_again_later(self: &Arc<Self>, key: RoomKey) {
        let router = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            router.surroundings.mirror.run_errand(Errand::ReRead { key });
        });
    }

    /// Takes the room's record in; false where it could not be read. A room that is gone is ended.
    async fn read_again(&self, key: &RoomKey) -> bool {
        let Some(room) = self.surroundings.mirror.room(key) else { return true };
        let store = &self.surroundings.store;
        let Ok(record) = store.load_room(key).await else { return false };
        let Some(record) = record else {
            if self.is_lost(key).await {
                return false;
            }
            self.surroundings.mirror.end(key);
            return true;
        };
        let Ok(stored) = store.members(key).await else { return false };
        let stamp = Stamp { epoch: record.epoch, nonce: record.nonce, rev: record.controls.rev };
        let (controls, members_rev) = (Arc::new(record.controls), stored.members_rev);
        let snapshot = Snapshot { stamp, lineage: record.lineage, members_rev, controls, members: stored.members };
        // What says nothing new is no conductor's word: it ends no holdover.
        if !room.lock().knows(&snapshot) {
            room.accept_snapshot(&snapshot);
        }
        let mut state = room.lock();
        // A record that was overtaken while it was read is read again. Where it is of an earlier reign than is known here,
        // its owner will be told so with its next plan.
        let was_overtaken = stamp < state.stamp && (stamp.epoch, stamp.nonce) == (state.stamp.epoch, state.stamp.nonce);
        state.is_stale = was_overtaken;
        !was_overtaken
    }

    fn send_away(&self, key: &RoomKey, connections: &[u64]) {
        let Some(room) = self.surroundings.mirror.room(key) else { return };
        let mut state = room.lock();
        connections.iter().for_each(|connection| state.unsettle(*connection));
        room.audience().eject(connections, Some(("removed_from_room", "{}")));
    }
}

impl Errand {
    /// By this the same errand is known.
    fn name(&self) -> (RoomKey, &'static str, u64) {
        match self {
            Self::ReRead { key } => (key.clone(), "re-read", 0),
            Self::Summon { key } => (key.clone(), "summon", 0),
            Self::TooLow { key, .. } => (key.clone(), "too low", 0),
            Self::Restore { key, snapshot } => (key.clone(), "restore", snapshot.stamp.epoch ^ snapshot.stamp.nonce),
            Self::Return { key, member } => {
                (key.clone(), "return", xxhash_rust::xxh3::xxh3_64(member.student_id.as_bytes()))
            }
            Self::Depart { key, connection } => (key.clone(), "depart", *connection),
        }
    }
}
