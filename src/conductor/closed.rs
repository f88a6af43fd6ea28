//! The rooms that this node knows to be closed: so that none of them comes back when a store that has lost everything
//! is filled again from what nodes know.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::room::RoomKey;

/// Rooms remembered; past it the oldest are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Closed rooms and the epochs that they were closed in.
#[derive(Debug, Default)]
pub(super) struct ClosedRooms(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    epochs: HashMap<RoomKey, u64>,
    order: VecDeque<RoomKey>,
}

impl ClosedRooms {
    pub fn note(&self, key: &RoomKey, epoch: u64) {
        let mut remembered = self.0.lock();
        let known = remembered.epochs.entry(key.clone()).or_default();
        let is_new = *known == 0;
        *known = (*known).max(epoch);
        if is_new {
            remembered.order.push_back(key.clone());
        }
        if remembered.order.len() > REMEMBERED_MAX
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.epochs.remove(&oldest);
        }
    }

    pub fn all(&self) -> Vec<(RoomKey, u64)> {
        self.0.lock().epochs.iter().map(|(key, epoch)| (key.clone(), *epoch)).collect()
    }
}
