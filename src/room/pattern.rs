//! The pattern that students are assigned to: which beat falls on which of its places.
//!
//! Places count from 1. The pattern is as many whole bars long as it takes to hold the highest place that somebody is
//! assigned to, begins with a bar, and goes round from there: with 4 beats in a bar and somebody at place 6 it is 8
//! beats long, and place 6 comes up on beats 5, 13, 21 …

use std::collections::BTreeMap;

use crate::tempo::BEAT_UB;

/// Place in the pattern (1 to 64) → student ids.
type Assignments = BTreeMap<u32, Vec<String>>;

/// The length of the pattern in beats: the smallest multiple of `beats_per_bar` that holds the highest place with
/// somebody at it. 0 where nobody is assigned.
#[must_use]
pub fn pattern_length(assignments: &Assignments, beats_per_bar: u32) -> u32 {
    let highest = assignments.iter().rev().find(|(_, ids)| !ids.is_empty()).map_or(0, |(place, _)| *place);
    let bar = beats_per_bar.max(1);
    highest.div_ceil(bar).saturating_mul(bar)
}

/// The place that a beat falls on, from 1; `bar0` is the beat at which bar 1 begins. None for the beats of a count-in,
/// which are before beat 0, and where nobody is assigned.
#[must_use]
pub fn place_of_beat(assignments: &Assignments, beats_per_bar: u32, bar0: i64, beat: i64) -> Option<u32> {
    let length = pattern_length(assignments, beats_per_bar);
    if beat < 0 || length == 0 {
        return None;
    }
    let place = (i128::from(beat) - i128::from(bar0)).rem_euclid(i128::from(length)) + 1;
    u32::try_from(place).ok()
}

/// Whether a beat is this student's to play.
#[must_use]
pub fn is_assigned(assignments: &Assignments, beats_per_bar: u32, bar0: i64, beat: i64, student_id: &str) -> bool {
    place_of_beat(assignments, beats_per_bar, bar0, beat)
        .and_then(|place| assignments.get(&place))
        .is_some_and(|ids| ids.iter().any(|id| id == student_id))
}

/// The whole beat that is nearest to a position; of two, the later one.
#[must_use]
pub fn nearest_beat(beat_ub: i64) -> i64 {
    beat_ub.saturating_add(BEAT_UB / 2).div_euclid(BEAT_UB)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(places: &[(u32, &str)]) -> Assignments {
        let mut assignments = Assignments::new();
        for (place, id) in places {
            assignments.entry(*place).or_default().push((*id).to_owned());
        }
        assignments
    }

    #[test]
    fn a_pattern_is_as_many_whole_bars_long_as_its_highest_place_needs() {
        let ada_at = |place| pattern_length(&assigned(&[(1, "bob"), (place, "ada")]), 4);
        assert_eq!([1, 4, 5, 6, 8, 9, 64].map(ada_at), [4, 4, 8, 8, 8, 12, 64]);
        assert_eq!(pattern_length(&assigned(&[(64, "ada")]), 7), 70);
        assert_eq!(pattern_length(&assigned(&[]), 4), 0);
        let vacant = Assignments::from([(2, vec!["ada".to_owned()]), (9, Vec::new())]);
        assert_eq!(pattern_length(&vacant, 4), 4, "a place with nobody at it needs no room");
    }

    #[test]
    fn a_place_comes_up_once_each_time_the_pattern_goes_round() {
        let assignments = assigned(&[(1, "ada"), (6, "bob"), (6, "cleo")]);
        let beats_of = |id: &str| (0..24).filter(|beat| is_assigned(&assignments, 4, 0, *beat, id)).collect::<Vec<_>>();
        assert_eq!(beats_of("ada"), [0, 8, 16]);
        assert_eq!(beats_of("bob"), [5, 13, 21]);
        assert_eq!(beats_of("cleo"), [5, 13, 21]);
        assert_eq!(beats_of("dora"), [0; 0]);
    }

    #[test]
    fn the_pattern_begins_with_a_bar_wherever_the_bars_begin() {
        let assignments = assigned(&[(1, "ada")]);
        let beats = (0..12).filter(|beat| is_assigned(&assignments, 3, 5, *beat, "ada")).collect::<Vec<_>>();
        assert_eq!(beats, [2, 5, 8, 11]);
    }

    #[test]
    fn a_count_in_is_nobody_s() {
        let assignments = assigned(&[(1, "ada"), (2, "ada"), (3, "ada"), (4, "ada")]);
        assert!((-8..0).all(|beat| !is_assigned(&assignments, 4, 0, beat, "ada")));
        assert!((0..8).all(|beat| is_assigned(&assignments, 4, 0, beat, "ada")));
    }

    #[test]
    fn a_note_belongs_to_the_beat_that_is_nearest() {
        let beats = [-600_000, -500_000, -1, 0, 499_999, 500_000, 1_500_000, i64::MAX, i64::MIN].map(nearest_beat);
        assert_eq!(beats, [-1, 0, 0, 0, 0, 1, 2, i64::MAX / BEAT_UB, i64::MIN / BEAT_UB - 1]);
    }

    #[test]
    fn numbers_out_of_range_name_some_place_or_none() {
        let assignments = assigned(&[(64, "ada")]);
        for beat in [i64::MIN, -1, 0, i64::MAX] {
            for bar0 in [i64::MIN, 0, i64::MAX] {
                for beats_per_bar in [0, 1, 64, u32::MAX] {
                    let place = place_of_beat(&assignments, beats_per_bar, bar0, beat);
                    assert_eq!(place.is_some(), beat >= 0);
                }
            }
        }
    }
}
