//! A timeline from its parts: what a record or another node says is checked before anything is computed.

use serde::Deserialize;

use super::change::{HORIZON, MAX_SEGMENTS};
use super::segment::{MAX_MILLI_BPM, MAX_RAMP_UB, MIN_MILLI_BPM};
use super::{Segment, Timeline};

/// How far an anchor may be from where the segment before it arrives.
const JOINT_US: u64 = 1;
/// How far from zero an anchor may be: beyond what a change makes, the end of its ramp included.
const RANGE: std::ops::RangeInclusive<i64> = -2 * HORIZON..=2 * HORIZON;

/// Why parts make no timeline. Segments are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimeline {
    #[error("segments must not be empty")]
    Empty,
    #[error("segments must be at most {MAX_SEGMENTS}, not {count}")]
    TooMany { count: usize },
    #[error("t0_us and beat0_ub of segment {index} must be within ±2^61")]
    AnchorOutOfRange { index: usize },
    #[error("stop_at_ub must be null or within ±2^61")]
    StopOutOfRange,
    #[error("milli_bpm of segment {index} must be from {MIN_MILLI_BPM} to {MAX_MILLI_BPM}, not {milli_bpm}")]
    Tempo { index: usize, milli_bpm: u32 },
    #[error("len_ub of segment {index}'s ramp must be from 1 to {MAX_RAMP_UB}, not {len_ub}")]
    RampLength { index: usize, len_ub: i64 },
    #[error("segment {index} must begin after the one before it")]
    OutOfOrder { index: usize },
    #[error("segment {index} must begin at {expected_us} µs, where the one before it arrives at its position")]
    Jump { index: usize, expected_us: i64 },
}

/// A timeline as it is written, not yet checked.
#[derive(Deserialize)]
pub(super) struct StoredTimeline {
    segments: Vec<Segment>,
    stop_at_ub: Option<i64>,
}

impl TryFrom<StoredTimeline> for Timeline {
    type Error = InvalidTimeline;

    fn try_from(stored: StoredTimeline) -> Result<Timeline, InvalidTimeline> {
        Timeline::from_parts(stored.segments, stored.stop_at_ub)
    }
}

impl Timeline {
    /// A timeline from its segments, first to last, and its stop.
    ///
    /// # Errors
    /// When the parts make no sense: see [`InvalidTimeline`]. Whatever a timeline itself holds is accepted.
    pub fn from_parts(segments: Vec<Segment>, stop_at_ub: Option<i64>) -> Result<Timeline, InvalidTimeline> {
        if segments.is_empty() {
            return Err(InvalidTimeline::Empty);
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(InvalidTimeline::TooMany { count: segments.len() });
        }
        for (index, segment) in segments.iter().enumerate() {
            check_segment(index, segment)?;
        }
        for (before, pair) in segments.windows(2).enumerate() {
            check_joint(before + 1, &pair[0], &pair[1])?;
        }
        if stop_at_ub.is_some_and(|stop| !RANGE.contains(&stop)) {
            return Err(InvalidTimeline::StopOutOfRange);
        }
        Ok(Timeline { segments, stop_at_ub })
    }
}

fn check_segment(index: usize, segment: &Segment) -> Result<(), InvalidTimeline> {
    if !RANGE.contains(&segment.t0_us) || !RANGE.contains(&segment.beat0_ub) {
        return Err(InvalidTimeline::AnchorOutOfRange { index });
    }
    let tempi = [Some(segment.milli_bpm), segment.ramp.map(|ramp| ramp.to_milli_bpm)];
    for milli_bpm in tempi.into_iter().flatten() {
        if !(MIN_MILLI_BPM..=MAX_MILLI_BPM).contains(&milli_bpm) {
            return Err(InvalidTimeline::Tempo { index, milli_bpm });
        }
    }
    match segment.ramp {
        Some(ramp) if !(1..=MAX_RAMP_UB).contains(&ramp.len_ub) => {
            Err(InvalidTimeline::RampLength { index, len_ub: ramp.len_ub })
        }
        _ => Ok(()),
    }
}

fn check_joint(index: usize, before: &Segment, segment: &Segment) -> Result<(), InvalidTimeline> {
    if segment.beat0_ub <= before.beat0_ub || segment.t0_us < before.t0_us {
        return Err(InvalidTimeline::OutOfOrder { index });
    }
    let expected_us = before.time_of(segment.beat0_ub);
    if segment.t0_us.abs_diff(expected_us) > JOINT_US {
        return Err(InvalidTimeline::Jump { index, expected_us });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tempo::{BEAT_UB, Ramp};

    fn steady(t0_us: i64, beat0_ub: i64, milli_bpm: u32) -> Segment {
        Segment { t0_us, beat0_ub, milli_bpm, ramp: None }
    }

    fn refusal(segments: &[Segment]) -> Option<InvalidTimeline> {
        Timeline::from_parts(segments.to_vec(), None).err()
    }

    #[test]
    fn a_timeline_needs_a_segment_and_not_too_many() {
        assert_eq!(refusal(&[]), Some(InvalidTimeline::Empty));
        let many = vec![steady(0, 0, 60_000); MAX_SEGMENTS + 1];
        assert_eq!(refusal(&many), Some(InvalidTimeline::TooMany { count: MAX_SEGMENTS + 1 }));
    }

    #[test]
    fn tempi_that_nobody_can_play_are_refused() {
        for milli_bpm in [0, MAX_MILLI_BPM + 1, u32::MAX] {
            let tempo = Some(InvalidTimeline::Tempo { index: 0, milli_bpm });
            assert_eq!(refusal(&[steady(0, 0, milli_bpm)]), tempo);
            let ramp = Some(Ramp { to_milli_bpm: milli_bpm, len_ub: BEAT_UB });
            assert_eq!(refusal(&[Segment { ramp, ..steady(0, 0, 60_000) }]), tempo);
        }
    }

    #[test]
    fn ramps_of_no_length_or_of_endless_length_are_refused() {
        for len_ub in [i64::MIN, -1, 0, MAX_RAMP_UB + 1, i64::MAX] {
            let ramp = Some(Ramp { to_milli_bpm: 90_000, len_ub });
            let refused = Some(InvalidTimeline::RampLength { index: 0, len_ub });
            assert_eq!(refusal(&[Segment { ramp, ..steady(0, 0, 60_000) }]), refused);
        }
    }

    #[test]
    fn anchors_and_stops_at_the_end_of_the_numbers_are_refused() {
        let refused = Some(InvalidTimeline::AnchorOutOfRange { index: 0 });
        for extreme in [i64::MIN, i64::MAX] {
            assert_eq!(refusal(&[steady(extreme, 0, 60_000)]), refused);
            assert_eq!(refusal(&[steady(0, extreme, 60_000)]), refused);
            let stopped = Timeline::from_parts(vec![steady(0, 0, 60_000)], Some(extreme));
            assert_eq!(stopped, Err(InvalidTimeline::StopOutOfRange));
        }
    }

    #[test]
    fn segments_out_of_order_are_refused() {
        let refused = Some(InvalidTimeline::OutOfOrder { index: 1 });
        assert_eq!(refusal(&[steady(0, BEAT_UB, 60_000), steady(0, BEAT_UB, 90_000)]), refused);
        assert_eq!(refusal(&[steady(0, BEAT_UB, 60_000), steady(-1_000_000, 0, 90_000)]), refused);
    }

    #[test]
    fn a_segment_that_does_not_join_the_one_before_it_is_refused() {
        let joined = |t0_us| refusal(&[steady(0, 0, 60_000), steady(t0_us, BEAT_UB, 90_000)]);
        assert_eq!(joined(1_000_001), None);
        assert_eq!(joined(1_000_002), Some(InvalidTimeline::Jump { index: 1, expected_us: 1_000_000 }));
    }

    #[test]
    fn where_a_joint_is_a_microsecond_off_time_and_beats_still_only_go_forward() {
        for beat0_ub in BEAT_UB..BEAT_UB + 50 {
            let first = steady(0, 0, 299_000);
            for t0_us in [first.time_of(beat0_ub) - 1, first.time_of(beat0_ub) + 1] {
                let segments = vec![first, steady(t0_us, beat0_ub, 1_000)];
                let timeline = Timeline::from_parts(segments, None).expect("a microsecond is allowed");
                assert!(timeline.time_of(beat0_ub - 1) <= t0_us);
                assert!(timeline.beat_at(t0_us - 1) <= beat0_ub);
            }
        }
    }

    #[test]
    fn a_stored_timeline_is_checked_as_it_is_read() {
        let read = |json: &str| serde_json::from_str::<Timeline>(json);
        let good = r#"{"segments":[{"t0_us":5,"beat0_ub":0,"milli_bpm":60000,"ramp":null}],"stop_at_ub":null}"#;
        let timeline = Timeline::starting(5, 0, 60_000);
        assert_eq!(read(good).ok(), Some(timeline.clone()));
        assert_eq!(serde_json::to_string(&timeline).ok().as_deref(), Some(good));
        let refused = read(&good.replace("60000", "0")).map_err(|error| error.to_string());
        assert_eq!(refused, Err("milli_bpm of segment 0 must be from 1 to 1000000, not 0".to_owned()));
    }
}
