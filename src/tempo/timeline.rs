use serde::{Deserialize, Serialize};

use super::parts::StoredTimeline;
use super::{BEAT_UB, Segment};

/// The tempo as a function from time to beat: segments in ascending order, never empty, each anchored
/// where the one before it arrives.
///
/// The time of a beat is always computed from its segment's anchor, never from the beat before, so that
/// nothing adds up: it is within half a microsecond of what the anchor says, however far away that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredTimeline")]
pub struct Timeline {
    pub(super) segments: Vec<Segment>,
    /// Where the beat stops: beats at or after this position are not played.
    pub(super) stop_at_ub: Option<i64>,
}

/// A whole beat and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueBeat {
    /// The beat's number; negative in a count-in.
    pub beat: i64,
    pub due_us: i64,
}

impl Timeline {
    /// Ascending, never empty, at most [`MAX_SEGMENTS`](super::MAX_SEGMENTS).
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Where the beat stops: beats at or after this position are not played. None: it goes on.
    pub fn stop_at_ub(&self) -> Option<i64> {
        self.stop_at_ub
    }

    /// The time of a position, to the nearest microsecond, whether or not the beat stops before it.
    ///
    /// Before the first anchor, the first segment's tempo holds.
    pub fn time_of(&self, beat_ub: i64) -> i64 {
        let (segment, next) = self.span(|segment| segment.beat0_ub <= beat_ub);
        let time = segment.time_of(beat_ub);
        next.map_or(time, |next| time.min(next.t0_us))
    }

    /// The position at a time, to the nearest micro-beat, whether or not the beat has stopped by then.
    ///
    /// Before the first anchor, the first segment's tempo holds. Because both directions round,
    /// `beat_at(time_of(b))` may be a few micro-beats below `b`: to find out which whole beat is due, ask
    /// [`Timeline::next_beat`] and do not round this down.
    pub fn beat_at(&self, t_us: i64) -> i64 {
        let (segment, next) = self.span(|segment| segment.t0_us <= t_us);
        let beat = segment.beat_at(t_us);
        next.map_or(beat, |next| beat.min(next.beat0_ub))
    }

    /// The position at a time, which stands still where the beat stops.
    pub fn position_at(&self, t_us: i64) -> i64 {
        let beat = self.beat_at(t_us);
        self.stop_at_ub.map_or(beat, |stop| beat.min(stop))
    }

    /// The tempo at a time, to the nearest thousandth of a beat a minute, whether or not the beat has
    /// stopped by then.
    pub fn milli_bpm_at(&self, t_us: i64) -> u32 {
        self.span(|segment| segment.t0_us <= t_us).0.milli_bpm_at(t_us)
    }

    /// The first whole beat that comes after beat number `after_beat` and is due at `from_us` or later.
    ///
    /// Beats before the first anchor are never played: a count-in of four begins at −4. None when the beat
    /// has stopped before such a beat.
    ///
    /// Whoever plays every beat, however late it has become, passes `i64::MIN` for `from_us` and the last
    /// beat played; whoever skips beats that are staler than `x`, passes `now_us - x`; whoever comes new to
    /// the timeline, or looks for the next beat to change something at, passes None and a time.
    pub fn next_beat(&self, after_beat: Option<i64>, from_us: i64) -> Option<DueBeat> {
        let first = self.segments[0].beat0_ub;
        let mut beat = first.div_euclid(BEAT_UB) + i64::from(first.rem_euclid(BEAT_UB) > 0);
        if let Some(after) = after_beat {
            beat = beat.max(after.checked_add(1)?);
        }
        // The beat under `from_us` or the one after it; the position alone cannot tell, because it rounds.
        beat = beat.max(self.beat_at(from_us).div_euclid(BEAT_UB));
        for beat in [beat, beat.saturating_add(1)] {
            let beat_ub = beat.checked_mul(BEAT_UB)?;
            let due_us = self.time_of(beat_ub);
            if due_us >= from_us {
                let plays = self.stop_at_ub.is_none_or(|stop| beat_ub < stop);
                return plays.then_some(DueBeat { beat, due_us });
            }
        }
        None
    }

    /// The last segment that has begun (or the first, if none has), and the one that ends it.
    pub(super) fn span(&self, begun: impl Fn(&Segment) -> bool) -> (&Segment, Option<&Segment>) {
        let index = self.segments.partition_point(begun).saturating_sub(1);
        (&self.segments[index], self.segments.get(index + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_US: i64 = 1_700_000_000_000_000;

    fn at_120() -> Timeline {
        Timeline::starting(START_US, 0, 120_000)
    }

    #[test]
    fn at_120_a_beat_takes_half_a_second() {
        let timeline = at_120();
        assert_eq!(timeline.time_of(0), START_US);
        assert_eq!(timeline.time_of(3 * BEAT_UB), START_US + 1_500_000);
        assert_eq!(timeline.beat_at(START_US + 1_250_000), 2_500_000);
        assert_eq!(timeline.milli_bpm_at(START_US), 120_000);
    }

    #[test]
    fn before_the_first_anchor_the_first_tempo_holds() {
        let timeline = at_120();
        assert_eq!(timeline.beat_at(START_US - 250_000), -500_000);
        assert_eq!(timeline.time_of(-BEAT_UB), START_US - 500_000);
    }

    #[test]
    fn a_newcomer_gets_the_first_beat_due_from_now_on() {
        let timeline = at_120();
        let due = |from_us| timeline.next_beat(None, from_us).map(|due| (due.beat, due.due_us));
        assert_eq!(due(START_US + 1_000_000), Some((2, START_US + 1_000_000)));
        assert_eq!(due(START_US + 1_000_001), Some((3, START_US + 1_500_000)));
    }

    #[test]
    fn a_late_emitter_may_catch_up_or_skip() {
        let timeline = at_120();
        let beat = |after, from_us| timeline.next_beat(after, from_us).map(|due| due.beat);
        assert_eq!(beat(Some(3), i64::MIN), Some(4));
        assert_eq!(beat(Some(3), START_US + 10_000_000), Some(20));
        assert_eq!(beat(Some(30), START_US + 10_000_000), Some(31));
    }

    #[test]
    fn nothing_is_played_before_a_count_in() {
        let timeline = Timeline::starting(START_US, -4 * BEAT_UB, 60_000);
        let first = timeline.next_beat(None, START_US - 60_000_000);
        assert_eq!(first, Some(DueBeat { beat: -4, due_us: START_US }));
        assert_eq!(timeline.next_beat(Some(-9), i64::MIN), first);
    }

    #[test]
    fn nothing_is_played_at_the_stop_or_after_it() {
        let mut timeline = at_120();
        timeline.set_stop(Some(4 * BEAT_UB));
        assert_eq!(timeline.next_beat(Some(2), START_US).map(|due| due.beat), Some(3));
        assert_eq!(timeline.next_beat(Some(3), START_US), None);
        assert_eq!(timeline.next_beat(None, START_US + 60_000_000), None);
        assert_eq!(timeline.position_at(START_US + 60_000_000), 4 * BEAT_UB);
        assert_eq!(timeline.beat_at(START_US + 60_000_000), 120 * BEAT_UB);
    }

    #[test]
    fn there_is_no_beat_past_the_end_of_the_numbers() {
        let timeline = Timeline::starting(START_US, 0, 299_000);
        assert_eq!(timeline.next_beat(Some(i64::MAX), START_US), None);
        assert_eq!(timeline.next_beat(None, i64::MAX), None);
        assert_eq!(timeline.beat_at(i64::MAX), i64::MAX);
        assert_eq!(timeline.beat_at(i64::MIN), i64::MIN);
        assert_eq!(Timeline::starting(0, 0, 1_000).time_of(i64::MAX), i64::MAX);
    }
}
