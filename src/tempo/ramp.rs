//! The arithmetic of a tempo that changes linearly in time, exact to the last rounding.
//!
//! From v0 to v1 over L beats: the mean speed is (v0 + v1)/2, so it takes T = 2L/(v0 + v1). With the
//! acceleration a = (v1 − v0)/T = (v1² − v0²)/2L, the position is b(τ) = v0·τ + a·τ²/2 and the speed at a
//! position is √(v0² + 2ab). Solving b(τ) for τ by the schoolbook formula subtracts two nearly equal
//! numbers in a gentle ramp; τ = 2b/(v0 + √(v0² + 2ab)) is the same root without that loss.
//!
//! The square root rounds, so its τ is only a guess, which the polynomial b(τ), exact in 128 bits, then
//! moves to the nearest microsecond. Hence both directions are monotonic, and the end of the ramp is
//! exactly where the next segment is anchored.

use super::round_div;
use super::segment::{Ramp, US_MILLI_BPM_PER_UB, steady_ub, steady_us};

/// A ramp with its first speed, widened for the arithmetic. Speeds in thousandths of a beat a minute.
pub(super) struct Curve {
    from: i128,
    to: i128,
    len_ub: i128,
    /// v1² − v0², which is 2aL.
    gain: i128,
}

impl Curve {
    pub(super) fn new(from_milli_bpm: u32, ramp: Ramp) -> Curve {
        let (from, to) = (i128::from(from_milli_bpm), i128::from(ramp.to_milli_bpm));
        Curve { from, to, len_ub: ramp.len_ub.into(), gain: to * to - from * from }
    }

    /// T, to the nearest microsecond.
    fn duration_us(&self) -> i128 {
        round_div(2 * self.len_ub * US_MILLI_BPM_PER_UB, self.from + self.to)
    }

    /// The time from the anchor to a position `beats_ub` ≥ 0 after it, in microseconds.
    pub(super) fn time_of(&self, beats_ub: i128) -> i128 {
        let duration = self.duration_us();
        if beats_ub >= self.len_ub {
            return duration + steady_us(beats_ub - self.len_ub, self.to);
        }
        let mut time = self.guess_time_of(beats_ub).clamp(0, duration);
        while time < duration && self.is_past(beats_ub, 2 * time + 1) {
            time += 1;
        }
        while time > 0 && !self.is_past(beats_ub, 2 * time - 1) {
            time -= 1;
        }
        time
    }

    /// τ = 2b/(v0 + √(v0² + 2ab)), with as many binary places under the root as fit.
    ///
    /// Its relative error is below √L/2⁶³: within a microsecond for the tempi of music.
    fn guess_time_of(&self, beats_ub: i128) -> i128 {
        let square = self.square_at(beats_ub).unsigned_abs();
        let places = square.leading_zeros().saturating_sub(1) & !1;
        let root = ((square << places) / self.len_ub.unsigned_abs()).isqrt();
        let speeds = (self.from.unsigned_abs() << (places / 2)) + root;
        let beats = (2 * beats_ub * US_MILLI_BPM_PER_UB).unsigned_abs() << (places / 2);
        (beats / speeds).cast_signed()
    }

    /// Whether a position is reached at `half_us` half-microseconds or later; `half_us` from 0 to 2T.
    ///
    /// b(h/2) ≤ b, multiplied by 4·60 000·4·60 000·L. The products stay below 2¹¹⁴.
    fn is_past(&self, beats_ub: i128, half_us: i128) -> bool {
        let unit = 4 * US_MILLI_BPM_PER_UB;
        let reached = half_us * (2 * unit * self.len_ub * self.from + self.gain * half_us);
        reached <= unit * unit * self.len_ub * beats_ub
    }

    /// The micro-beats from the anchor to a time `elapsed_us` ≥ 0 after it.
    pub(super) fn beats_at(&self, elapsed_us: i128) -> i128 {
        let duration = self.duration_us();
        if elapsed_us >= duration {
            return self.len_ub + steady_ub(elapsed_us - duration, self.to);
        }
        let unit = 4 * US_MILLI_BPM_PER_UB;
        let scaled = elapsed_us * (unit * self.len_ub * self.from + self.gain * elapsed_us);
        round_div(scaled, unit * US_MILLI_BPM_PER_UB * self.len_ub)
    }

    /// v0 + aτ.
    pub(super) fn milli_bpm_after(&self, elapsed_us: i128) -> u32 {
        if elapsed_us >= self.duration_us() {
            return self.speed(self.to);
        }
        let gained = round_div(self.gain * elapsed_us, 2 * US_MILLI_BPM_PER_UB * self.len_ub);
        self.speed(self.from + gained)
    }

    /// √(v0² + 2ab), rounded.
    pub(super) fn milli_bpm_at_beat(&self, beats_ub: i128) -> u32 {
        if beats_ub >= self.len_ub {
            return self.speed(self.to);
        }
        let square = self.square_at(beats_ub);
        let root = (square / self.len_ub).isqrt();
        let rounds_up = (2 * root + 1).pow(2) * self.len_ub <= 4 * square;
        self.speed(root + i128::from(rounds_up))
    }

    /// L times the square of the speed at a position of the ramp; positive.
    fn square_at(&self, beats_ub: i128) -> i128 {
        self.from * self.from * self.len_ub + self.gain * beats_ub
    }

    /// A speed of this ramp: both of its ends came from `u32`.
    fn speed(&self, milli_bpm: i128) -> u32 {
        let within = milli_bpm.clamp(self.from.min(self.to), self.from.max(self.to));
        u32::try_from(within).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tempo::{BEAT_UB, MAX_MILLI_BPM, MAX_RAMP_UB, MIN_MILLI_BPM};

    fn curve(from: u32, to: u32, len_ub: i64) -> Curve {
        Curve::new(from, Ramp { to_milli_bpm: to, len_ub })
    }

    #[test]
    fn a_ramp_takes_its_length_at_the_mean_of_its_tempi() {
        // 8 beats from 60 to 120: at 90 on average, 5⅓ s.
        let ramp = curve(60_000, 120_000, 8 * BEAT_UB);
        assert_eq!(ramp.time_of(8_000_000), 5_333_333);
        assert_eq!(ramp.beats_at(5_333_333), 8_000_000);
    }

    #[test]
    fn halfway_in_time_a_ramp_has_the_mean_tempo() {
        let ramp = curve(60_000, 120_000, 9 * BEAT_UB);
        assert_eq!(ramp.duration_us(), 6_000_000);
        assert_eq!(ramp.milli_bpm_after(3_000_000), 90_000);
        // 3 s at 75 on average.
        assert_eq!(ramp.beats_at(3_000_000), 3_750_000);
        assert_eq!(ramp.time_of(3_750_000), 3_000_000);
        assert_eq!(ramp.milli_bpm_at_beat(3_750_000), 90_000);
    }

    #[test]
    fn past_its_end_a_ramp_runs_on_at_its_last_tempo() {
        let ramp = curve(60_000, 120_000, 9 * BEAT_UB);
        assert_eq!(ramp.time_of(11_000_000), 7_000_000);
        assert_eq!(ramp.beats_at(7_000_000), 11_000_000);
        assert_eq!(ramp.milli_bpm_after(7_000_000), 120_000);
    }

    #[test]
    fn the_longest_and_steepest_ramps_are_exact_and_keep_their_bounds() {
        for (from, to) in [
            (MIN_MILLI_BPM, MAX_MILLI_BPM),
            (MAX_MILLI_BPM, MIN_MILLI_BPM),
            (MIN_MILLI_BPM, MIN_MILLI_BPM),
            (MIN_MILLI_BPM, MIN_MILLI_BPM + 1),
            (MIN_MILLI_BPM + 1, MIN_MILLI_BPM),
            (MAX_MILLI_BPM, MAX_MILLI_BPM),
        ] {
            for len_ub in [1, 2, 1_000, BEAT_UB, MAX_RAMP_UB] {
                let ramp = curve(from, to, len_ub);
                let mut last = 0;
                for step in 0..=1_000_i128 {
                    let beats = i128::from(len_ub) * step / 1_000;
                    let time = ramp.time_of(beats);
                    assert!((last..=ramp.duration_us()).contains(&time));
                    assert!(time == 0 || ramp.is_past(beats, 2 * time - 1));
                    assert!(time == ramp.duration_us() || !ramp.is_past(beats, 2 * time + 1));
                    assert!((0..=ramp.len_ub).contains(&ramp.beats_at(time)));
                    last = time;
                }
                assert_eq!(last, ramp.duration_us());
            }
        }
    }
}
