//! Random lessons, beside models that are slow and plain.

use std::{collections::BTreeMap, time::Instant};

use downbeat::{
    participation::{Event, Kind},
    room::is_assigned,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::Lesson;

const LESSON_S: u32 = 120;
const IDS: [&str; 4] = ["ada", "bob", "cleo", "dora"];

#[derive(Clone, Copy, Debug)]
enum Act {
    Join,
    Leave,
    Mute,
    Unmute,
    Role(Option<&'static str>),
}

fn acts() -> impl Strategy<Value = Vec<(u32, usize, Act)>> {
    let roles = [None, Some("soloist"), Some("listener"), Some("co_teacher"), Some("section:alto")];
    let act = prop_oneof![
        4 => Just(Act::Join),
        3 => Just(Act::Leave),
        2 => Just(Act::Mute),
        2 => Just(Act::Unmute),
        2 => prop::sample::select(roles.to_vec()).prop_map(Act::Role),
    ];
    prop::collection::vec((0..LESSON_S, 0..IDS.len(), act), 1..40).prop_map(|mut acts| {
        acts.sort_by_key(|(at, ..)| *at);
        acts
    })
}

fn told(acts: &[(u32, usize, Act)]) -> Lesson {
    acts.iter().fold(Lesson::of_s(f64::from(LESSON_S)), |lesson, (at, who, act)| {
        let (at, id) = (f64::from(*at), IDS[*who]);
        match act {
            Act::Join => lesson.join(at, id),
            Act::Leave => lesson.leave(at, id),
            Act::Mute => lesson.of(at, Kind::STUDENT_MUTED, id),
            Act::Unmute => lesson.of(at, Kind::STUDENT_UNMUTED, id),
            Act::Role(role) => lesson.with(at, Kind::ROLE_ASSIGNED, Some(id), json!({ "role": role })),
        }
    })
}

/// Seconds (attended, muted, silent by role, could play) of each, second by second.
fn seconds(acts: &[(u32, usize, Act)]) -> [[u32; 4]; IDS.len()] {
    let mut state = [(false, false, None::<&str>); IDS.len()];
    let mut sums = [[0; 4]; IDS.len()];
    for second in 0..LESSON_S {
        for (_, who, act) in acts.iter().filter(|(at, ..)| *at == second) {
            let (is_here, is_muted, role) = &mut state[*who];
            match act {
                Act::Join => *is_here = true,
                Act::Leave => *is_here = false,
                Act::Mute => *is_muted = true,
                Act::Unmute => *is_muted = false,
                Act::Role(given) => *role = *given,
            }
        }
        let has_soloist = state.iter().any(|(is_here, _, role)| *is_here && *role == Some("soloist"));
        for ((is_here, is_muted, role), sums) in state.iter().zip(&mut sums).filter(|((is_here, ..), _)| *is_here) {
            let is_free = matches!(role, Some("soloist" | "co_teacher"));
            let is_silent = *role == Some("listener") || (has_soloist && !is_free);
            sums[0] += u32::from(*is_here);
            sums[match (is_muted, is_silent) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => 3,
            }] += 1;
        }
    }
    sums
}

/// Events of gateways, the notes, come up to this much later than the others.
fn delayed(events: &[Event], by_us: &[i64]) -> Vec<Event> {
    let mut arrived: Vec<(i64, Event)> = events
        .iter()
        .zip(by_us.iter().cycle())
        .map(|(event, by_us)| (event.at_us + if event.note.is_some() { *by_us } else { 0 }, event.clone()))
        .collect();
    arrived.sort_by_key(|(at_us, _)| *at_us);
    arrived.into_iter().map(|(_, event)| event).collect()
}

proptest! {
    #[test]
    fn spans_are_what_somebody_with_a_stopwatch_would_write_down(acts in acts()) {
        let report = told(&acts).report();
        for (id, model) in IDS.iter().zip(seconds(&acts)) {
            let row = report.students.iter().find(|row| row.student_id == *id);
            let [attended, muted, silent, could_play] = row.map_or([0.0; 4], |row| {
                [row.attended_s, row.muted_s, row.silent_by_role_s, row.could_play_s]
            });
            prop_assert_eq!([attended, muted, silent, could_play], model.map(f64::from), "{}", id);
        }
    }

    #[test]
    fn notes_that_arrive_a_second_late_or_early_change_no_count(
        notes in prop::collection::vec((0_u32..1_180, 0..IDS.len()), 1..60),
        absences in prop::collection::vec((0..IDS.len(), 10_u32..80, 4_u32..30), 0..3),
        delays in prop::collection::vec(-1_000_000_i64..1_000_000, 1..9),
    ) {
        let mut lesson = IDS.iter().fold(Lesson::of_s(f64::from(LESSON_S)), |lesson, id| lesson.join(0.0, id));
        let mut away = BTreeMap::new();
        for (who, from, length) in absences {
            if away.insert(who, from..from + length).is_none() {
                lesson = lesson.leave(f64::from(from), IDS[who]).join(f64::from(from + length), IDS[who]);
            }
        }
        for (tenths, who) in notes {
            if !away.get(&who).is_some_and(|away| away.contains(&(tenths / 10))) {
                lesson = lesson.note(f64::from(tenths) / 10.0, IDS[who]);
            }
        }
        lesson.events.sort_by_key(|event| event.at_us);
        let in_order = lesson.report();
        lesson.events = delayed(&lesson.events, &delays);
        let jumbled = lesson.report();
        prop_assert_eq!(&in_order.analytics.activity, &jumbled.analytics.activity);
        prop_assert_eq!(&in_order.analytics.peaks, &jumbled.analytics.peaks);
        for (row, other) in in_order.students.iter().zip(&jumbled.students) {
            prop_assert_eq!(
                (row.notes, row.turns, row.reconnects, row.first_note_at_ms, row.offset_median_ms),
                (other.notes, other.turns, other.reconnects, other.first_note_at_ms, other.offset_median_ms)
            );
            prop_assert!((row.attended_s - other.attended_s).abs() <= 1.0, "{} {}", row.attended_s, other.attended_s);
        }
    }

    #[test]
    fn assigned_beats_are_counted_as_somebody_who_hears_each_of_them_would(
        places in prop::collection::btree_map(1_u32..13, 0..IDS.len(), 1..6),
        beats_per_bar in 1_u32..8,
        mutes in prop::collection::vec((0_u32..100, 0..IDS.len(), any::<bool>()), 0..20),
        steps in prop::collection::vec(0_u32..3, 1..40),
    ) {
        let assignments: BTreeMap<u32, Vec<String>> =
            places.iter().map(|(place, who)| (*place, vec![IDS[*who].to_owned()])).collect();
        let mut lesson = IDS.iter().fold(Lesson::of_s(100.0), |lesson, id| lesson.join(0.0, id));
        let details = json!({ "assignments": assignments, "beats_per_bar": beats_per_bar });
        lesson = lesson.room(0.0, Kind::BEATS_ASSIGNED, details).beat(1, -1.0);
        // One beat a second: beat b comes up at second b. Something is heard of some of them, and of every mute.
        let mut told: Vec<(u32, Option<(usize, bool)>)> = mutes.iter().map(|(at, who, on)| (*at, Some((*who, *on)))).collect();
        let heard = steps.iter().scan(0, |at, step| { *at += step; Some((*at, None)) });
        told.extend(heard);
        told.push((99, None));
        told.sort_by_key(|(at, _)| *at);
        let mut muted = [false; IDS.len()];
        let mut model = [0_u64; IDS.len()];
        let mut next_beat = 0;
        for (second, act) in told {
            // Between two beats, so that there is no question which comes first.
            let position = f64::from(second) + 0.5;
            while f64::from(next_beat) <= position {
                for (who, id) in IDS.iter().enumerate() {
                    let is_owner = is_assigned(&assignments, beats_per_bar, 0, i64::from(next_beat), id);
                    model[who] += u64::from(is_owner && !muted[who]);
                }
                next_beat += 1;
            }
            lesson = match act {
                None => lesson.room(position, Kind::TEMPO_CHANGED, json!({ "bpm": 60 })),
                Some((who, on)) => {
                    muted[who] = on;
                    let kind = if on { Kind::STUDENT_MUTED } else { Kind::STUDENT_UNMUTED };
                    lesson.of(position, kind, IDS[who])
                }
            }
            .beat(1, position);
        }
        let report = lesson.report();
        let counted = IDS.map(|id| report.students.iter().find(|row| row.student_id == id).map_or(0, |row| row.assigned_beats));
        prop_assert_eq!(counted, model);
    }

    #[test]
    fn no_events_are_too_strange_for_a_report(
        events in prop::collection::vec(
            (any::<i64>(), 0_u64..3, prop::option::of(any::<i64>()), 0_usize..9, 0..IDS.len()), 0..60,
        ),
    ) {
        let kinds = [
            Kind::JOINED, Kind::LEFT, Kind::NOTE_PLAYED, Kind::STUDENT_MUTED, Kind::ROLE_ASSIGNED, Kind::ROLL,
            Kind::BEATS_ASSIGNED, Kind::EVENTS_MISSING, Kind::named("note_bent".to_owned()),
        ];
        let mut lesson = Lesson::of_s(60.0);
        for (at_us, run, beat_ub, kind, who) in events {
            let details = json!({ "students": [7, "ada"], "assignments": { "1": ["ada"], "x": 3 }, "count": -1 });
            lesson = lesson.with(1.0, kinds[kind].clone(), (kind % 2 == 0).then_some(IDS[who]), details);
            let event = lesson.events.last_mut().expect("it was just put there");
            (event.at_us, event.run, event.beat_ub) = (at_us, run, beat_ub);
        }
        let report = lesson.report();
        prop_assert!(report.students.iter().all(|row| (0.0..=60.0).contains(&row.attended_s)));
    }
}

#[test]
fn a_lesson_of_two_hundred_thousand_notes_is_folded_whole() {
    let ids: Vec<String> = (0..60).map(|number| format!("student-{number}")).collect();
    let mut lesson = ids.iter().fold(Lesson::of_s(3_600.0), |lesson, id| lesson.join(0.0, id));
    let everybody: BTreeMap<u32, Vec<String>> = (1..=8).map(|place| (place, ids.clone())).collect();
    let details = json!({ "assignments": everybody, "beats_per_bar": 4 });
    lesson = lesson.room(0.0, Kind::BEATS_ASSIGNED, details).beat(1, 0.0);
    for number in 0..200_000_usize {
        let seconds = 1.0 + number as f64 * 0.0179;
        let offset_us = (number * 7_919 % 200_001) as i32 - 100_000;
        lesson =
            lesson.timed(seconds, &ids[number * 31 % 60], Some(offset_us), 400, number % 3 == 0).beat(1, seconds * 2.0);
    }
    let began = Instant::now();
    let report = lesson.report();
    println!("{} events in {:?}", lesson.events.len(), began.elapsed());
    assert_eq!(report.analytics.notes, 200_000);
    assert_eq!(report.students.iter().map(|row| row.notes_timed).sum::<u64>(), 200_000);
    // The very last beat counts only for those who hit it before it came.
    let least = report.students.iter().map(|row| row.assigned_beats).min().expect("students");
    assert!(least > 7_100 && report.students.iter().all(|row| row.assigned_beats <= least + 1), "{least}");
}
