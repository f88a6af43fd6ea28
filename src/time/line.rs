use super::reference::Estimate;

/// The greatest rate at which a clock is slewed, in parts per billion (500 ppm): inaudible as tempo.
pub const SLEW_PPB_MAX: i64 = 500_000;
/// Over which time a node that follows the machine's clock works off an offset, where the rate allows it.
const MACHINE_WINDOW_US: i64 = 10_000_000;
/// The same in a cluster, where nodes must agree to the millisecond while their oscillators differ.
const CLUSTER_WINDOW_US: i64 = 1_000_000;
/// What a clock that is not set says of its uncertainty: ten years, still exact as a JSON number.
const UNKNOWN_US: i64 = 315_360_000_000_000;

const BILLION: i128 = 1_000_000_000;

/// Cluster time as a function of the boot-time clock: it bends towards what is known of cluster time, and is never
/// broken. A correction ends by itself when it is worked off, so that a line which nobody steers any more goes on at
/// the pace of the boot-time clock.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    boot0_us: i64,
    cluster0_us: i64,
    /// The rate that held until `boot0_us`: who read the boot-time clock just before the line was bent must not get
    /// another answer than his neighbour who was served before.
    rate_before_ppb: i64,
    /// The rate for `slew_us` from `boot0_us` on; afterwards none.
    rate_ppb: i64,
    slew_us: i64,
    reckoning: Reckoning,
}

#[derive(Clone, Copy, Debug)]
enum Reckoning {
    /// A guess, to be replaced in one step.
    NotSet,
    /// The machine's own clock is cluster time.
    Machine,
    Cluster(Estimate),
}

impl Line {
    /// A line that guesses `cluster_us`; the first estimate sets it with a step.
    pub fn not_set(boot_us: i64, cluster_us: i64) -> Self {
        Self::level(boot_us, cluster_us, Reckoning::NotSet)
    }

    /// The line of a node whose own real-time clock, now `cluster_us`, is cluster time.
    pub fn of_machine(boot_us: i64, cluster_us: i64) -> Self {
        Self::level(boot_us, cluster_us, Reckoning::Machine)
    }

    fn level(boot0_us: i64, cluster0_us: i64, reckoning: Reckoning) -> Self {
        Self { boot0_us, cluster0_us, rate_before_ppb: 0, rate_ppb: 0, slew_us: 0, reckoning }
    }

    pub fn is_set(&self) -> bool {
        !matches!(self.reckoning, Reckoning::NotSet)
    }

    /// Cluster time when the boot-time clock reads `boot_us`.
    pub fn at(&self, boot_us: i64) -> i64 {
        let elapsed = i128::from(boot_us) - i128::from(self.boot0_us);
        let rated = if elapsed < 0 {
            elapsed * i128::from(self.rate_before_ppb)
        } else {
            elapsed.min(i128::from(self.slew_us)) * i128::from(self.rate_ppb)
        };
        narrow(i128::from(self.cluster0_us) + elapsed + rated / BILLION)
    }

    /// The reading of the boot-time clock at which cluster time is `cluster_us`, as the line runs now.
    pub fn boot_at(&self, cluster_us: i64) -> i64 {
        let elapsed = i128::from(cluster_us) - i128::from(self.cluster0_us);
        let slew = i128::from(self.slew_us);
        let slewed = slew + slew * i128::from(self.rate_ppb) / BILLION;
        let boot = if elapsed < 0 {
            elapsed * BILLION / (BILLION + i128::from(self.rate_before_ppb))
        } else if elapsed <= slewed {
            elapsed * BILLION / (BILLION + i128::from(self.rate_ppb))
        } else {
            slew + (elapsed - slewed)
        };
        narrow(i128::from(self.boot0_us) + boot)
    }

    /// How far the line may be from cluster time when the boot-time clock reads `boot_us`, in microseconds: what the
    /// samples left open, what oscillators drift since, and what is still to be slewed.
    pub fn uncertainty_us(&self, boot_us: i64) -> i64 {
        match &self.reckoning {
            Reckoning::NotSet => UNKNOWN_US,
            Reckoning::Machine => 1,
            Reckoning::Cluster(estimate) => {
                let residual_us = estimate.at(boot_us).saturating_sub(self.at(boot_us)).saturating_abs();
                estimate.uncertainty_at(boot_us).saturating_add(residual_us)
            }
        }
    }

    /// The line from `boot_us` on, bent towards the machine's real-time clock, which reads `reference_us`.
    #[must_use]
    pub fn towards_machine(&self, boot_us: i64, reference_us: i64) -> Self {
        self.bent(boot_us, reference_us, MACHINE_WINDOW_US, Reckoning::Machine)
    }

    /// The line from `boot_us` on, bent towards `estimate`; a line that is not set is set by it.
    #[must_use]
    pub fn towards(&self, boot_us: i64, estimate: Estimate) -> Self {
        let reckoning = Reckoning::Cluster(estimate);
        let cluster_us = estimate.at(boot_us);
        if self.is_set() {
            self.bent(boot_us, cluster_us, CLUSTER_WINDOW_US, reckoning)
        } else {
            Self::level(boot_us, cluster_us, reckoning)
        }
    }

    fn bent(&self, boot_us: i64, reference_us: i64, window_us: i64, reckoning: Reckoning) -> Self {
        let cluster_us = self.at(boot_us);
        let offset = i128::from(reference_us) - i128::from(cluster_us);
        let greatest = i128::from(SLEW_PPB_MAX);
        let rate = (offset * BILLION / i128::from(window_us)).clamp(-greatest, greatest);
        let slew = if rate == 0 { 0 } else { offset * BILLION / rate };
        Self {
            boot0_us: boot_us,
            cluster0_us: cluster_us,
            rate_before_ppb: self.rate_ppb_at(boot_us),
            rate_ppb: narrow(rate),
            slew_us: narrow(slew),
            reckoning,
        }
    }

    fn rate_ppb_at(&self, boot_us: i64) -> i64 {
        let elapsed_us = boot_us.saturating_sub(self.boot0_us);
        if elapsed_us < 0 {
            self.rate_before_ppb
        } else if elapsed_us <= self.slew_us {
            self.rate_ppb
        } else {
            0
        }
    }
}

fn narrow(us: i128) -> i64 {
    us.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_of_the_reference_is_slewed_at_500_ppm_and_never_jumped() {
        let line = Line::of_machine(0, 1_000_000).towards_machine(1_000_000, 3_602_000_000);
        assert_eq!(line.at(1_000_000), 2_000_000, "no step at the moment of the leap");
        assert_eq!(line.at(2_000_000), 3_000_500, "500 ppm afterwards");
    }

    #[test]
    fn a_clock_ahead_of_its_reference_slows_down_and_never_runs_backwards() {
        let line = Line::of_machine(0, 10_000_000).towards_machine(0, 0);
        assert!(line.at(1_000) > line.at(0));
        assert_eq!(line.at(1_000_000), 10_999_500);
    }

    #[test]
    fn the_boot_instant_of_a_cluster_time_reads_that_cluster_time_before_within_and_after_a_correction() {
        let slow = Line::of_machine(5, 1_000_000).towards_machine(1_000, 0);
        let line = slow.towards_machine(2_000, 1_002_995 + 1_000);
        for cluster_us in [900_000, 1_000_995, 1_002_995, 1_500_000, 9_000_000, 60_000_000, 3_600_000_000] {
            assert!((line.at(line.boot_at(cluster_us)) - cluster_us).abs() <= 1, "{cluster_us}");
        }
    }

    #[test]
    fn a_correction_ends_when_it_is_worked_off() {
        let estimate = Estimate { boot_us: 0, cluster_us: 1_000_200, uncertainty_us: 50 };
        let first = Estimate { cluster_us: 1_000_000, ..estimate };
        let line = Line::not_set(0, 7).towards(0, first).towards(0, estimate);
        assert_eq!(line.at(0), 1_000_000);
        assert_eq!(line.at(500_000), 1_500_100, "200 ppm for a second");
        assert_eq!(line.at(60_000_000), 61_000_200, "and none afterwards");
    }

    #[test]
    fn who_looked_just_before_the_line_was_bent_gets_the_answer_of_before() {
        let before = Line::of_machine(0, 0).towards_machine(0, 1_000_000);
        let after = before.towards_machine(1_000_000, 0);
        for boot_us in [900_000, 990_001, 999_999, 1_000_000] {
            assert!((after.at(boot_us) - before.at(boot_us)).abs() <= 1);
        }
    }

    #[test]
    fn uncertainty_counts_what_is_still_to_be_slewed_and_grows_while_nobody_steers() {
        let line = Line::not_set(0, 0);
        assert!(!line.is_set());
        assert_eq!(line.uncertainty_us(0), UNKNOWN_US);
        let set = line.towards(0, Estimate { boot_us: 0, cluster_us: 0, uncertainty_us: 100 });
        let an_hour_off = set.towards(0, Estimate { boot_us: 0, cluster_us: 3_600_000_000, uncertainty_us: 100 });
        assert!(an_hour_off.uncertainty_us(0) >= 3_600_000_100);
        assert!(set.uncertainty_us(60_000_000) >= 100 + 6_000, "100 ppm of a minute");
    }
}
