use serde::{Deserialize, Serialize};

use super::{BEAT_UB, saturate};

/// The longest bar, in beats.
pub const MAX_BEATS_PER_BAR: u32 = 64;

/// How beats make bars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredMeter")]
pub struct Meter {
    /// 1 to 64.
    pub beats_per_bar: u32,
    /// Accent groups, which add up to `beats_per_bar` (7 = 2+2+3); empty = none.
    pub groups: Vec<u32>,
    /// The position at which bar 1 begins.
    pub bar0_ub: i64,
}

/// A beat's place: bars and pulses count from 1, as musicians do; the bars of a count-in are 0 and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarPosition {
    pub bar: i64,
    pub pulse: u32,
}

/// Why numbers make no meter; each sentence names the field and says what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    #[error("beats_per_bar must be an integer from 1 to {MAX_BEATS_PER_BAR}")]
    BeatsPerBar,
    #[error("groups must be integers from 1 that add up to beats_per_bar ({beats_per_bar}), or be empty")]
    Groups { beats_per_bar: u32 },
}

impl Meter {
    /// A meter of `beats_per_bar` (1 to 64) beats, accented in `groups` (2+2+3; empty = none), of which bar 1
    /// begins at `bar0_ub`.
    ///
    /// # Errors
    /// When `beats_per_bar` is out of range, or a group is 0, or the groups do not add up to the bar.
    pub fn new(beats_per_bar: u32, groups: Vec<u32>, bar0_ub: i64) -> Result<Meter, MeterError> {
        if !(1..=MAX_BEATS_PER_BAR).contains(&beats_per_bar) {
            return Err(MeterError::BeatsPerBar);
        }
        let sum: u64 = groups.iter().copied().map(u64::from).sum();
        let fills_the_bar = sum == u64::from(beats_per_bar) && !groups.contains(&0);
        if !groups.is_empty() && !fills_the_bar {
            return Err(MeterError::Groups { beats_per_bar });
        }
        Ok(Meter { beats_per_bar, groups, bar0_ub })
    }

    /// The same meter with bar 1 at another position.
    #[must_use]
    pub fn rebased(&self, bar0_ub: i64) -> Meter {
        Meter { bar0_ub, ..self.clone() }
    }

    /// The bar and the pulse of a whole beat.
    pub fn position(&self, beat: i64) -> BarPosition {
        let pulses = self.pulses_from_bar_1(beat);
        let pulse = pulses.rem_euclid(self.length()) + 1;
        BarPosition {
            bar: saturate(pulses.div_euclid(self.length()) + 1),
            pulse: u32::try_from(pulse).unwrap_or(self.beats_per_bar),
        }
    }

    /// The first whole beat, from this one on, that begins a bar.
    pub fn next_bar(&self, from_beat: i64) -> i64 {
        let missing = (-self.pulses_from_bar_1(from_beat)).rem_euclid(self.length());
        saturate(i128::from(from_beat) + missing)
    }

    /// Where bar 1 begins between two whole beats, the later one is its first pulse.
    fn pulses_from_bar_1(&self, beat: i64) -> i128 {
        let beat_ub = i128::from(BEAT_UB);
        (i128::from(beat) * beat_ub - i128::from(self.bar0_ub)).div_euclid(beat_ub)
    }

    /// At least 1, also in a meter that was written down without [`Meter::new`].
    fn length(&self) -> i128 {
        self.beats_per_bar.max(1).into()
    }
}

impl Default for Meter {
    /// 4/4 from beat 0, without accent groups.
    fn default() -> Meter {
        Meter { beats_per_bar: 4, groups: Vec::new(), bar0_ub: 0 }
    }
}

/// A meter as it is written, not yet checked.
#[derive(Deserialize)]
struct StoredMeter {
    beats_per_bar: u32,
    groups: Vec<u32>,
    bar0_ub: i64,
}

impl TryFrom<StoredMeter> for Meter {
    type Error = MeterError;

    fn try_from(stored: StoredMeter) -> Result<Meter, MeterError> {
        Meter::new(stored.beats_per_bar, stored.groups, stored.bar0_ub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(meter: &Meter, beat: i64) -> (i64, u32) {
        let BarPosition { bar, pulse } = meter.position(beat);
        (bar, pulse)
    }

    #[test]
    fn bars_and_pulses_count_from_one() {
        let meter = Meter::default();
        assert_eq!([0, 3, 4, 9].map(|beat| place(&meter, beat)), [(1, 1), (1, 4), (2, 1), (3, 2)]);
    }

    #[test]
    fn a_count_in_is_bar_zero() {
        let meter = Meter::default();
        assert_eq!([-5, -4, -1].map(|beat| place(&meter, beat)), [(-1, 4), (0, 1), (0, 4)]);
    }

    #[test]
    fn bars_count_from_where_the_meter_begins() {
        let meter = Meter::default().rebased(6 * BEAT_UB);
        assert_eq!([5, 6, 10].map(|beat| place(&meter, beat)), [(0, 4), (1, 1), (2, 1)]);
        assert_eq!([5, 6, 7].map(|beat| meter.next_bar(beat)), [6, 6, 10]);
    }

    #[test]
    fn a_bar_that_begins_between_beats_has_the_next_one_as_its_first() {
        let meter = Meter::default().rebased(500_000);
        assert_eq!([0, 1, 5].map(|beat| place(&meter, beat)), [(0, 4), (1, 1), (2, 1)]);
        assert_eq!(meter.next_bar(0), 1);
    }

    #[test]
    fn the_next_bar_begins_at_a_first_pulse_less_than_a_bar_away() {
        for beats_per_bar in 1..=MAX_BEATS_PER_BAR {
            let meter = Meter { beats_per_bar, ..Meter::default() };
            for beat in -200..200 {
                let next = meter.next_bar(beat);
                assert_eq!(meter.position(next).pulse, 1);
                assert!((0..i64::from(beats_per_bar)).contains(&(next - beat)));
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        for extreme in [i64::MIN, i64::MAX] {
            for beats_per_bar in [0, 1, 64, u32::MAX] {
                let meter = Meter { beats_per_bar, groups: Vec::new(), bar0_ub: extreme };
                for beat in [i64::MIN, 0, i64::MAX] {
                    meter.position(beat);
                    meter.next_bar(beat);
                }
            }
        }
    }

    #[test]
    fn groups_fill_the_bar_or_are_left_out() {
        assert!(Meter::new(7, vec![2, 2, 3], 0).is_ok());
        assert!(Meter::new(7, Vec::new(), 0).is_ok());
        for groups in [vec![2, 2], vec![7, 0], vec![u32::MAX, 8]] {
            assert_eq!(Meter::new(7, groups, 0), Err(MeterError::Groups { beats_per_bar: 7 }));
        }
    }

    #[test]
    fn a_bar_has_from_1_to_64_beats() {
        for beats_per_bar in [0, 65, u32::MAX] {
            assert_eq!(Meter::new(beats_per_bar, Vec::new(), 0), Err(MeterError::BeatsPerBar));
        }
        assert!(Meter::new(1, Vec::new(), 0).is_ok());
        assert!(Meter::new(64, Vec::new(), 0).is_ok());
    }

    #[test]
    fn a_stored_meter_is_checked_as_it_is_read() {
        let read = |json: &str| serde_json::from_str::<Meter>(json);
        let good = r#"{"beats_per_bar":7,"groups":[2,2,3],"bar0_ub":0}"#;
        assert_eq!(read(good).ok(), Meter::new(7, vec![2, 2, 3], 0).ok());
        let refused = read(&good.replace(":7", ":8")).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|error| error.contains("add up to beats_per_bar (8)")));
        assert!(read(&good.replace(":7", ":0")).is_err());
    }
}
