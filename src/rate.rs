//! A rate with a burst, by the generic cell rate algorithm (ITU-T I.371): one number, no timer, no lock.

use std::sync::atomic::{AtomicI64, Ordering};

/// One thing's rate. The number is the theoretical arrival time of its next event, in boot-time µs.
#[derive(Debug, Default)]
pub struct Rate {
    next_at_us: AtomicI64,
}

impl Rate {
    /// True when one more event keeps to `count` in `period_us`; that many may come at once.
    pub fn admits(&self, count: u32, period_us: i64, boot_us: i64) -> bool {
        self.admits_all(1, count, period_us, boot_us)
    }

    /// The same for `events` together: all of them, or none.
    pub fn admits_all(&self, events: u32, count: u32, period_us: i64, boot_us: i64) -> bool {
        let step = |next_at_us| step(next_at_us, events, count, period_us, boot_us);
        self.next_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }

    /// Whether [`Rate::admits`] would say yes; counts nothing.
    pub fn would_admit(&self, count: u32, period_us: i64, boot_us: i64) -> bool {
        step(self.next_at_us.load(Ordering::Relaxed), 1, count, period_us, boot_us).is_some()
    }

    /// From now on `to` are admitted in the period, where it was `from`: what may come at once now stays the same
    /// number, so that nobody catches up on what a lower rate has refused.
    pub fn change(&self, from: u32, to: u32, period_us: i64, boot_us: i64) {
        let change = |next_at_us: i64| {
            let room_us = period_us - (next_at_us.max(boot_us) - boot_us);
            let room_us = room_us.saturating_mul(i64::from(from)) / i64::from(to.max(1));
            Some(boot_us + period_us - room_us.clamp(0, period_us))
        };
        // It always changes.
        let _ = self.next_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

fn step(next_at_us: i64, events: u32, count: u32, period_us: i64, boot_us: i64) -> Option<i64> {
    // More than come in a period are let in when nothing else was: they take what they take.
    let interval_us = period_us / i64::from(count.max(1)) * i64::from(events);
    let place_us = interval_us.min(period_us);
    let next_at_us = next_at_us.max(boot_us);
    (next_at_us - boot_us <= period_us - place_us).then_some(next_at_us + interval_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_events_together_are_admitted_all_or_none() {
        let rate = Rate::default();
        assert!(rate.admits_all(10, 10, 1_000_000, 1));
        assert!(!rate.admits_all(2, 10, 1_000_000, 100_001));
        assert!(rate.admits(10, 1_000_000, 100_001), "what was refused took nothing");
    }

    #[test]
    fn more_than_a_period_s_worth_wait_until_nothing_else_was_and_cost_what_they_are() {
        let rate = Rate::default();
        assert!(rate.admits_all(15, 10, 1_000_000, 1));
        assert!(!rate.admits(10, 1_000_000, 600_000), "a period and a half are taken");
        assert!(rate.admits(10, 1_000_000, 600_001));
    }

    #[test]
    fn a_burst_of_the_whole_count_is_admitted_and_then_the_steady_rate() {
        let rate = Rate::default();
        assert_eq!((0..50).filter(|_| rate.admits(10, 60_000_000, 1)).count(), 10);
        assert!(!rate.admits(10, 60_000_000, 6_000_000));
        assert!(rate.admits(10, 60_000_000, 6_000_001));
    }

    #[test]
    fn a_rate_that_rises_or_falls_admits_no_burst_on_top() {
        let count = |rate: &Rate, limit, boot_us| (0..500).filter(|_| rate.admits(limit, 1_000_000, boot_us)).count();
        let rate = Rate::default();
        assert_eq!(count(&rate, 2, 0), 2);
        rate.change(2, 100, 1_000_000, 500_000);
        assert_eq!(count(&rate, 100, 500_000), 1);
        assert_eq!(count(&rate, 100, 600_000), 10);
        rate.change(100, 10, 1_000_000, 1_000_000);
        assert_eq!(count(&rate, 10, 1_000_000), 10);
        assert_eq!(count(&rate, 10, 1_050_000), 0);
    }

    #[test]
    fn looking_ahead_counts_nothing() {
        let rate = Rate::default();
        assert!((0..50).all(|_| rate.would_admit(1, 1_000_000, 0)));
        assert!(rate.admits(1, 1_000_000, 0));
        assert!(!rate.would_admit(1, 1_000_000, 0));
    }
}
