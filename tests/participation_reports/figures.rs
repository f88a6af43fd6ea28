//! Gini, evenness, median and slope, against their definitions.

use downbeat::participation::{evenness, gini, median, theil_sen_slope};
use proptest::prelude::*;

/// Σᵢ Σⱼ |xᵢ − xⱼ| / (2 n² x̄), as it is written.
fn gini_by_definition(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let differences: f64 = x.iter().flat_map(|a| x.iter().map(move |b| (a - b).abs())).sum();
    differences / (2.0 * n * n * mean)
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if (a - b).abs() < 1e-9) || (a.is_none() && b.is_none())
}

#[test]
fn gini_and_evenness_of_numbers_one_can_check_by_hand() {
    assert!(close(gini(&[3.0, 3.0, 3.0]), Some(0.0)));
    assert!(close(gini(&[0.0, 0.0, 0.0, 8.0]), Some(0.75)));
    assert!(close(gini(&[1.0, 3.0]), Some(0.25)));
    assert!(close(evenness(&[3.0, 3.0, 3.0]), Some(1.0)));
    assert!(close(evenness(&[0.0, 0.0, 8.0]), Some(0.0)));
    assert!(close(evenness(&[5.0, 5.0, 0.0, 0.0]), Some(0.5)));
    for nothing in [&[][..], &[4.0], &[0.0, 0.0]] {
        assert_eq!((gini(nothing), evenness(nothing)), (None, None));
    }
}

#[test]
fn the_median_is_in_the_middle() {
    assert_eq!(median(&mut [5.0, -1.0, 3.0]), Some(3.0));
    assert_eq!(median(&mut [4.0, 1.0, 2.0, 9.0]), Some(3.0));
    assert_eq!(median(&mut []), None);
}

#[test]
fn one_odd_session_does_not_turn_the_slope() {
    let points = |values: &[f64]| (0_u32..).map(f64::from).zip(values.iter().copied()).collect::<Vec<_>>();
    assert_eq!(theil_sen_slope(&points(&[1.0, 3.0, 5.0, 7.0])), Some(2.0));
    assert_eq!(theil_sen_slope(&points(&[1.0, 3.0, 5.0, 7.0, -900.0, 11.0, 13.0])), Some(2.0));
    assert_eq!(theil_sen_slope(&points(&[1.0, 3.0])), None);
}

proptest! {
    #[test]
    fn gini_is_what_its_formula_says(x in prop::collection::vec(0.0..500.0, 2..40)) {
        prop_assume!(x.iter().sum::<f64>() > 0.0);
        prop_assert!(close(gini(&x), Some(gini_by_definition(&x))));
    }

    #[test]
    fn neither_a_unit_nor_an_order_changes_how_voices_are_shared(
        x in prop::collection::vec(0.0..500.0, 2..40), factor in 0.001..1000.0, turn in 0_usize..40,
    ) {
        prop_assume!(x.iter().sum::<f64>() > 0.0);
        let mut other: Vec<f64> = x.iter().map(|x| x * factor).collect();
        other.rotate_left(turn % x.len());
        prop_assert!(close(gini(&x), gini(&other)));
        prop_assert!(close(evenness(&x), evenness(&other)));
    }

    #[test]
    fn giving_from_the_loudest_to_the_quietest_is_never_less_even(x in prop::collection::vec(0.0..500.0, 2..40)) {
        let mut sorted = x;
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let gift = (sorted[last] - sorted[0]) / 4.0;
        prop_assume!(gift > 0.001);
        let (before_gini, before_evenness) = (gini(&sorted), evenness(&sorted));
        sorted[0] += gift;
        sorted[last] -= gift;
        prop_assert!(gini(&sorted) < before_gini);
        prop_assert!(evenness(&sorted) > before_evenness);
    }
}
