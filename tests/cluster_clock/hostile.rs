//! Samples that no honest server and no honest network would give.

use downbeat::time::{Advice, Line, Reference, SLEW_PPB_MAX, Sample};
use proptest::prelude::*;

use crate::rules::honest;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        (0..400_000_000_000i64),
        (-1_000_000..2_000_000_000_000_000i64),
    ]
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (number(), number(), 0..3u8, number(), prop::option::of(number())).prop_map(
        |(asked_boot_us, answered_boot_us, run, server_us, offset_us)| Sample {
            asked_boot_us,
            answered_boot_us,
            run_id: format!("run-{run}").into(),
            server_us,
            offset_us,
        },
    )
}

/// A sample that the node at least looks at.
fn sane_sample() -> impl Strategy<Value = Sample> {
    (any_sample(), 0..1_000_000_000i64, 0..3_000i64).prop_map(|(sample, asked_boot_us, took_us)| Sample {
        asked_boot_us,
        answered_boot_us: asked_boot_us + took_us,
        server_us: sample.server_us.rem_euclid(1 << 58),
        offset_us: sample.offset_us.map(|offset_us| offset_us % (1 << 58)),
        ..sample
    })
}

proptest! {
    #[test]
    fn whatever_the_samples_say_a_set_clock_bends_by_500_ppm_at_most_and_never_turns_back(
        mut samples in prop::collection::vec((prop_oneof![any_sample(), sane_sample()], any::<bool>(), number()), 1..60)
    ) {
        samples.sort_by_key(|(sample, ..)| sample.asked_boot_us);
        let (mut reference, mut line, mut boot_us) = (Reference::default(), Line::not_set(0, 0), 0);
        for (sample, is_founder, in_force_us) in samples {
            let advice = reference.take_in(&sample, is_founder);
            if let Advice::Propose { run_id, .. } = advice {
                reference.agreed(&run_id, in_force_us, sample.answered_boot_us);
            }
            let (was_set, before_us) = (line.is_set(), line.at(boot_us));
            let elapsed_us = 10_000_000;
            boot_us += elapsed_us;
            let expected_us = line.at(boot_us);
            if let Some(estimate) = reference.estimate() {
                line = line.towards(boot_us, estimate);
            }
            let now_us = line.at(boot_us);
            if was_set {
                prop_assert_eq!(now_us, expected_us, "a bend is no step");
                prop_assert!(now_us > before_us);
                prop_assert!((now_us - before_us - elapsed_us).abs() <= elapsed_us * SLEW_PPB_MAX / 1_000_000_000 + 1);
                prop_assert!(line.uncertainty_us(boot_us) > 0);
            }
        }
    }

    #[test]
    fn a_line_answers_for_any_instant(boot_us in number(), aim_us in number(), at_us in number()) {
        let line = Line::not_set(0, 0).towards_machine(boot_us, aim_us);
        let _ = (line.at(at_us), line.boot_at(at_us), line.uncertainty_us(at_us));
    }

    #[test]
    fn senseless_samples_change_nothing(sample in any_sample()) {
        let is_senseless = sample.asked_boot_us < 0
            || sample.answered_boot_us < sample.asked_boot_us
            || sample.answered_boot_us > sample.asked_boot_us.saturating_add(1_000_000)
            || sample.server_us < 0
            || sample.server_us > 1 << 60;
        prop_assume!(is_senseless);
        let mut reference = Reference::default();
        prop_assert_eq!(reference.take_in(&honest(0), false), Advice::Steered);
        let before = reference.estimate();
        prop_assert_eq!(reference.take_in(&sample, true), Advice::Wait);
        prop_assert_eq!(reference.estimate(), before);
        prop_assert_eq!(reference.take_in(&honest(250_000), false), Advice::Steered);
    }
}
