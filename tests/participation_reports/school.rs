//! A school's overview tells of no group of fewer than five, not even to somebody who subtracts.

use std::collections::BTreeSet;

use downbeat::{
    participation::{
        Reflection, ReflectionCell, ReflectionRow, SchoolOverview, SessionId, SessionSummary, StudentSummary,
    },
    room::{Competency, ReflectionType},
};
use proptest::prelude::*;

use crate::support::{Lesson, OPENED_US, at};

const TYPES: [ReflectionType; 3] =
    [ReflectionType::PreSession, ReflectionType::PostSession, ReflectionType::ExitTicket];
const COMPETENCIES: [Option<Competency>; 3] =
    [None, Some(Competency::SelfAwareness), Some(Competency::RelationshipSkills)];
/// The Monday of the week of the lessons of these tests, and a moment in the week after.
const WEEK: &str = "2025-11-17";
const NOW_MS: i64 = OPENED_US / 1_000 + 7 * 86_400_000;

pub fn reflection(student_id: &str, mood: u8) -> ReflectionRow {
    ReflectionRow {
        session: Lesson::of_s(1.0).head.session,
        student_id: student_id.to_owned(),
        submitted_at_us: at(50.0),
        reflection: Reflection {
            reflection_id: format!("{:032x}", 7),
            text: "I kept the beat".to_owned(),
            reflection_type: ReflectionType::ExitTicket,
            competency: None,
            mood: Some(mood),
            metadata: None,
        },
    }
}

const WEEK_US: i64 = 7 * 86_400_000_000;

/// Of a session so many weeks before.
fn weeks_before(weeks: i64, mut row: ReflectionRow) -> ReflectionRow {
    let opened_us = OPENED_US - weeks * WEEK_US;
    row.session = SessionId::parse(&format!("MUSIC-1234.{opened_us:x}")).expect("a session");
    row.submitted_at_us = opened_us + 50_000_000;
    row
}

fn session(day: i64, students: std::ops::Range<u32>) -> SessionSummary {
    let student = |number| StudentSummary {
        student_id: format!("s{number}"),
        attended_s: 120.0,
        could_play_s: 120.0,
        notes: 6,
        ..StudentSummary::default()
    };
    SessionSummary {
        session_id: format!("MUSIC-1234.{day}"),
        opened_at_ms: OPENED_US / 1_000 + day * 86_400_000,
        evenness: Some(0.5),
        students: students.map(student).collect(),
    }
}

#[test]
fn a_week_is_told_once_it_is_over() {
    let overview = |now_ms| SchoolOverview::of(&[session(0, 0..6)], &[], now_ms);
    let week = &overview(NOW_MS).weeks[0];
    assert_eq!((week.week_of.as_str(), week.figures.sessions, week.figures.students), (WEEK, 1, Some(6)));
    assert_eq!((week.figures.notes_per_student_minute, week.figures.evenness_median), (Some(3.0), Some(0.5)));
    assert!(overview(OPENED_US / 1_000 + 86_400_000).weeks.is_empty(), "Sunday of the same week");
}

#[test]
fn a_week_of_four_students_has_no_figures_and_no_part_in_the_total() {
    let sessions = [session(-7, 0..6), session(0, 6..10), session(0, 6..9)];
    let overview = SchoolOverview::of(&sessions, &[], NOW_MS);
    let figures = &overview.weeks[1].figures;
    assert_eq!((figures.students, figures.notes_per_student_minute, figures.suppressed), (None, None, true));
    assert_eq!(figures.evenness_median, None);
    assert_eq!(overview.total, overview.weeks[0].figures);
}

#[test]
fn a_small_session_has_no_part_in_the_median_of_a_larger_week() {
    let mut small = session(0, 0..4);
    small.evenness = Some(0.9);
    let overview = SchoolOverview::of(&[session(0, 0..6), small], &[], NOW_MS);
    assert_eq!(overview.weeks[0].figures.evenness_median, Some(0.5));
}

#[test]
fn a_mood_that_few_chose_is_hidden_and_so_is_the_next_that_would_give_it_away() {
    let chose = |mood: u8, count: u32| (0..count).map(move |number| reflection(&format!("m{mood}-{number}"), mood));
    let rows: Vec<_> = chose(5, 20).chain(chose(4, 9)).chain(chose(3, 6)).chain(chose(2, 1)).collect();
    let overview = SchoolOverview::of(&[], &rows, NOW_MS);
    assert_eq!(overview.reflections.len(), 1);
    let cell = &overview.reflections[0];
    assert_eq!((cell.reflections, cell.students, cell.suppressed), (Some(36), Some(36), true));
    assert_eq!(cell.moods, [None, None, None, Some(9), Some(20)], "36 - 9 - 20 are seven students, not one");
}

#[test]
fn five_reflections_of_one_student_are_one_student_s() {
    let rows: Vec<_> = (0..5).map(|_| reflection("ada", 3)).collect();
    let cell = SchoolOverview::of(&[], &rows, NOW_MS).reflections.remove(0);
    assert_eq!((cell.reflections, cell.students, cell.suppressed), (None, None, true));
    assert_eq!(cell.moods, [None; 5]);
}

#[test]
fn two_students_of_one_week_are_not_what_two_weeks_tell_more_than_the_other() {
    let week = |weeks, students: std::ops::Range<u32>, mood| {
        students.map(move |number| weeks_before(weeks, reflection(&format!("s{number}"), mood)))
    };
    let (first, second): (Vec<_>, Vec<_>) = (week(1, 0..2, 1).collect(), week(0, 10..20, 4).collect());
    let alone = SchoolOverview::of(&[], &second, NOW_MS).reflections;
    assert_eq!((alone[0].reflections, alone[0].students), (Some(10), Some(10)));
    let both = SchoolOverview::of(&[], &[first, second].concat(), NOW_MS).reflections;
    assert_eq!((both[0].reflections, both[0].students, both[0].moods), (Some(10), Some(10), alone[0].moods));
    assert!(both[0].suppressed, "there is a week of which nothing is said");
}

#[test]
fn weeks_that_are_told_are_added_up_and_a_student_of_both_is_one_student() {
    let week = |weeks, students: std::ops::Range<u32>, mood| {
        students.map(move |number| weeks_before(weeks, reflection(&format!("s{number}"), mood)))
    };
    let rows: Vec<_> =
        week(1, 0..6, 3).chain(week(1, 6..12, 4)).chain(week(0, 0..5, 3)).chain(week(0, 5..11, 2)).collect();
    let cell = SchoolOverview::of(&[], &rows, NOW_MS).reflections.remove(0);
    assert_eq!((cell.reflections, cell.students), (Some(23), Some(12)));
    assert_eq!(
        cell.moods,
        [None, Some(6), None, Some(6), None],
        "each week hides mood 3, with those that nobody chose"
    );
}

#[test]
fn a_reflection_belongs_to_the_week_of_its_session_however_late_it_is_changed() {
    let late = |number: u32| ReflectionRow {
        submitted_at_us: OPENED_US,
        ..weeks_before(1, reflection(&format!("s{number}"), 1))
    };
    let rows: Vec<_> = (0..2).map(late).chain((10..20).map(|number| reflection(&format!("s{number}"), 4))).collect();
    assert_eq!(SchoolOverview::of(&[], &rows, NOW_MS).reflections[0].reflections, Some(10));
}

/// What somebody who knows the whole learns of what is hidden, by subtraction.
fn leaks(groups: &[(bool, BTreeSet<&str>)]) -> bool {
    let small_told = groups.iter().any(|(is_told, group)| *is_told && group.len() < 5);
    let hidden: Vec<_> = groups.iter().filter(|(is_told, _)| !is_told).collect();
    let rest: BTreeSet<_> = hidden.iter().flat_map(|(_, group)| group).collect();
    let is_all = hidden.len() == groups.len();
    small_told || (!is_all && !hidden.is_empty() && (hidden.len() < 2 || rest.len() < 5))
}

proptest! {
    #[test]
    fn nothing_small_is_told_or_can_be_computed(
        rows in prop::collection::vec((0_u32..40, 0_usize..3, 0_usize..3, prop::option::of(1_u8..6)), 0..200),
    ) {
        let rows: Vec<ReflectionRow> = rows
            .into_iter()
            .map(|(student, kind, competency, mood)| {
                let mut row = reflection(&format!("s{student}"), 1);
                row.reflection.reflection_type = TYPES[kind];
                row.reflection.competency = COMPETENCIES[competency];
                row.reflection.mood = mood;
                row
            })
            .collect();
        let cells = SchoolOverview::of(&[], &rows, NOW_MS).reflections;
        let of_cell = |kind, competency| {
            rows.iter().filter(move |row| {
                row.reflection.reflection_type == kind && row.reflection.competency == competency
            })
        };
        let mut groups = Vec::new();
        for cell in &cells {
            let own = || of_cell(cell.reflection_type, cell.competency);
            groups.push((cell.students.is_some(), own().map(|row| row.student_id.as_str()).collect()));
            prop_assert!(cell.reflections.is_none_or(|count| count == own().count() as u64));
            let moods: Vec<_> = (1..).zip(cell.moods).map(|(mood, told)| {
                let chose = own().filter(|row| row.reflection.mood == Some(mood));
                (told.is_some(), chose.map(|row| row.student_id.as_str()).collect())
            }).collect();
            prop_assert!(!leaks(&moods), "{cell:?}");
            prop_assert!(cell.students.is_some() || cell.moods == [None; 5]);
        }
        prop_assert!(!leaks(&groups), "{cells:?}");
    }
    #[test]
    fn no_week_that_is_hidden_is_the_difference_of_two_answers(
        rows in prop::collection::vec((0_i64..WEEKS, 0_u32..30, 0_usize..2, 0_usize..2, prop::option::of(1_u8..4)), 0..300),
    ) {
        let rows: Vec<(i64, ReflectionRow)> = rows
            .into_iter()
            .map(|(week, student, kind, competency, mood)| {
                let mut row = weeks_before(week, reflection(&format!("s{student}"), 1));
                row.reflection.reflection_type = TYPES[kind];
                row.reflection.competency = COMPETENCIES[competency];
                row.reflection.mood = mood;
                (week, row)
            })
            .collect();
        let of = |weeks: std::ops::Range<i64>| -> Vec<ReflectionRow> {
            rows.iter().filter(|(week, _)| weeks.contains(week)).map(|(_, row)| row.clone()).collect()
        };
        let answer = |weeks| SchoolOverview::of(&[], &of(weeks), NOW_MS).reflections;
        let pairs = (0..WEEKS).flat_map(|from| (from + 1..=WEEKS).map(move |to| (from, to)));
        for (from, to) in pairs {
            let longer = answer(from..to);
            for (shorter, week) in [(answer(from + 1..to), from), (answer(from..to - 1), to - 1)] {
                // What the longer answer tells more is of one week: nothing, or of a group that may be told.
                let own = of(week..week + 1);
                let mut groups = Vec::new();
                for cell in &longer {
                    let own = || own.iter().filter(|row| is_of(cell, row));
                    let less = shorter.iter().find(|other| subject(other) == subject(cell));
                    let more = cell.reflections.unwrap_or(0) - less.and_then(|less| less.reflections).unwrap_or(0);
                    prop_assert!(more == 0 || more == own().count() as u64);
                    let newcomers = cell.students.unwrap_or(0) - less.and_then(|less| less.students).unwrap_or(0);
                    prop_assert!(more > 0 || newcomers == 0);
                    if own().count() > 0 {
                        groups.push((more > 0, own().map(|row| row.student_id.as_str()).collect()));
                    }
                    let mut moods = Vec::new();
                    for at in 0..cell.moods.len() {
                        let chose = || own().filter(|row| row.reflection.mood == u8::try_from(at + 1).ok());
                        let more = cell.moods[at].unwrap_or(0) - less.and_then(|less| less.moods[at]).unwrap_or(0);
                        prop_assert!(more == 0 || more == chose().count() as u64);
                        moods.push((more > 0, chose().map(|row| row.student_id.as_str()).collect()));
                    }
                    prop_assert!(!leaks(&moods), "{cell:?} {less:?}");
                }
                prop_assert!(!leaks(&groups), "{longer:?} {shorter:?}");
            }
        }
    }

    #[test]
    fn the_total_is_as_if_hidden_weeks_had_never_been(
        sessions in prop::collection::vec((0_i64..WEEKS, 0_u32..12, 0_u32..7, 0_u64..40), 0..12),
    ) {
        let sessions: Vec<(i64, SessionSummary)> = sessions
            .into_iter()
            .map(|(week, from, count, notes)| {
                let mut session = session(-7 * week, from..from + count);
                session.students.iter_mut().for_each(|student| student.notes = notes);
                (week, session)
            })
            .collect();
        let is_told = |week: i64| {
            let present = sessions.iter().filter(|(other, _)| *other == week).flat_map(|(_, session)| &session.students);
            present.map(|student| &student.student_id).collect::<BTreeSet<_>>().len() >= 5
        };
        let total = |sessions: Vec<SessionSummary>| SchoolOverview::of(&sessions, &[], NOW_MS).total;
        for (from, to) in (0..WEEKS).flat_map(|from| (from + 1..=WEEKS).map(move |to| (from, to))) {
            let within = || sessions.iter().filter(|(week, _)| (from..to).contains(week));
            let all = within().map(|(_, session)| session.clone()).collect();
            let told = within().filter(|(week, _)| is_told(*week)).map(|(_, session)| session.clone()).collect();
            prop_assert_eq!(total(all), total(told));
        }
    }
}

/// As many as the ranges of these tests have.
const WEEKS: i64 = 4;

fn subject(cell: &ReflectionCell) -> (ReflectionType, Option<Competency>) {
    (cell.reflection_type, cell.competency)
}

fn is_of(cell: &ReflectionCell, row: &ReflectionRow) -> bool {
    (row.reflection.reflection_type, row.reflection.competency) == subject(cell)
}
