//! Whether this node should be sent traffic.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

/// The causes for which a node is not ready. It begins as `starting`; ready is who has no cause left.
#[derive(Debug)]
pub struct Readiness {
    starting: AtomicBool,
    draining: AtomicBool,
    /// Parts that have failed and that only a restart repairs, by their name.
    poisoned: Mutex<BTreeSet<&'static str>>,
    /// Parts that do not work at the moment.
    held: Mutex<BTreeSet<&'static str>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// A node that is still starting.
    pub fn new() -> Self {
        Self {
            starting: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            poisoned: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// The start is over.
    pub fn started(&self) {
        self.starting.store(false, Ordering::Release);
    }

    /// The node leaves; there is no way back.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// A part of the node has failed for good.
    pub fn poison(&self, part: &'static str) {
        self.poisoned.lock().insert(part);
    }

    /// A part does not work for now, or works again.
    pub fn hold(&self, part: &'static str, is_held: bool) {
        let mut held = self.held.lock();
        if is_held {
            held.insert(part);
        } else {
            held.remove(part);
        }
    }

    /// Why the node is not ready: `starting`, `draining`, `poisoned: <part>`, `waiting for: <part>`. Empty: it is.
    pub fn causes(&self) -> Vec<String> {
        let starting = self.starting.load(Ordering::Acquire).then(|| "starting".to_owned());
        let draining = self.draining.load(Ordering::Acquire).then(|| "draining".to_owned());
        let poisoned = self.poisoned.lock();
        let poisoned = poisoned.iter().map(|part| format!("poisoned: {part}"));
        let held = self.held.lock();
        let held = held.iter().map(|part| format!("waiting for: {part}"));
        starting.into_iter().chain(draining).chain(poisoned).chain(held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_from_the_end_of_its_start_to_its_drain() {
        let readiness = Readiness::new();
        assert_eq!(readiness.causes(), ["starting"]);
        readiness.started();
        assert!(readiness.causes().is_empty());
        readiness.drain();
        assert_eq!(readiness.causes(), ["draining"]);
    }

    #[test]
    fn a_node_that_waits_for_a_part_is_ready_again_once_it_works() {
        let readiness = Readiness::new();
        readiness.started();
        readiness.hold("redis", true);
        assert_eq!(readiness.causes(), ["waiting for: redis"]);
        readiness.hold("redis", false);
        assert!(readiness.causes().is_empty());
    }

    #[test]
    fn every_poisoned_part_is_named_once() {
        let readiness = Readiness::new();
        readiness.started();
        for part in ["store", "beat thread", "store"] {
            readiness.poison(part);
        }
        assert_eq!(readiness.causes(), ["poisoned: beat thread", "poisoned: store"]);
    }
}
