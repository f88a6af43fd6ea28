//! What may be done to a timeline. Each change keeps what the clock has already promised: up to the change
//! every beat stays where it was, and at the change neither position nor phase jumps.

use super::segment::{MAX_MILLI_BPM, MAX_RAMP_UB, MIN_MILLI_BPM};
use super::{BEAT_UB, Ramp, Segment, Timeline, saturate};

/// The most segments that a timeline holds. When a change would make more, the oldest is forgotten, as
/// [`Timeline::forget_before`] does it, and the second one's tempo then holds before it too.
///
/// A change replaces all that was planned after it, so a timeline that is pruned now and then holds only
/// the changes since then: two or three in a lesson, a dozen while a teacher drags a slider.
pub const MAX_SEGMENTS: usize = 256;

/// How far from zero a change may put an anchor, in microseconds and in micro-beats: 36,000 years, or a
/// million million beats. What lies beyond is brought back to it.
pub(super) const HORIZON: i64 = 1 << 60;

impl Timeline {
    /// A beat that runs at one tempo and is at `beat0_ub` at `t0_us`; no beat is played before that.
    ///
    /// The tempo is brought into [`MIN_MILLI_BPM`] to [`MAX_MILLI_BPM`] here and in every change.
    pub fn starting(t0_us: i64, beat0_ub: i64, milli_bpm: u32) -> Timeline {
        let anchor = Segment {
            t0_us: t0_us.clamp(-HORIZON, HORIZON),
            beat0_ub: beat0_ub.clamp(-HORIZON, HORIZON),
            milli_bpm: in_range(milli_bpm),
            ramp: None,
        };
        Timeline { segments: vec![anchor], stop_at_ub: None }
    }

    /// Stops the beat at a position (beats at or after it are not played), or lets it go on.
    pub fn set_stop(&mut self, stop_at_ub: Option<i64>) {
        self.stop_at_ub = stop_at_ub.map(|stop| stop.clamp(-HORIZON, HORIZON));
    }

    /// Runs at another tempo from a position on, in place of all that was planned from there; a stop stays.
    ///
    /// A change at a position before the first anchor takes effect at that anchor: a start that is still to
    /// come keeps its time.
    pub fn change_tempo(&mut self, at_ub: i64, milli_bpm: u32) {
        let anchor = self.cut(at_ub);
        self.append(Segment { milli_bpm: in_range(milli_bpm), ramp: None, ..anchor });
    }

    /// From a position on, moves from the tempo in force there to another over `len_ub` micro-beats,
    /// linearly in time, and stays there; in place of all that was planned from that position.
    ///
    /// The length is brought into 1 to [`MAX_RAMP_UB`]; for a position before the first anchor see
    /// [`Timeline::change_tempo`].
    pub fn ramp_tempo(&mut self, at_ub: i64, to_milli_bpm: u32, len_ub: i64) {
        let to_milli_bpm = in_range(to_milli_bpm);
        let len_ub = len_ub.clamp(1, MAX_RAMP_UB);
        let ramp = Segment { ramp: Some(Ramp { to_milli_bpm, len_ub }), ..self.cut(at_ub) };
        self.append(ramp);
        self.append(ramp.rest_from(ramp.beat0_ub + len_ub));
    }

    /// After a stop, goes on from the position of the stop at `t_us`; does nothing when no stop is set.
    ///
    /// Without a tempo it goes on as planned, with the rest of a ramp and of later changes; a tempo replaces
    /// all of that. What was before the stop is forgotten: before `t_us` the position approaches that of the
    /// stop at the new first tempo, as before any start.
    pub fn resume(&mut self, t_us: i64, milli_bpm: Option<u32>) {
        let Some(stop_ub) = self.stop_at_ub.take() else {
            return;
        };
        let mut planned = vec![self.rest_from(stop_ub)];
        match milli_bpm {
            Some(milli_bpm) => planned[0] = Segment { milli_bpm: in_range(milli_bpm), ramp: None, ..planned[0] },
            None => planned.extend(self.segments.iter().filter(|segment| segment.beat0_ub > stop_ub)),
        }
        self.segments.clear();
        let mut t0_us = t_us.clamp(-HORIZON, HORIZON);
        for (index, segment) in planned.iter().enumerate() {
            let moved = Segment { t0_us, ..*segment };
            self.append(moved);
            let Some(next) = planned.get(index + 1) else {
                break;
            };
            t0_us = moved.time_of(next.beat0_ub);
            if t0_us > HORIZON {
                break;
            }
        }
    }

    /// Subtracts a number of whole beats from every position: the beat that had this number becomes 0.
    ///
    /// Times stay. A number that would put an anchor or the stop out of range changes nothing.
    pub fn renumber(&mut self, beats: i64) {
        let shift = i128::from(beats) * i128::from(BEAT_UB);
        let moved = |position: i64| saturate(i128::from(position) - shift);
        let in_range = |position: i64| (-HORIZON..=HORIZON).contains(&moved(position));
        let mut positions = self.segments.iter().map(|segment| segment.beat0_ub).chain(self.stop_at_ub);
        if positions.all(in_range) {
            self.segments.iter_mut().for_each(|segment| segment.beat0_ub = moved(segment.beat0_ub));
            self.stop_at_ub = self.stop_at_ub.map(moved);
        }
    }

    /// Forgets the segments that ended before a time. No answer about that time or a later one changes, nor
    /// about a beat that is due then.
    pub fn forget_before(&mut self, t_us: i64) {
        // The segment in force at `t_us` stays, and so does one that ends at that very microsecond: a beat
        // just before its end may be due then.
        let begun = self.segments.partition_point(|segment| segment.t0_us < t_us);
        self.segments.drain(..begun.saturating_sub(1));
    }

    /// Takes away all that is planned from a position on, and says what it was: the anchor there.
    fn cut(&mut self, at_ub: i64) -> Segment {
        let last = self.beat_at(HORIZON).min(HORIZON);
        let at_ub = at_ub.min(last).max(self.segments[0].beat0_ub);
        let anchor = self.rest_from(at_ub);
        self.segments.retain(|segment| segment.beat0_ub < at_ub);
        anchor
    }

    /// The segment in force at a position, from there on.
    fn rest_from(&self, at_ub: i64) -> Segment {
        let rest = self.span(|segment| segment.beat0_ub <= at_ub).0.rest_from(at_ub);
        Segment { t0_us: self.time_of(at_ub), ..rest }
    }

    fn append(&mut self, segment: Segment) {
        if self.segments.len() >= MAX_SEGMENTS {
            self.segments.remove(0);
        }
        self.segments.push(segment);
    }
}

fn in_range(milli_bpm: u32) -> u32 {
    milli_bpm.clamp(MIN_MILLI_BPM, MAX_MILLI_BPM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_US: i64 = 1_700_000_000_000_000;

    fn at_120() -> Timeline {
        Timeline::starting(START_US, 0, 120_000)
    }

    #[test]
    fn a_change_keeps_the_phase_and_every_beat_before_it() {
        let mut timeline = at_120();
        timeline.change_tempo(2_500_000, 60_000);
        assert_eq!(timeline.time_of(2 * BEAT_UB), START_US + 1_000_000);
        assert_eq!(timeline.time_of(2_500_000), START_US + 1_250_000);
        assert_eq!(timeline.time_of(3 * BEAT_UB), START_US + 1_750_000);
        assert_eq!(timeline.milli_bpm_at(START_US + 1_249_999), 120_000);
        assert_eq!(timeline.milli_bpm_at(START_US + 1_250_000), 60_000);
    }

    #[test]
    fn a_change_replaces_what_was_planned_after_it() {
        let mut timeline = at_120();
        timeline.ramp_tempo(8 * BEAT_UB, 60_000, 4 * BEAT_UB);
        assert_eq!(timeline.segments().len(), 3);
        timeline.change_tempo(8 * BEAT_UB, 90_000);
        assert_eq!(timeline.segments().len(), 2);
        timeline.change_tempo(4 * BEAT_UB, 100_000);
        assert_eq!(timeline.segments().last().map(|last| last.beat0_ub), Some(4 * BEAT_UB));
        assert_eq!(timeline.segments().len(), 2);
    }

    #[test]
    fn a_change_within_a_ramp_starts_from_where_the_ramp_is() {
        let mut timeline = Timeline::starting(START_US, 0, 60_000);
        timeline.ramp_tempo(0, 120_000, 9 * BEAT_UB);
        // Halfway in time the tempo is 90: at 3 s, beat 3.75.
        timeline.ramp_tempo(3_750_000, 30_000, BEAT_UB);
        assert_eq!(timeline.time_of(3_750_000), START_US + 3_000_000);
        assert_eq!(timeline.milli_bpm_at(START_US + 3_000_000), 90_000);
        assert_eq!(timeline.time_of(4_750_000), START_US + 4_000_000);
        assert_eq!(timeline.milli_bpm_at(START_US + 4_000_000), 30_000);
    }

    #[test]
    fn a_start_that_is_still_to_come_keeps_its_time() {
        let mut timeline = Timeline::starting(START_US, -4 * BEAT_UB, 120_000);
        timeline.change_tempo(-5 * BEAT_UB, 60_000);
        assert_eq!(timeline, Timeline::starting(START_US, -4 * BEAT_UB, 60_000));
    }

    #[test]
    fn a_resume_goes_on_from_the_stop() {
        let mut timeline = at_120();
        timeline.set_stop(Some(7 * BEAT_UB));
        timeline.resume(START_US + 60_000_000, None);
        assert_eq!(timeline, Timeline::starting(START_US + 60_000_000, 7 * BEAT_UB, 120_000));
    }

    #[test]
    fn a_resume_may_set_the_tempo() {
        let mut timeline = at_120();
        timeline.ramp_tempo(4 * BEAT_UB, 60_000, 8 * BEAT_UB);
        timeline.set_stop(Some(6 * BEAT_UB));
        timeline.resume(START_US + 60_000_000, Some(80_000));
        assert_eq!(timeline, Timeline::starting(START_US + 60_000_000, 6 * BEAT_UB, 80_000));
    }

    #[test]
    fn a_resume_within_a_ramp_finishes_the_ramp() {
        let mut timeline = Timeline::starting(START_US, 0, 60_000);
        timeline.ramp_tempo(0, 120_000, 9 * BEAT_UB);
        timeline.set_stop(Some(3_750_000));
        let resumed_us = START_US + 60_000_000;
        timeline.resume(resumed_us, None);
        assert_eq!(timeline.milli_bpm_at(resumed_us), 90_000);
        assert_eq!(timeline.time_of(9 * BEAT_UB), resumed_us + 3_000_000);
        assert_eq!(timeline.milli_bpm_at(resumed_us + 3_000_000), 120_000);
        assert_eq!(timeline.stop_at_ub(), None);
    }

    #[test]
    fn a_resume_without_a_stop_does_nothing() {
        let mut timeline = at_120();
        timeline.resume(START_US + 60_000_000, Some(60_000));
        assert_eq!(timeline, at_120());
    }

    #[test]
    fn a_resume_forgets_what_it_would_move_beyond_the_horizon() {
        let mut timeline = Timeline::starting(START_US, HORIZON, MIN_MILLI_BPM);
        timeline.set_stop(Some(-HORIZON));
        timeline.resume(START_US, None);
        assert_eq!(timeline, Timeline::starting(START_US, -HORIZON, MIN_MILLI_BPM));
    }

    #[test]
    fn renumbering_makes_a_beat_zero_and_moves_no_time() {
        let mut timeline = at_120();
        timeline.change_tempo(4 * BEAT_UB, 60_000);
        timeline.set_stop(Some(20 * BEAT_UB));
        let due = timeline.time_of(9 * BEAT_UB);
        timeline.renumber(9);
        assert_eq!(timeline.time_of(0), due);
        assert_eq!(timeline.segments()[0].beat0_ub, -9 * BEAT_UB);
        assert_eq!(timeline.stop_at_ub(), Some(11 * BEAT_UB));
    }

    #[test]
    fn renumbering_out_of_range_does_nothing() {
        let mut timeline = at_120();
        timeline.renumber(i64::MAX);
        timeline.renumber(i64::MIN);
        assert_eq!(timeline, at_120());
    }

    #[test]
    fn what_has_ended_is_forgotten_and_what_is_in_force_is_not() {
        let mut timeline = at_120();
        timeline.change_tempo(4 * BEAT_UB, 60_000);
        let joint = timeline.time_of(4 * BEAT_UB);
        timeline.forget_before(joint);
        assert_eq!(timeline.segments().len(), 2);
        timeline.forget_before(joint + 1);
        assert_eq!(timeline.segments(), Timeline::starting(joint, 4 * BEAT_UB, 60_000).segments());
        timeline.forget_before(i64::MAX);
        assert_eq!(timeline.segments().len(), 1);
    }

    #[test]
    fn a_timeline_that_nobody_prunes_forgets_its_oldest_segments() {
        let mut timeline = at_120();
        for change in 1..=2_000 {
            timeline.change_tempo(change * 10_000, if change % 2 == 0 { 120_000 } else { 90_000 });
        }
        assert_eq!(timeline.segments().len(), MAX_SEGMENTS);
        assert_eq!(timeline.segments().last().map(|last| last.beat0_ub), Some(20_000_000));
    }
}
