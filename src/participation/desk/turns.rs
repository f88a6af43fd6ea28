//! Who may read many events, and when: no school's questions keep another's from theirs.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::DeskError;

/// How many sessions are read at a time, of all askers: the connections that are left are the drain's.
pub const READ_AT_ONCE: usize = 3;
/// Of one tenant: fewer than of all, so that one which asks without end leaves a place.
pub const TENANT_READS_AT_ONCE: usize = 2;
/// How many more questions of a tenant may wait.
const TENANT_WAITING_MAX: usize = 4;

/// First a tenant's own turn, then the common one: whoever comes finds at most [`TENANT_READS_AT_ONCE`] sessions of
/// each other tenant before them.
pub struct Turns {
    common: Semaphore,
    /// Those who ask now.
    tenants: Mutex<HashMap<Arc<str>, Arc<OfTenant>>>,
}

struct OfTenant {
    turns: Semaphore,
    asks: AtomicUsize,
}

/// A question that counts until it is answered.
pub struct Ask<'a> {
    all: &'a Turns,
    name: Arc<str>,
    tenant: Arc<OfTenant>,
}

/// Held while a session is read.
pub struct Turn<'a> {
    _own: SemaphorePermit<'a>,
    _common: SemaphorePermit<'a>,
}

impl Turns {
    pub fn new() -> Self {
        Self { common: Semaphore::new(READ_AT_ONCE), tenants: Mutex::default() }
    }

    /// # Errors
    /// [`DeskError::TooManyAsks`] where enough of the tenant's are answered or wait.
    pub fn ask(&self, tenant: &str) -> Result<Ask<'_>, DeskError> {
        let mut tenants = self.tenants.lock();
        let name = tenants.get_key_value(tenant).map_or_else(|| tenant.into(), |(name, _)| Arc::clone(name));
        let tenant = tenants.entry(Arc::clone(&name)).or_insert_with(|| {
            Arc::new(OfTenant { turns: Semaphore::new(TENANT_READS_AT_ONCE), asks: AtomicUsize::new(0) })
        });
        if tenant.asks.load(Relaxed) >= TENANT_READS_AT_ONCE + TENANT_WAITING_MAX {
            return Err(DeskError::TooManyAsks);
        }
        // Counted under the lock, here and when it ends.
        tenant.asks.fetch_add(1, Relaxed);
        Ok(Ask { all: self, name, tenant: Arc::clone(tenant) })
    }
}

impl Ask<'_> {
    /// Waits until a session may be read.
    pub async fn turn(&self) -> Result<Turn<'_>, DeskError> {
        // Closed with the node, when nobody reads any more.
        let gone = |_| DeskError::Unavailable;
        let own = self.tenant.turns.acquire().await.map_err(gone)?;
        Ok(Turn { _own: own, _common: self.all.common.acquire().await.map_err(gone)? })
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        let mut tenants = self.all.tenants.lock();
        if self.tenant.asks.fetch_sub(1, Relaxed) == 1 {
            tenants.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_tenant_that_asks_without_end_leaves_others_a_turn() {
        let turns = Turns::new();
        let greedy: Vec<Ask<'_>> = (0..6).map(|_| turns.ask("acme").expect("one more")).collect();
        let taken: Vec<Turn<'_>> = greedy.iter().filter_map(|ask| ask.turn().now_or_never()?.ok()).collect();
        assert_eq!(taken.len(), 2);
        let other = turns.ask("zeta").expect("the first");
        assert!(other.turn().now_or_never().is_some_and(|turn| turn.is_ok()), "at once");
    }

    #[test]
    fn the_seventh_question_of_a_tenant_is_refused_until_one_is_answered() {
        let turns = Turns::new();
        let mut asks: Vec<Ask<'_>> = (0..6).map(|_| turns.ask("acme").expect("one more")).collect();
        assert_eq!(turns.ask("acme").err(), Some(DeskError::TooManyAsks));
        assert!(turns.ask("zeta").is_ok());
        asks.pop();
        assert!(turns.ask("acme").is_ok());
    }

    #[test]
    fn nothing_is_kept_of_a_tenant_that_asks_nothing() {
        let turns = Turns::new();
        let asks = [turns.ask("acme"), turns.ask("acme"), turns.ask("zeta")];
        assert_eq!(turns.tenants.lock().len(), 2);
        drop(asks);
        assert!(turns.tenants.lock().is_empty());
    }
}
