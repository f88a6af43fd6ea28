//! Many sessions of a school together.
//!
//! Nothing is told of a group of fewer than five people, and what is told must not add up to it either:
//! - A week with fewer than five students has no figures. The total is made of the weeks that are told alone, so that
//!   no subtraction leads to one that is not.
//! - The week that is not over is left out: an overview of today and one of yesterday would differ by a few students.
//! - Of sessions, only those in which at least five students are compared have a part in `evenness_median`.
//! - Reflections stand in one table for each week, type by competency, without sums by row or column. Cells with fewer
//!   than five students are hidden, and of a cell that is told, each mood that fewer than five students chose; a mood
//!   that nobody chose is one of these. Because the whole may be known, more is hidden, the smallest first, until what
//!   is hidden is two groups at least and five students at least together.
//! - The table of the answer adds up what its weeks tell, and nothing that one of them hides: two answers of
//!   overlapping ranges then differ by nothing but what some week tells by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    dates::{iso_date, week_began_ms},
    sheets::ReflectionRow,
    statistics::{median, rounded},
    summary::{GROUP_MIN, SessionSummary, StudentSummary, hidden},
};
use crate::room::{Competency, ReflectionType};

const MOODS: usize = 5;

/// A school, week by week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchoolOverview {
    /// Weeks that are over and had a session, the earliest first.
    pub weeks: Vec<WeekRow>,
    /// Of the weeks that are told.
    pub total: WeekFigures,
    /// Of the weeks that are over, those that are told: see the head of this file.
    pub reflections: Vec<ReflectionCell>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekRow {
    /// The week's Monday, `2026-11-16`; weeks begin at 0:00 UTC.
    pub week_of: String,
    #[serde(flatten)]
    pub figures: WeekFigures,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekFigures {
    pub sessions: u64,
    /// Different students who were present.
    pub students: Option<u64>,
    /// All notes of students by all minutes in which they could play.
    pub notes_per_student_minute: Option<f64>,
    /// The median of the sessions' `evenness`.
    pub evenness_median: Option<f64>,
    /// Fewer than five students: nothing is said of them.
    pub suppressed: bool,
}

/// The reflections of one type about one competency, added up over the weeks that tell of them. There is no cell where
/// there is no reflection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReflectionCell {
    pub reflection_type: ReflectionType,
    /// Null: about none in particular.
    pub competency: Option<Competency>,
    /// Null: no week tells of them.
    pub reflections: Option<u64>,
    /// Different students who wrote them.
    pub students: Option<u64>,
    /// How many of them chose mood 1, 2, 3, 4 and 5, each of the weeks that tell of it; null: none does.
    pub moods: [Option<u64>; MOODS],
    /// In some week nothing, or (of `moods`) not everything is said, because a group is too small: figures may be
    /// smaller than the whole.
    pub suppressed: bool,
}

impl SchoolOverview {
    /// Of the sessions of whole weeks and the reflections that belong to them; `now_ms` since 1970.
    #[must_use]
    pub fn of(sessions: &[SessionSummary], reflections: &[ReflectionRow], now_ms: i64) -> Self {
        let sessions_by_week = by_week_over(sessions, |session| session.opened_at_ms, now_ms);
        let reflections_by_week = by_week_over(reflections, of_session_opened_at_ms, now_ms);
        let weeks: Vec<WeekRow> = sessions_by_week
            .iter()
            .map(|(began_ms, sessions)| WeekRow { week_of: iso_date(*began_ms), figures: figures(sessions) })
            .collect();
        let with_sessions = weeks.iter().zip(sessions_by_week.values());
        let told: Vec<&SessionSummary> = with_sessions
            .filter(|(week, _)| !week.figures.suppressed)
            .flat_map(|(_, sessions)| sessions)
            .copied()
            .collect();
        Self { total: figures(&told), weeks, reflections: cells(reflections_by_week.into_values()) }
    }
}

/// By the Monday of their week, without the week that is not over.
fn by_week_over<T>(all: &[T], at_ms: impl Fn(&T) -> i64, now_ms: i64) -> BTreeMap<i64, Vec<&T>> {
    let over_ms = week_began_ms(now_ms);
    let mut by_week: BTreeMap<i64, Vec<&T>> = BTreeMap::new();
    for one in all.iter().filter(|one| at_ms(one) < over_ms) {
        by_week.entry(week_began_ms(at_ms(one))).or_default().push(one);
    }
    by_week
}

/// A reflection belongs to the week of its session, whenever it was written or changed: ranges are made of sessions.
fn of_session_opened_at_ms(row: &ReflectionRow) -> i64 {
    row.session.opened_us().unwrap_or(row.submitted_at_us).div_euclid(1_000)
}

fn figures(sessions: &[&SessionSummary]) -> WeekFigures {
    let present = || sessions.iter().flat_map(|session| &session.students);
    let students: BTreeSet<&str> = present().map(|student| student.student_id.as_str()).collect();
    let suppressed = students.len() < GROUP_MIN;
    let notes: u64 = present().map(|student| student.notes).sum();
    let minutes: f64 = present().map(|student| student.could_play_s / 60.0).sum();
    let is_group = |session: &&&SessionSummary| session.students.iter().filter(could_play).count() >= GROUP_MIN;
    let mut evenness: Vec<f64> = sessions.iter().filter(is_group).filter_map(|session| session.evenness).collect();
    WeekFigures {
        sessions: sessions.len() as u64,
        students: (!suppressed).then_some(students.len() as u64),
        notes_per_student_minute: (!suppressed && minutes > 0.0).then(|| rounded(notes as f64 / minutes, 2)),
        evenness_median: median(&mut evenness).filter(|_| !suppressed).map(|evenness| rounded(evenness, 4)),
        suppressed,
    }
}

fn could_play(student: &&StudentSummary) -> bool {
    student.could_play_s > 0.0
}

/// What a reflection is of.
type Subject = (ReflectionType, Option<Competency>);

/// Where a subject stands in the table.
type Place = (u8, Option<u8>);

/// What is told of one subject, of the weeks that tell of it.
#[derive(Default)]
struct Told<'a> {
    /// In some week not everything is said.
    suppressed: bool,
    reflections: Option<u64>,
    students: BTreeSet<&'a str>,
    moods: [Option<u64>; MOODS],
}

/// Each week is hidden and told by itself, and what is told is added up.
fn cells<'a>(weeks: impl Iterator<Item = Vec<&'a ReflectionRow>>) -> Vec<ReflectionCell> {
    let mut all: BTreeMap<Place, (Subject, Told<'a>)> = BTreeMap::new();
    for week in weeks {
        let mut subjects: BTreeMap<Place, (Subject, Vec<&'a ReflectionRow>)> = BTreeMap::new();
        for row in week {
            let subject = (row.reflection.reflection_type, row.reflection.competency);
            let place = (subject.0 as u8, subject.1.map(|one| one as u8));
            subjects.entry(place).or_insert((subject, Vec::new())).1.push(row);
        }
        let groups: Vec<BTreeSet<&str>> = subjects.values().map(|(_, rows)| students(rows)).collect();
        for ((place, (subject, rows)), is_hidden) in subjects.into_iter().zip(hidden(&groups)) {
            all.entry(place).or_insert((subject, Told::default())).1.add_week(&rows, is_hidden);
        }
    }
    all.into_values().map(|(subject, told)| told.into_cell(subject)).collect()
}

impl<'a> Told<'a> {
    fn add_week(&mut self, rows: &[&'a ReflectionRow], is_hidden: bool) {
        if is_hidden {
            self.suppressed = true;
            return;
        }
        *self.reflections.get_or_insert(0) += rows.len() as u64;
        self.students.extend(students(rows));
        let of_mood = |mood: u8| rows.iter().filter(move |row| row.reflection.mood == Some(mood)).copied();
        let by_mood: Vec<Vec<&ReflectionRow>> = (1..=MOODS as u8).map(|mood| of_mood(mood).collect()).collect();
        let hidden_moods = hidden(&by_mood.iter().map(|rows| students(rows)).collect::<Vec<_>>());
        for ((told, rows), is_hidden_mood) in self.moods.iter_mut().zip(&by_mood).zip(hidden_moods) {
            if is_hidden_mood {
                self.suppressed = true;
            } else {
                *told.get_or_insert(0) += rows.len() as u64;
            }
        }
    }

    fn into_cell(self, (reflection_type, competency): Subject) -> ReflectionCell {
        ReflectionCell {
            reflection_type,
            competency,
            reflections: self.reflections,
            students: self.reflections.map(|_| self.students.len() as u64),
            moods: self.moods,
            suppressed: self.suppressed,
        }
    }
}

fn students<'a>(rows: &[&'a ReflectionRow]) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row.student_id.as_str()).collect()
}
