//! All sockets of this node, for what concerns each: idleness, token deadlines, the drain.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::outbox::{Outbox, Signal};
use crate::protocol::CloseCode;

/// A drain closes some sockets every so often.
const DRAIN_SLICE: Duration = Duration::from_millis(10);

/// The sockets that are open.
#[derive(Default)]
pub struct Registry {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Socket>>,
    is_draining: AtomicBool,
    one_closed: Notify,
}

/// An open socket, and whose it is.
struct Socket {
    tenant: Arc<str>,
    outbox: Arc<Outbox>,
}

/// One socket's entry; gone when dropped.
pub struct Registration {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    pub(super) fn register(self: &Arc<Self>, tenant: Arc<str>, outbox: Arc<Outbox>) -> Registration {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(number, Socket { tenant, outbox: outbox.clone() });
        if self.is_draining.load(Ordering::SeqCst) {
            outbox.close(CloseCode::Drain);
        }
        Registration { registry: self.clone(), number }
    }

    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Once a second: the coarse wheel that serves all sockets, so that none has a timer of its own.
    pub fn sweep(&self, boot_us: i64, now_s: i64, idle_timeout: Duration) {
        let idle_max_s = u32::try_from(idle_timeout.as_secs()).unwrap_or(u32::MAX);
        for Socket { outbox, .. } in self.open.lock().values() {
            outbox.sweep(boot_us, now_s, idle_max_s);
        }
    }

    /// Closes every socket with 1012, spread over `window`: phoenix.js comes back without jitter of its own.
    pub async fn drain(&self, window: Duration) {
        // Before the list is made: who is not on it closes itself.
        self.is_draining.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.open.lock().values().map(|socket| socket.outbox.clone()).collect();
        let slices = usize::try_from(window.as_millis() / DRAIN_SLICE.as_millis()).unwrap_or(1).max(1);
        for some in all.chunks(all.len().div_ceil(slices).max(1)) {
            some.iter().for_each(|outbox| outbox.close(CloseCode::Drain));
            tokio::time::sleep(DRAIN_SLICE).await;
        }
    }

    /// How many sockets a tenant has here.
    pub fn count_of(&self, tenant: &str) -> usize {
        self.open.lock().values().filter(|socket| *socket.tenant == *tenant).count()
    }

    /// Tells a tenant's sockets that it has changed, or is no more. Each looks for itself what that means.
    pub fn tell_of_change(&self, tenant: &str) {
        for outbox in self.of(tenant) {
            outbox.signal(Signal::TenantChanged);
        }
    }

    /// Closes a tenant's sockets with 1001, after which they may come back at once; says how many.
    pub fn disconnect(&self, tenant: &str) -> usize {
        let all = self.of(tenant);
        all.iter().for_each(|outbox| outbox.close(CloseCode::ForcedDisconnect));
        all.len()
    }

    fn of(&self, tenant: &str) -> Vec<Arc<Outbox>> {
        let open = self.open.lock();
        open.values().filter(|socket| *socket.tenant == *tenant).map(|socket| socket.outbox.clone()).collect()
    }

    /// Resolves when no socket is open any more.
    pub async fn emptied(&self) {
        loop {
            let mut closed = std::pin::pin!(self.one_closed.notified());
            // Listening before looking: a socket that closes in between is not missed.
            closed.as_mut().enable();
            if self.is_empty() {
                return;
            }
            closed.await;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.open.lock().remove(&self.number);
        self.registry.one_closed.notify_waiters();
    }
}
