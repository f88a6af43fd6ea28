//! The only place that reads a clock: the cluster's clock, a fake one for tests, and the beat thread.

mod beat_thread;
mod cluster;
mod fake;
mod line;
mod reference;
mod sample;
mod window;

pub use beat_thread::{BATCH_WINDOW_US, BeatThread, Wheel};
pub use cluster::ClusterClock;
pub use fake::FakeClock;
pub use line::{Line, SLEW_PPB_MAX};
pub use reference::{Estimate, Reference};
pub use sample::{Advice, Sample};

/// Where all code takes its time from, so that tests own it.
pub trait Clock: Send + Sync {
    /// Cluster time: microseconds since the Unix epoch, the same on every node, never stepping back.
    fn now_us(&self) -> i64;
    /// This machine's boot-time clock in microseconds: it counts through suspension and is never set.
    fn boot_us(&self) -> i64;
    /// The boot-time instant at which cluster time will read `cluster_us`.
    fn boot_at(&self, cluster_us: i64) -> i64;
    /// How far `now_us` may be from true cluster time, in microseconds.
    fn uncertainty_us(&self) -> i64;
    /// Names the continuous stretch of time that `now_us` belongs to. Where it differs, samples of the
    /// clock taken before say nothing about it now.
    fn time_base(&self) -> &str;

    /// Whole seconds since the Unix epoch by the machine's own calendar, for token claims: unlike cluster time it
    /// follows at once when that clock is set right.
    fn now_s(&self) -> i64 {
        self.now_us().div_euclid(1_000_000)
    }
}
