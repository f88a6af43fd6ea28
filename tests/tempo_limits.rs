//! The timeline at the ends of the numbers, and made of parts that nobody has checked.

use downbeat::tempo::{BEAT_UB, MAX_MILLI_BPM, MAX_RAMP_UB, MAX_SEGMENTS, MIN_MILLI_BPM, Ramp, Segment, Timeline};
use proptest::prelude::*;

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        any::<i64>(),
        -(1_i64 << 61)..=1 << 61,
        -2 * MAX_RAMP_UB..2 * MAX_RAMP_UB,
        -4 * BEAT_UB..4 * BEAT_UB,
    ]
}

fn tempo_or_nonsense() -> impl Strategy<Value = u32> {
    prop_oneof![8 => MIN_MILLI_BPM..=MAX_MILLI_BPM, 1 => Just(0), 1 => any::<u32>()]
}

fn ask_everything(timeline: &Timeline, number: i64, other: i64) {
    assert!((1..=MAX_SEGMENTS).contains(&timeline.segments().len()));
    for number in [number, other, i64::MIN, i64::MAX] {
        timeline.time_of(number);
        timeline.beat_at(number);
        timeline.position_at(number);
        timeline.next_beat(Some(number), other);
        timeline.next_beat(None, number);
        assert!((MIN_MILLI_BPM..=MAX_MILLI_BPM).contains(&timeline.milli_bpm_at(number)));
    }
}

proptest! {
    #[test]
    fn no_change_panics_and_what_changes_make_can_be_stored(
        start in (any::<i64>(), any::<i64>(), any::<u32>()),
        changes in proptest::collection::vec((0..6_u8, extreme(), any::<u32>(), extreme()), 0..40),
    ) {
        let mut timeline = Timeline::starting(start.0, start.1, start.2);
        for (kind, number, milli_bpm, other) in changes {
            match kind {
                0 => timeline.change_tempo(number, milli_bpm),
                1 => timeline.ramp_tempo(number, milli_bpm, other),
                2 => timeline.set_stop(Some(number)),
                3 => timeline.resume(number, (other > 0).then_some(milli_bpm)),
                4 => timeline.renumber(number),
                _ => timeline.forget_before(number),
            }
            ask_everything(&timeline, number, other);
            let stored = Timeline::from_parts(timeline.segments().to_vec(), timeline.stop_at_ub());
            prop_assert_eq!(stored.as_ref(), Ok(&timeline));
        }
        let json = serde_json::to_string(&timeline).expect("plain numbers");
        prop_assert_eq!(serde_json::from_str::<Timeline>(&json).ok(), Some(timeline));
    }

    #[test]
    fn parts_are_refused_or_harmless(
        parts in proptest::collection::vec(
            (extreme(), extreme(), tempo_or_nonsense(), proptest::option::of((tempo_or_nonsense(), extreme()))),
            0..3,
        ),
        stop in proptest::option::of(extreme()), number in extreme(), other in extreme(),
    ) {
        let segments = parts.into_iter().map(|(t0_us, beat0_ub, milli_bpm, ramp)| Segment {
            t0_us,
            beat0_ub,
            milli_bpm,
            ramp: ramp.map(|(to_milli_bpm, len_ub)| Ramp { to_milli_bpm, len_ub }),
        });
        if let Ok(mut timeline) = Timeline::from_parts(segments.collect(), stop) {
            ask_everything(&timeline, number, other);
            timeline.ramp_tempo(number, 90_000, other);
            timeline.resume(other, None);
            ask_everything(&timeline, other, number);
        }
    }
}
