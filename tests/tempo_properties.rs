//! The timeline after any sequence of changes, against exact arithmetic.

use downbeat::tempo::{BEAT_UB, Ramp, Segment, Timeline};
use proptest::prelude::*;

/// How far ahead of now a change takes effect.
const LEAD_US: i64 = 150_000;
/// µs × thousandths of a beat a minute in one beat: 60 s × 10⁶ × 10³.
const BEAT_US_MILLI_BPM: i128 = 60_000_000_000;

/// 1 to 299 beats a minute, whole or not.
fn tempo() -> impl Strategy<Value = u32> {
    prop_oneof![(1_u32..=299).prop_map(|bpm| bpm * 1_000), 1_000_u32..=299_000]
}

fn start_us() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1_600_000_000_000_000_i64..4_000_000_000_000_000]
}

#[derive(Clone, Debug)]
enum Change {
    Tempo(u32),
    TempoAtBeat(u32),
    Ramp(u32, i64),
    StopThenResume(i64, Option<u32>),
    Forget,
    Renumber(i64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => tempo().prop_map(Change::Tempo),
        2 => tempo().prop_map(Change::TempoAtBeat),
        4 => (tempo(), 1..200 * BEAT_UB).prop_map(|(bpm, len_ub)| Change::Ramp(bpm, len_ub)),
        1 => (0..60_000_000_i64, proptest::option::of(tempo()))
            .prop_map(|(pause_us, bpm)| Change::StopThenResume(pause_us, bpm)),
        2 => Just(Change::Forget),
        1 => (-1_000_i64..1_000).prop_map(Change::Renumber),
    ]
}

/// Changes, each with the time that passes before it.
fn lesson() -> impl Strategy<Value = Vec<(i64, Change)>> {
    proptest::collection::vec((0..20_000_000_i64, change()), 0..40)
}

/// Applies a change, as a room does; gives the time from which the timeline may differ.
fn apply(timeline: &mut Timeline, now_us: &mut i64, change: &Change) -> i64 {
    let at_us = *now_us + LEAD_US;
    let at_ub = timeline.beat_at(at_us);
    match *change {
        Change::Tempo(milli_bpm) => timeline.change_tempo(at_ub, milli_bpm),
        Change::TempoAtBeat(milli_bpm) => {
            let beat = timeline.next_beat(None, at_us).expect("no stop is set").beat;
            timeline.change_tempo(beat * BEAT_UB, milli_bpm);
            return timeline.time_of(beat * BEAT_UB);
        }
        Change::Ramp(milli_bpm, len_ub) => timeline.ramp_tempo(at_ub, milli_bpm, len_ub),
        Change::StopThenResume(pause_us, milli_bpm) => {
            timeline.set_stop(Some(at_ub));
            *now_us = at_us + pause_us;
            timeline.resume(*now_us + LEAD_US, milli_bpm);
            assert_eq!(timeline.beat_at(*now_us + LEAD_US), at_ub);
            return *now_us + LEAD_US;
        }
        Change::Forget => timeline.forget_before(*now_us),
        Change::Renumber(beats) => timeline.renumber(beats),
    }
    at_us
}

fn after(timeline: Timeline, start_us: i64, lesson: &[(i64, Change)]) -> Timeline {
    let (mut timeline, mut now_us) = (timeline, start_us);
    for (passed_us, change) in lesson {
        now_us += passed_us;
        apply(&mut timeline, &mut now_us, change);
    }
    timeline
}

/// 4 · 60 000 · 240 000 · L times the micro-beats that a ramp has made after some half microseconds, exactly.
fn ramp_progress(from: i128, ramp: Ramp, half_us: i128) -> i128 {
    let (to, len_ub) = (i128::from(ramp.to_milli_bpm), i128::from(ramp.len_ub));
    half_us * 480_000 * len_ub * from + (to * to - from * from) * half_us * half_us
}

/// Asserts that a segment is within half a microsecond of its exact time at a position up to its end.
fn assert_exact(timeline: &Timeline, segment: &Segment, beat_ub: i64) {
    let elapsed = i128::from(timeline.time_of(beat_ub) - segment.t0_us);
    let beats = i128::from(beat_ub - segment.beat0_ub);
    let from = i128::from(segment.milli_bpm);
    match segment.ramp {
        None => assert!(2 * (elapsed * from - beats * 60_000).abs() <= from),
        Some(ramp) => {
            let target = 4 * 14_400_000_000 * i128::from(ramp.len_ub) * beats;
            assert!(elapsed == 0 || ramp_progress(from, ramp, 2 * elapsed - 1) <= target);
            // Past its end the parabola is not the ramp.
            let end_us = timeline.time_of(segment.beat0_ub + ramp.len_ub) - segment.t0_us;
            if elapsed < i128::from(end_us) {
                assert!(ramp_progress(from, ramp, 2 * elapsed + 1) >= target);
            }
        }
    }
}

/// Evenly spread positions from one to another, both included.
fn spread(from_ub: i64, to_ub: i64) -> impl Iterator<Item = i64> {
    (0..=16).map(move |step| from_ub + (to_ub - from_ub) / 16 * step).chain([to_ub])
}

proptest! {
    #[test]
    fn a_steady_beat_is_within_a_microsecond_of_exact_after_100_000_beats(
        start_us in start_us(),
        beat0 in -64_i64..1_000_000,
        milli_bpm in tempo(),
        beats in prop_oneof![Just(100_000_i64), 0..=100_000_i64],
    ) {
        let timeline = Timeline::starting(start_us, beat0 * BEAT_UB, milli_bpm);
        let elapsed = i128::from(timeline.time_of((beat0 + beats) * BEAT_UB) - start_us);
        let error = elapsed * i128::from(milli_bpm) - i128::from(beats) * BEAT_US_MILLI_BPM;
        prop_assert!(error.abs() <= i128::from(milli_bpm));
    }

    #[test]
    fn after_any_changes_100_000_further_beats_are_exact(
        start_us in start_us(), first in tempo(), lesson in lesson(),
    ) {
        let timeline = after(Timeline::starting(start_us, 0, first), start_us, &lesson);
        let last = timeline.segments().last().expect("never empty");
        prop_assert!(last.ramp.is_none());
        let speed = i128::from(last.milli_bpm);
        for beats in [1, 999, 100_000_i64] {
            let elapsed = i128::from(timeline.time_of(last.beat0_ub + beats * BEAT_UB) - last.t0_us);
            let error = elapsed * speed - i128::from(beats) * BEAT_US_MILLI_BPM;
            prop_assert!(error.abs() <= speed);
        }
    }

    #[test]
    fn after_any_changes_every_segment_is_exact_and_arrives_where_the_next_begins(
        start_us in start_us(), first in tempo(), lesson in lesson(),
    ) {
        let timeline = after(Timeline::starting(start_us, 0, first), start_us, &lesson);
        for pair in timeline.segments().windows(2) {
            for beat_ub in spread(pair[0].beat0_ub, pair[1].beat0_ub) {
                assert_exact(&timeline, &pair[0], beat_ub);
            }
            prop_assert_eq!(timeline.time_of(pair[1].beat0_ub), pair[1].t0_us);
            prop_assert_eq!(timeline.beat_at(pair[1].t0_us), pair[1].beat0_ub);
            // A microsecond sooner it is less than a microsecond's beats sooner: twice that, rounded.
            let step = pair[1].beat0_ub - timeline.beat_at(pair[1].t0_us - 1);
            prop_assert!((0..=11).contains(&step), "a step of {step} micro-beats");
        }
    }

    #[test]
    fn after_any_changes_time_and_beats_only_go_forward_and_are_inverse(
        start_us in start_us(), first in tempo(), lesson in lesson(),
    ) {
        let timeline = after(Timeline::starting(start_us, -4 * BEAT_UB, first), start_us, &lesson);
        let begin = timeline.segments()[0].beat0_ub.div_euclid(BEAT_UB) - 4;
        let end = timeline.segments().last().expect("never empty").beat0_ub.div_euclid(BEAT_UB) + 8;
        let mut last_us = i64::MIN;
        for beat in begin..=end {
            let due_us = timeline.time_of(beat * BEAT_UB);
            prop_assert!(due_us > last_us);
            // Half a microsecond at the fastest tempo, and half a micro-beat; a join may add one of each.
            prop_assert!((timeline.beat_at(due_us) - beat * BEAT_UB).abs() <= 6);
            last_us = due_us;
        }
        let (from_us, to_us) = (timeline.time_of(begin * BEAT_UB), last_us);
        let mut last_ub = i64::MIN;
        for t_us in spread(from_us, to_us) {
            let beat_ub = timeline.beat_at(t_us);
            prop_assert!(beat_ub >= last_ub);
            // Half a micro-beat at the slowest tempo is 30 µs.
            prop_assert!((timeline.time_of(beat_ub) - t_us).abs() <= 32);
            last_ub = beat_ub;
        }
    }

    #[test]
    fn many_changes_of_tempo_depart_from_exact_by_half_a_microsecond_each_at_most(
        start_us in start_us(), first in tempo(),
        changes in proptest::collection::vec((1..20 * BEAT_UB, tempo()), 1..60),
    ) {
        // The exact time, in 2⁻⁶⁰ µs, of which each step loses one at most.
        const SCALE: i128 = 1 << 60;
        let mut timeline = Timeline::starting(start_us, 0, first);
        let (mut at_ub, mut exact, mut speed) = (0, i128::from(start_us) * SCALE, i128::from(first));
        for (count, &(beats_ub, milli_bpm)) in (1_i128..).zip(&changes) {
            at_ub += beats_ub;
            exact += i128::from(beats_ub) * 60_000 * SCALE / speed;
            timeline.change_tempo(at_ub, milli_bpm);
            speed = milli_bpm.into();
            let error = (i128::from(timeline.time_of(at_ub)) * SCALE - exact).abs();
            prop_assert!(error <= count * (SCALE / 2 + 1));
        }
    }

    #[test]
    fn a_change_moves_nothing_before_it(
        start_us in start_us(), first in tempo(), lesson in lesson(), next in change(),
    ) {
        prop_assume!(!matches!(next, Change::Renumber(_)));
        let mut timeline = after(Timeline::starting(start_us, 0, first), start_us, &lesson);
        let before = timeline.clone();
        let mut now_us = timeline.segments().last().expect("never empty").t0_us;
        let mut stopped = before.clone();
        let heard_until = now_us + LEAD_US;
        stopped.set_stop(Some(before.beat_at(heard_until)));
        let changed_us = apply(&mut timeline, &mut now_us, &next);
        if matches!(next, Change::StopThenResume(..)) {
            // The pause stands still at the stop, and the resume goes on from there.
            prop_assert_eq!(timeline.position_at(changed_us), stopped.position_at(changed_us));
        } else {
            let changed_ub = timeline.beat_at(changed_us);
            for t_us in spread(heard_until - LEAD_US, changed_us - 1) {
                let beat_ub = before.beat_at(t_us);
                prop_assert_eq!(timeline.beat_at(t_us), beat_ub);
                prop_assert_eq!(timeline.time_of(beat_ub), before.time_of(beat_ub));
            }
            prop_assert_eq!(timeline.time_of(changed_ub), before.time_of(changed_ub));
            // A microsecond at the fastest tempo.
            prop_assert!((before.beat_at(changed_us) - changed_ub).abs() <= 5);
        }
    }

    #[test]
    fn forgetting_changes_no_later_answer(
        start_us in start_us(), first in tempo(), lesson in lesson(),
        now_us in 0..400_000_000_i64, ahead_us in proptest::collection::vec(0..400_000_000_i64, 1..8),
    ) {
        let timeline = after(Timeline::starting(start_us, 0, first), start_us, &lesson);
        let now_us = start_us + now_us;
        let mut pruned = timeline.clone();
        pruned.forget_before(now_us);
        prop_assert!(pruned.segments().get(1).is_none_or(|second| second.t0_us >= now_us));
        for t_us in ahead_us.into_iter().map(|ahead| now_us + ahead).chain([now_us]) {
            prop_assert_eq!(pruned.beat_at(t_us), timeline.beat_at(t_us));
            prop_assert_eq!(pruned.milli_bpm_at(t_us), timeline.milli_bpm_at(t_us));
            prop_assert_eq!(pruned.next_beat(None, t_us), timeline.next_beat(None, t_us));
        }
    }

    #[test]
    fn the_next_beat_is_the_first_that_is_due(
        start_us in start_us(), first in tempo(), lesson in lesson(),
        count_in in 0..8_i64, from_us in -10_000_000..200_000_000_i64,
        played in proptest::option::of(-10..200_i64), stop in proptest::option::of(-10..200_i64),
    ) {
        let start = Timeline::starting(start_us, -count_in * BEAT_UB, first);
        let mut timeline = after(start, start_us, &lesson);
        timeline.set_stop(stop.map(|beat| beat * BEAT_UB));
        let from_us = start_us + from_us;
        let begin = timeline.segments()[0].beat0_ub.div_euclid(BEAT_UB);
        let plain = (begin..stop.unwrap_or(begin + 4_000)).find(|beat| {
            beat * BEAT_UB >= timeline.segments()[0].beat0_ub
                && played.is_none_or(|played| *beat > played)
                && timeline.time_of(beat * BEAT_UB) >= from_us
        });
        let next = timeline.next_beat(played, from_us);
        prop_assert_eq!(next.map(|due| due.beat), plain);
        if let Some(due) = next {
            prop_assert_eq!(due.due_us, timeline.time_of(due.beat * BEAT_UB));
        }
    }

    #[test]
    fn a_class_hears_each_beat_once_in_order_through_all_changes(
        start_us in start_us(), first in tempo(), lesson in lesson(),
    ) {
        let mut timeline = Timeline::starting(start_us, -4 * BEAT_UB, first);
        let mut now_us = start_us;
        let mut last: Option<(i64, i64)> = None;
        for (passed_us, change) in &lesson {
            now_us += passed_us;
            while let Some(due) = timeline.next_beat(last.map(|(beat, _)| beat), i64::MIN) {
                if due.due_us > now_us {
                    break;
                }
                prop_assert_eq!(due.beat, last.map_or(-4, |(beat, _)| beat + 1));
                prop_assert!(last.is_none_or(|(_, due_us)| due.due_us > due_us));
                last = Some((due.beat, due.due_us));
            }
            // A renumbering opens a new run, a pause is played to its end first: neither belongs here.
            if !matches!(change, Change::Renumber(_) | Change::StopThenResume(..)) {
                apply(&mut timeline, &mut now_us, change);
            }
        }
    }

    #[test]
    fn ramps_agree_with_floating_point(
        from in tempo(), to in tempo(), len_ub in 1..1_000 * BEAT_UB, part in 0.0..=1.0_f64,
    ) {
        let mut timeline = Timeline::starting(0, 0, from);
        timeline.ramp_tempo(0, to, len_ub);
        let (v0, v1) = (f64::from(from) / 60_000.0, f64::from(to) / 60_000.0);
        let len = len_ub as f64;
        let duration = 2.0 * len / (v0 + v1);
        let beats_ub = (len * part) as i64;
        let beats = beats_ub as f64;
        let acceleration = (v1 - v0) / duration;
        let root = (v0 * v0 + 2.0 * acceleration * beats).max(0.0).sqrt();
        let exact = 2.0 * beats / (v0 + root);
        prop_assert!((timeline.time_of(beats_ub) as f64 - exact).abs() <= 1.0);
        prop_assert!((timeline.time_of(len_ub) as f64 - duration).abs() <= 1.0);
        // And the other way, by the tempo that the ramp shows on its way.
        let t_us = (duration * part) as i64;
        let time = t_us as f64;
        let position = time * (v0 + acceleration * time / 2.0);
        prop_assert!((timeline.beat_at(t_us) as f64 - position).abs() <= 6.0);
        let milli_bpm = f64::from(timeline.milli_bpm_at(t_us));
        if time + 1.0 < duration {
            prop_assert!((milli_bpm - (v0 + acceleration * time) * 60_000.0).abs() <= 1.0);
        }
        prop_assert_eq!(timeline.milli_bpm_at(timeline.time_of(len_ub)), to);
    }
}
