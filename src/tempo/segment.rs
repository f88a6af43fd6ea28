use serde::{Deserialize, Serialize};

use super::ramp::Curve;
use super::{BEAT_UB, round_div, saturate};

/// The slowest tempo that a timeline holds, in thousandths of a beat a minute.
pub const MIN_MILLI_BPM: u32 = 1;
/// The fastest tempo that a timeline holds, in thousandths of a beat a minute.
pub const MAX_MILLI_BPM: u32 = 1_000_000;
/// The longest ramp, in micro-beats: 100,000 beats. Its exact arithmetic then fits 128 bits.
pub const MAX_RAMP_UB: i64 = 100_000 * BEAT_UB;

/// Microseconds × thousandths of a beat a minute ÷ this = micro-beats.
pub(super) const US_MILLI_BPM_PER_UB: i128 = 60_000;

/// A linear change of tempo (linear in time) from the segment's own tempo.
///
/// When the next segment begins sooner than the ramp's end, the ramp is cut short there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// The tempo reached at the end.
    pub to_milli_bpm: u32,
    /// How long it takes, in micro-beats; 1 to [`MAX_RAMP_UB`].
    pub len_ub: i64,
}

/// A stretch of a timeline, from its anchor to the anchor of the next segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The anchor's time.
    pub t0_us: i64,
    /// The anchor's position.
    pub beat0_ub: i64,
    /// The tempo at the anchor.
    pub milli_bpm: u32,
    /// None: the tempo stays.
    pub ramp: Option<Ramp>,
}

// These hold for a segment in range (see `parts.rs`): a timeline has no others.
impl Segment {
    /// The time of a position, to the nearest microsecond, as though no other segment followed.
    ///
    /// Before its anchor a segment runs at the anchor's tempo, after its ramp at the ramp's last.
    pub(super) fn time_of(&self, beat_ub: i64) -> i64 {
        let beats = i128::from(beat_ub) - i128::from(self.beat0_ub);
        let elapsed = match self.curve() {
            Some(curve) if beats > 0 => curve.time_of(beats),
            _ => steady_us(beats, self.milli_bpm.into()),
        };
        saturate(i128::from(self.t0_us) + elapsed)
    }

    /// The position at a time, to the nearest micro-beat: the inverse of [`Segment::time_of`].
    pub(super) fn beat_at(&self, t_us: i64) -> i64 {
        let elapsed = i128::from(t_us) - i128::from(self.t0_us);
        let beats = match self.curve() {
            Some(curve) if elapsed > 0 => curve.beats_at(elapsed),
            _ => steady_ub(elapsed, self.milli_bpm.into()),
        };
        saturate(i128::from(self.beat0_ub) + beats)
    }

    pub(super) fn milli_bpm_at(&self, t_us: i64) -> u32 {
        let elapsed = i128::from(t_us) - i128::from(self.t0_us);
        match self.curve() {
            Some(curve) if elapsed > 0 => curve.milli_bpm_after(elapsed),
            _ => self.milli_bpm,
        }
    }

    /// What is left of this segment from a position on, as a segment anchored there.
    pub(super) fn rest_from(&self, beat_ub: i64) -> Segment {
        let beats = i128::from(beat_ub) - i128::from(self.beat0_ub);
        let (milli_bpm, ramp) = match (self.curve(), self.ramp) {
            (Some(curve), Some(ramp)) if beats > 0 => {
                let left = i128::from(ramp.len_ub) - beats;
                let rest = (left > 0).then(|| Ramp { len_ub: saturate(left), ..ramp });
                (curve.milli_bpm_at_beat(beats), rest)
            }
            (Some(_), _) if beats == 0 => (self.milli_bpm, self.ramp),
            _ => (self.milli_bpm, None),
        };
        Segment { t0_us: self.time_of(beat_ub), beat0_ub: beat_ub, milli_bpm, ramp }
    }

    fn curve(&self) -> Option<Curve> {
        self.ramp.map(|ramp| Curve::new(self.milli_bpm, ramp))
    }
}

/// How long a number of micro-beats takes.
pub(super) fn steady_us(beats_ub: i128, milli_bpm: i128) -> i128 {
    round_div(beats_ub * US_MILLI_BPM_PER_UB, milli_bpm)
}

/// How many micro-beats pass in a time.
pub(super) fn steady_ub(elapsed_us: i128, milli_bpm: i128) -> i128 {
    round_div(elapsed_us * milli_bpm, US_MILLI_BPM_PER_UB)
}
