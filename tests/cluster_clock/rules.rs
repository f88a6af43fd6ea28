//! One node's rules, sample by sample.

use downbeat::time::{Advice, Reference, Sample};

const QUARTER: i64 = 250_000;
const HOUR: i64 = 3_600_000_000;

/// A look at a server whose clock is right and whose offset is agreed on, 400 µs there and back.
pub fn honest(boot_us: i64) -> Sample {
    Sample {
        asked_boot_us: boot_us,
        answered_boot_us: boot_us + 400,
        run_id: "run-0".into(),
        server_us: 1_000_000_000_000_200 + boot_us,
        offset_us: Some(7_000_000),
    }
}

/// A look at another server, whose clock is an hour ahead.
fn stranger(boot_us: i64, offset_us: Option<i64>) -> Sample {
    let sample = honest(boot_us);
    Sample { run_id: "run-1".into(), server_us: sample.server_us + HOUR, offset_us, ..sample }
}

/// What a node knows that has looked for two and a half seconds.
fn settled() -> Reference {
    let mut reference = Reference::default();
    for at in 0..10 {
        assert_eq!(reference.take_in(&honest(at * QUARTER), false), Advice::Steered);
    }
    reference
}

fn proposal(advice: Advice) -> (String, Option<i64>, i64) {
    match advice {
        Advice::Propose { run_id, expected_us, offset_us } => (run_id.to_string(), expected_us, offset_us),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_poor_first_look_sets_no_clock_but_three_of_them_do() {
    let mut reference = Reference::default();
    let slow = |boot_us: i64| Sample { answered_boot_us: boot_us + 30_000, ..honest(boot_us) };
    for at in 0..2 {
        reference.take_in(&slow(at * QUARTER), false);
        assert_eq!(reference.estimate(), None);
    }
    reference.take_in(&slow(2 * QUARTER), false);
    assert!(reference.estimate().is_some());
}

#[test]
fn a_node_that_knows_the_time_brings_it_to_a_new_server_after_three_looks() {
    let mut reference = settled();
    assert_eq!(reference.take_in(&stranger(10 * QUARTER, None), false), Advice::Wait);
    assert_eq!(reference.take_in(&stranger(11 * QUARTER, None), false), Advice::Wait);
    let (run_id, expected_us, offset_us) = proposal(reference.take_in(&stranger(12 * QUARTER, None), true));
    assert_eq!((run_id.as_str(), expected_us), ("run-1", None));
    assert!((offset_us - (7_000_000 - HOUR)).abs() <= 500, "{offset_us}");
}

#[test]
fn an_emptied_redis_is_told_exactly_what_was_in_force_at_the_first_look() {
    let mut reference = settled();
    let emptied = Sample { offset_us: None, ..honest(10 * QUARTER) };
    assert_eq!(proposal(reference.take_in(&emptied, false)), ("run-0".into(), None, 7_000_000));
}

#[test]
fn half_a_second_of_a_new_server_is_enough_where_looks_are_rare() {
    let mut reference = settled();
    assert_eq!(reference.take_in(&stranger(10 * QUARTER, None), false), Advice::Wait);
    proposal(reference.take_in(&stranger(12 * QUARTER, None), false));
}

#[test]
fn a_server_whose_offset_contradicts_what_a_node_has_just_known_is_corrected() {
    let mut reference = settled();
    for at in [10, 11] {
        assert_eq!(reference.take_in(&stranger(at * QUARTER, Some(7_000_000)), false), Advice::Wait);
    }
    let (_, expected_us, offset_us) = proposal(reference.take_in(&stranger(12 * QUARTER, Some(7_000_000)), false));
    assert_eq!(expected_us, Some(7_000_000));
    assert!((offset_us - (7_000_000 - HOUR)).abs() <= 500, "{offset_us}");
}

#[test]
fn a_node_that_was_away_for_long_follows_the_server_that_the_others_have_agreed_on() {
    let mut reference = settled();
    assert_eq!(reference.take_in(&stranger(400 * QUARTER, Some(7_000_000)), false), Advice::Steered);
}

#[test]
fn an_offset_that_changed_before_one_s_own_proposal_is_followed_and_not_contested() {
    let mut reference = settled();
    for at in [10, 11] {
        assert_eq!(reference.take_in(&stranger(at * QUARTER, None), false), Advice::Wait);
    }
    let a_little_else_us = 7_000_000 - HOUR + 90_000;
    assert_eq!(reference.take_in(&stranger(12 * QUARTER, Some(a_little_else_us)), false), Advice::Steered);
    assert_eq!(reference.take_in(&stranger(13 * QUARTER, Some(a_little_else_us)), false), Advice::Steered);
}

#[test]
fn two_wild_samples_move_nothing_and_the_third_in_a_row_is_a_leap() {
    let mut reference = settled();
    let wild = |boot_us: i64| {
        let sample = honest(boot_us);
        Sample { server_us: sample.server_us + HOUR, ..sample }
    };
    let before = reference.estimate();
    assert_eq!(reference.take_in(&wild(2_500_000), false), Advice::Wait);
    assert_eq!(reference.take_in(&wild(2_750_000), false), Advice::Wait);
    assert_eq!(reference.estimate(), before);
    assert_eq!(reference.take_in(&honest(3_000_000), false), Advice::Steered, "it was a glitch");
    for boot_us in [3_250_000, 3_500_000] {
        assert_eq!(reference.take_in(&wild(boot_us), false), Advice::Wait);
    }
    let (_, expected_us, offset_us) = proposal(reference.take_in(&wild(3_750_000), false));
    assert_eq!(expected_us, Some(7_000_000));
    assert!((offset_us - (7_000_000 - HOUR)).abs() <= 500, "{offset_us}");
}

#[test]
fn an_answer_that_was_asked_for_before_the_agreement_is_not_taken_for_the_news() {
    let mut reference = Reference::default();
    assert_eq!(reference.take_in(&honest(0), false), Advice::Steered);
    reference.agreed("run-0", 9_000_000, 300_000);
    let agreed = reference.estimate();
    assert_eq!(reference.take_in(&honest(250_000), false), Advice::Wait);
    assert_eq!(reference.estimate(), agreed);
    assert_eq!(agreed.map(|estimate| estimate.at(0)), Some(1_000_000_009_000_000));
}
