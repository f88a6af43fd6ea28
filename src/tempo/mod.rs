//! Musical time, as pure integer arithmetic.
//!
//! Times are microseconds of the cluster's clock (`_us`), positions are millionths of a beat (`_ub`),
//! tempi are thousandths of a beat a minute (`milli_bpm`). Nothing here reads a clock.
//!
//! Every function is total: what would leave the range of `i64` saturates at its end, and what a caller
//! may set (anchors, tempi, lengths of ramps) is brought into range, so that no input can panic.

mod change;
mod meter;
mod parts;
mod ramp;
mod segment;
mod timeline;

pub use change::MAX_SEGMENTS;
pub use meter::{BarPosition, MAX_BEATS_PER_BAR, Meter, MeterError};
pub use parts::InvalidTimeline;
pub use segment::{MAX_MILLI_BPM, MAX_RAMP_UB, MIN_MILLI_BPM, Ramp, Segment};
pub use timeline::{DueBeat, Timeline};

/// One beat, in the micro-beats that positions are counted in.
pub const BEAT_UB: i64 = 1_000_000;

/// The nearest `i64`.
fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// `numerator / denominator` to the nearest integer, halves upwards; the denominator is positive.
fn round_div(numerator: i128, denominator: i128) -> i128 {
    (2 * numerator + denominator).div_euclid(2 * denominator)
}
