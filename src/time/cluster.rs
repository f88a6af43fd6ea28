use arc_swap::ArcSwap;
use rustix::time::{ClockId, clock_gettime};

use super::Clock;

/// The greatest rate at which the clock is slewed, in parts per billion (500 ppm).
const SLEW_PPB_MAX: i64 = 500_000;
/// Over which time an offset is worked off, where the greatest rate allows it.
const SLEW_WINDOW_US: i64 = 10_000_000;

/// Cluster time on this node: a line over `CLOCK_BOOTTIME` that is bent, never broken, towards its reference.
///
/// The embedded node's reference is the machine's own real-time clock; when somebody sets that clock,
/// the rooms' beats go on evenly while the offset is slewed away.
pub struct ClusterClock {
    line: ArcSwap<Line>,
    time_base: String,
}

/// `cluster = cluster0 + (boot − boot0) · (1 + rate)`.
struct Line {
    boot0_us: i64,
    cluster0_us: i64,
    rate_ppb: i64,
    uncertainty_us: i64,
}

impl Line {
    fn at(&self, boot_us: i64) -> i64 {
        let elapsed = i128::from(boot_us - self.boot0_us);
        let slewed = elapsed * i128::from(self.rate_ppb) / 1_000_000_000;
        self.cluster0_us + (elapsed + slewed) as i64
    }

    fn boot_at(&self, cluster_us: i64) -> i64 {
        let elapsed = i128::from(cluster_us) - i128::from(self.cluster0_us);
        let boot = elapsed * 1_000_000_000 / i128::from(1_000_000_000 + self.rate_ppb);
        (i128::from(self.boot0_us) + boot).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

impl ClusterClock {
    /// Starts at the machine's real time. `time_base` must be new at each start of a process.
    pub fn start(time_base: String) -> Self {
        let line = Line {
            boot0_us: read(ClockId::Boottime),
            cluster0_us: read(ClockId::Realtime),
            rate_ppb: 0,
            uncertainty_us: 1,
        };
        Self { line: ArcSwap::from_pointee(line), time_base }
    }

    /// Compares with the reference and bends the line towards it. To be called about once a second.
    pub fn discipline(&self) {
        self.steer_towards(read(ClockId::Boottime), read(ClockId::Realtime));
    }

    fn steer_towards(&self, boot_us: i64, reference_us: i64) {
        let cluster_us = self.line.load().at(boot_us);
        let offset_us = reference_us - cluster_us;
        let rate_ppb = (i128::from(offset_us) * 1_000_000_000 / i128::from(SLEW_WINDOW_US))
            .clamp(-i128::from(SLEW_PPB_MAX), i128::from(SLEW_PPB_MAX)) as i64;
        self.line.store(std::sync::Arc::new(Line {
            boot0_us: boot_us,
            cluster0_us: cluster_us,
            rate_ppb,
            uncertainty_us: 1,
        }));
    }
}

impl Clock for ClusterClock {
    fn now_us(&self) -> i64 {
        self.line.load().at(read(ClockId::Boottime))
    }

    fn boot_us(&self) -> i64 {
        read(ClockId::Boottime)
    }

    fn boot_at(&self, cluster_us: i64) -> i64 {
        self.line.load().boot_at(cluster_us)
    }

    fn uncertainty_us(&self) -> i64 {
        self.line.load().uncertainty_us
    }

    fn time_base(&self) -> &str {
        &self.time_base
    }

    fn now_s(&self) -> i64 {
        read(ClockId::Realtime).div_euclid(1_000_000)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_at(boot_us: i64, cluster_us: i64) -> ClusterClock {
        ClusterClock {
            line: ArcSwap::from_pointee(Line {
                boot0_us: boot_us,
                cluster0_us: cluster_us,
                rate_ppb: 0,
                uncertainty_us: 1,
            }),
            time_base: "test".into(),
        }
    }

    #[test]
    fn a_leap_of_the_reference_is_slewed_at_500_ppm_and_never_jumped() {
        let clock = clock_at(0, 1_000_000);
        clock.steer_towards(1_000_000, 3_602_000_000);
        let line = clock.line.load();
        assert_eq!(line.at(1_000_000), 2_000_000, "no step at the moment of the leap");
        assert_eq!(line.at(2_000_000), 3_000_500, "500 ppm afterwards");
    }

    #[test]
    fn a_clock_ahead_of_its_reference_slows_down_and_never_runs_backwards() {
        let clock = clock_at(0, 10_000_000);
        clock.steer_towards(0, 0);
        let line = clock.line.load();
        assert!(line.at(1_000) > line.at(0));
        assert_eq!(line.at(1_000_000), 10_999_500);
    }

    #[test]
    fn the_boot_instant_of_a_cluster_time_reads_that_cluster_time() {
        let clock = clock_at(5, 1_000_000);
        clock.steer_towards(1_000, 9_000_000);
        let line = clock.line.load();
        for cluster_us in [1_000_995, 1_500_000, 60_000_000, 3_600_000_000] {
            assert!((line.at(line.boot_at(cluster_us)) - cluster_us).abs() <= 1);
        }
    }
}
