use std::sync::atomic::{AtomicI64, Ordering};

use super::Clock;

/// A clock that stands still until its test moves it.
#[derive(Debug)]
pub struct FakeClock {
    now_us: AtomicI64,
}

impl FakeClock {
    pub fn at(now_us: i64) -> Self {
        Self { now_us: AtomicI64::new(now_us) }
    }

    pub fn advance(&self, by_us: i64) {
        self.now_us.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }

    fn boot_us(&self) -> i64 {
        self.now_us()
    }

    fn boot_at(&self, cluster_us: i64) -> i64 {
        cluster_us
    }

    fn uncertainty_us(&self) -> i64 {
        1
    }

    fn time_base(&self) -> &str {
        "fake"
    }
}
