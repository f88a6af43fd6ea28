use std::collections::VecDeque;

/// How fast this machine's boot-time clock and a server's clock may part, as one part in so many (100 ppm: two
/// oscillators without discipline, 50 ppm each).
pub const DRIFT_PARTS: i64 = 10_000;
/// How many looks at a server's clock are kept: about four seconds of them.
const LOOKS_MAX: usize = 16;

/// One look at a server's clock: what the server said between two readings of this machine's boot-time clock.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub asked_boot_us: i64,
    pub answered_boot_us: i64,
    pub server_us: i64,
}

/// A server's clock at one reading of the boot-time clock.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub boot_us: i64,
    pub server_us: i64,
    pub uncertainty_us: i64,
}

/// The last looks at one server's clock that do not contradict each other.
///
/// Each look bounds (server − boot) from both sides; older bounds are widened by drift. Their intersection is at most
/// as wide as the best look's round trip, most often much narrower, since the quickest way there and the quickest way
/// back need not belong to the same look (Marzullo's algorithm, with the newest look always believed).
#[derive(Debug, Default)]
pub struct Window {
    /// The newest first.
    looks: VecDeque<Look>,
}

impl Window {
    pub fn len(&self) -> usize {
        self.looks.len()
    }

    /// Takes in a look that is newer than the others, and forgets those that contradict it: that clock was set.
    pub fn push(&mut self, look: Look) {
        self.looks.push_front(look);
        let agreeing = self.agreeing().map_or(0, |(_, _, agreeing)| agreeing);
        self.looks.truncate(agreeing.min(LOOKS_MAX));
    }

    /// When the newest look was answered by the boot-time clock, what the server's clock read at that moment, and how
    /// far that may be off; none before the first look.
    pub fn newest(&self) -> Option<Reading> {
        let boot_us = self.looks.front()?.answered_boot_us;
        let (low_us, high_us, _) = self.agreeing()?;
        let half_us = (high_us - low_us) / 2;
        Some(Reading { boot_us, server_us: boot_us + low_us + half_us, uncertainty_us: half_us + 1 })
    }

    /// The bounds of (server − boot) that all looks leave, from the newest back to the first that contradicts, and how many those are.
    fn agreeing(&self) -> Option<(i64, i64, usize)> {
        let newest = self.looks.front()?;
        let (mut low_us, mut high_us, mut agreeing) = (i64::MIN, i64::MAX, 0);
        for look in &self.looks {
            // One microsecond more, because all three clocks cut theirs off.
            let drift_us = (newest.answered_boot_us - look.answered_boot_us) / DRIFT_PARTS + 1;
            let low = low_us.max(look.server_us - look.answered_boot_us - drift_us);
            let high = high_us.min(look.server_us - look.asked_boot_us + drift_us);
            if low > high {
                break;
            }
            (low_us, high_us, agreeing) = (low, high, agreeing + 1);
        }
        Some((low_us, high_us, agreeing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(asked_boot_us: i64, there_us: i64, back_us: i64, server_minus_boot_us: i64) -> Look {
        let served_us = asked_boot_us + there_us;
        Look { asked_boot_us, answered_boot_us: served_us + back_us, server_us: served_us + server_minus_boot_us }
    }

    #[test]
    fn the_quickest_way_there_and_the_quickest_way_back_bound_together() {
        let mut window = Window::default();
        window.push(look(0, 10, 900, 5_000));
        window.push(look(1_000, 900, 10, 5_000));
        let Reading { boot_us, server_us, uncertainty_us } = window.newest().expect("two looks");
        assert!((server_us - boot_us - 5_000).abs() <= uncertainty_us);
        assert!(uncertainty_us <= 15, "and not half of 910: {uncertainty_us}");
    }

    #[test]
    fn an_old_look_weighs_less_by_the_drift_since() {
        let mut window = Window::default();
        window.push(look(0, 10, 10, 5_000));
        window.push(look(10_000_000, 5_000, 5_000, 5_000));
        let uncertainty_us = window.newest().expect("two looks").uncertainty_us;
        assert!((1_000..1_100).contains(&uncertainty_us), "100 ppm of 10 s: {uncertainty_us}");
    }

    #[test]
    fn looks_from_before_the_clock_was_set_are_forgotten() {
        let mut window = Window::default();
        for at in 0..5 {
            window.push(look(at * 250_000, 10, 10, 5_000));
        }
        window.push(look(1_250_000, 10, 10, 9_000_000));
        assert_eq!(window.len(), 1);
        let newest = window.newest().expect("a look");
        assert_eq!(newest.server_us - newest.boot_us, 9_000_000);
    }

    #[test]
    fn a_window_keeps_sixteen_looks() {
        let mut window = Window::default();
        for at in 0..100 {
            window.push(look(at * 250_000, 10, 10, 5_000));
        }
        assert_eq!(window.len(), LOOKS_MAX);
    }
}
