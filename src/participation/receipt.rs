//! When events are safe: how far the feed is, and who waits for that.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::watch;

/// How far the feed is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Of all events up to this number it is settled what became of them.
    pub number: u64,
    /// The sink is out, or slow: nobody shall wait for it.
    pub is_stalled: bool,
}

impl Progress {
    fn settles(self, number: u64) -> bool {
        self.number >= number || self.is_stalled
    }
}

/// What is done once an event is settled.
type Follow = Box<dyn FnOnce() + Send>;

/// The feed's progress, and what follows from it.
#[derive(Default)]
pub(super) struct Settlement {
    progress: watch::Sender<Progress>,
    /// What is to be done after which event. A task that waits for each note would cost more than all else of it.
    follows: Mutex<Vec<(u64, Option<Follow>)>>,
}

impl Settlement {
    pub fn is_stalled(&self) -> bool {
        self.progress.borrow().is_stalled
    }

    pub fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Everything up to `number` is kept or lost.
    pub fn reach(&self, number: u64) {
        self.progress.send_replace(Progress { number, is_stalled: false });
        self.follow();
    }

    /// Nobody waits for the sink from now on. False when that was so already.
    pub fn stall(&self) -> bool {
        let has_changed = self.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.is_stalled, true));
        self.follow();
        has_changed
    }

    /// Does what was to be done after the events that are settled now.
    fn follow(&self) {
        let progress = *self.progress.borrow();
        let mut over = Vec::new();
        self.follows.lock().retain_mut(|(number, follow)| {
            let is_over = progress.settles(*number);
            if is_over {
                over.extend(follow.take());
            }
            !is_over
        });
        for follow in over {
            // What goes wrong with one costs the others nothing; the panic is logged where it happens.
            let _ = catch_unwind(AssertUnwindSafe(follow));
        }
    }

    fn settles(&self, number: u64) -> bool {
        self.progress.borrow().settles(number)
    }

    fn then(&self, number: u64, follow: Follow) {
        {
            // Looked at under the lock: whoever tells of progress comes for what follows after it.
            let mut follows = self.follows.lock();
            if !self.settles(number) {
                follows.push((number, Some(follow)));
                return;
            }
        }
        follow();
    }
}

/// Tells when an event is safe.
#[derive(Default)]
pub struct Receipt(Option<(u64, Arc<Settlement>)>);

impl Receipt {
    /// For an event of which progress will tell under this number.
    pub(super) fn new(number: u64, settlement: Arc<Settlement>) -> Self {
        Self(Some((number, settlement)))
    }

    /// Nothing to wait for.
    pub fn is_settled(&self) -> bool {
        self.0.as_ref().is_none_or(|(number, settlement)| settlement.settles(*number))
    }

    /// Resolves once the event is safe, or nobody shall wait for that any longer.
    pub async fn settled(self) {
        if let Some((number, settlement)) = self.0 {
            // Nobody tells any more only when the node is going down.
            let _ = settlement.subscribe().wait_for(|progress| progress.settles(number)).await;
        }
    }

    /// Has something short done then, by the feed itself; at once where there is nothing to wait for.
    pub fn then(self, follow: impl FnOnce() + Send + 'static) {
        match self.0 {
            Some((number, settlement)) => settlement.then(number, Box::new(follow)),
            None => follow(),
        }
    }
}
