use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use super::{
    Clock,
    line::Line,
    reference::Reference,
    sample::{Advice, Sample},
};

/// Cluster time on this node: a line over `CLOCK_BOOTTIME` that is bent, never broken, towards its reference.
///
/// The embedded node's reference is the machine's own real-time clock; when somebody sets that clock,
/// the rooms' beats go on evenly while the offset is slewed away. In a cluster it is Redis' clock, looked at some
/// four times a second, with the offset that the nodes have agreed on.
pub struct ClusterClock {
    line: ArcSwap<Line>,
    /// Held while the line is bent.
    reference: Mutex<Reference>,
    time_base: String,
}

impl ClusterClock {
    /// The clock of an embedded node: starts at the machine's real time, and `discipline` follows it. `time_base`
    /// must be new at each start of a process.
    pub fn start(time_base: String) -> Self {
        Self::with(Line::of_machine(read(ClockId::Boottime), read(ClockId::Realtime)), time_base)
    }

    /// The clock of a node in a cluster. It is not set, and says what the machine's clock says, until `take_in` or
    /// `agreed` has told it the offset; nothing that is due may be emitted before.
    pub fn in_cluster(time_base: String) -> Self {
        Self::with(Line::not_set(read(ClockId::Boottime), read(ClockId::Realtime)), time_base)
    }

    fn with(line: Line, time_base: String) -> Self {
        Self { line: ArcSwap::from_pointee(line), reference: Mutex::default(), time_base }
    }

    /// Whether this is cluster time already. Once true, always true, and from then on the clock never steps.
    pub fn is_set(&self) -> bool {
        self.line.load().is_set()
    }

    /// Compares with the machine's real-time clock and bends the line towards it: for embedded nodes. To be called
    /// about once a second.
    pub fn discipline(&self) {
        let _bending = self.reference.lock();
        let line = self.line.load().towards_machine(read(ClockId::Boottime), read(ClockId::Realtime));
        self.line.store(Arc::new(line));
    }

    /// Takes in a look at Redis' clock and bends the line: for nodes in a cluster. To be called about four times a
    /// second, the samples in their order. `is_founder`: this node has just created the `generation` key.
    pub fn take_in(&self, sample: &Sample, is_founder: bool) -> Advice {
        let mut reference = self.reference.lock();
        let advice = reference.take_in(sample, is_founder);
        self.bend(&reference);
        advice
    }

    /// The offset that the store says is in force for the server `run_id` after a proposal, whoever won.
    pub fn agreed(&self, run_id: &str, offset_us: i64) {
        let mut reference = self.reference.lock();
        reference.agreed(run_id, offset_us, read(ClockId::Boottime));
        self.bend(&reference);
    }

    fn bend(&self, reference: &Reference) {
        if let Some(estimate) = reference.estimate() {
            let line = self.line.load().towards(read(ClockId::Boottime), estimate);
            self.line.store(Arc::new(line));
        }
    }
}

impl Clock for ClusterClock {
    fn now_us(&self) -> i64 {
        // The clock before the line: a line also knows the rate that held before it was bent, but not the next one.
        let boot_us = read(ClockId::Boottime);
        self.line.load().at(boot_us)
    }

    fn boot_us(&self) -> i64 {
        read(ClockId::Boottime)
    }

    fn boot_at(&self, cluster_us: i64) -> i64 {
        self.line.load().boot_at(cluster_us)
    }

    fn uncertainty_us(&self) -> i64 {
        let boot_us = read(ClockId::Boottime);
        self.line.load().uncertainty_us(boot_us)
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

    fn sample(clock: &ClusterClock, server_us: i64, offset_us: Option<i64>) -> Sample {
        let boot_us = clock.boot_us();
        Sample { asked_boot_us: boot_us, answered_boot_us: boot_us, run_id: "one".into(), server_us, offset_us }
    }

    #[test]
    fn a_clock_in_a_cluster_is_not_set_before_it_knows_the_offset_and_is_set_in_one_step() {
        let clock = ClusterClock::in_cluster("test".into());
        assert!(!clock.is_set());
        assert_eq!(clock.take_in(&sample(&clock, 5_000_000, None), false), Advice::Wait);
        assert!(!clock.is_set());
        assert_eq!(clock.take_in(&sample(&clock, 5_000_000, Some(70_000_000_000)), false), Advice::Steered);
        assert!(clock.is_set());
        let now_us = clock.now_us();
        assert!((70_005_000_000..70_035_000_000).contains(&now_us), "{now_us}");
        assert!(clock.uncertainty_us() < 10_000);
    }

    #[test]
    fn a_founder_sets_its_clock_by_its_own_proposal() {
        let clock = ClusterClock::in_cluster("test".into());
        let advice = clock.take_in(&sample(&clock, 5_000_000, None), true);
        assert_eq!(advice, Advice::Propose { run_id: "one".into(), expected_us: None, offset_us: 0 });
        clock.agreed("one", 0);
        assert!(clock.is_set());
        assert!((5_000_000..35_000_000).contains(&clock.now_us()));
    }

    #[test]
    fn an_embedded_clock_is_set_from_the_start_and_certain() {
        let clock = ClusterClock::start("test".into());
        assert!(clock.is_set());
        clock.discipline();
        assert_eq!(clock.uncertainty_us(), 1);
        assert!((clock.now_us() - read(ClockId::Realtime)).abs() < 1_000_000);
    }
}
