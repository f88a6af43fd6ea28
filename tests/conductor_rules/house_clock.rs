use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use downbeat::time::{Clock, FakeClock};
use parking_lot::Mutex;

/// The house's clock: a fake one that writes down for when beats are waited for.
pub struct HouseClock {
    fake: Arc<FakeClock>,
    /// When the beats are due that the beat thread was asked to wait for.
    pub waited_for: Mutex<Vec<i64>>,
    waits: AtomicUsize,
    /// How often it was read: no two readings are the same.
    readings: AtomicI64,
}

impl HouseClock {
    pub fn over(fake: Arc<FakeClock>) -> Self {
        Self { fake, waited_for: Mutex::default(), waits: AtomicUsize::new(0), readings: AtomicI64::new(0) }
    }

    /// How often the beat thread was asked to wait.
    pub fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }
}

impl Clock for HouseClock {
    fn now_us(&self) -> i64 {
        self.fake.now_us()
    }

    fn boot_us(&self) -> i64 {
        self.fake.boot_us() + self.readings.fetch_add(1, Ordering::Relaxed)
    }

    /// Asked exactly when something is put on the wheel.
    fn boot_at(&self, cluster_us: i64) -> i64 {
        self.waited_for.lock().push(cluster_us);
        self.waits.fetch_add(1, Ordering::SeqCst);
        cluster_us
    }

    fn uncertainty_us(&self) -> i64 {
        1
    }

    fn time_base(&self) -> &str {
        "fake"
    }
}
