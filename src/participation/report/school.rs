//! Many sessions of a school together.
//!
//! Nothing is told of a group of fewer than five people, and what is told must not add up to it either:
//! - A week with fewer than five students has no figures. The total is made of the weeks that are told alone, so that
//!   no subtraction leads to one that is not.
//! - The week that is not over is left out: an overview of today and one of yesterday would differ by a few students.
//! - Of sessions, only those in which at least five students are compared have a part in `evenness_median`.
//! - Reflections stand in one table, type by competency, without sums by row or column. Cells with fewer than five
//!   students are hidden, and of a cell that is told, each mood that fewer than five students chose; a mood that
//!   nobody chose is one of these. Because the whole may be known, more is hidden, the smallest first, until what is
//!   hidden is two groups at least and five students at least together.

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
    /// Of the weeks that are over.
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

/// The reflections of one type about one competency. There is no cell where there is no reflection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReflectionCell {
    pub reflection_type: ReflectionType,
    /// Null: about none in particular.
    pub competency: Option<Competency>,
    pub reflections: Option<u64>,
    /// Different students who wrote them.
    pub students: Option<u64>,
    /// How many of them chose mood 1, 2, 3, 4 and 5.
    pub moods: [Option<u64>; MOODS],
    /// Nothing, or (of `moods`) not everything is said, because a group is too small.
    pub suppressed: bool,
}

impl SchoolOverview {
    /// Of the sessions and reflections of whole weeks; `now_ms` since 1970.
    #[must_use]
    pub fn of(sessions: &[SessionSummary], reflections: &[ReflectionRow], now_ms: i64) -> Self {
        let over_ms = week_began_ms(now_ms);
        let mut by_week: BTreeMap<i64, Vec<&SessionSummary>> = BTreeMap::new();
        for session in sessions.iter().filter(|session| session.opened_at_ms < over_ms) {
            by_week.entry(week_began_ms(session.opened_at_ms)).or_default().push(session);
        }
        let weeks: Vec<(WeekRow, Vec<&SessionSummary>)> = by_week
            .into_iter()
            .map(|(began_ms, sessions)| {
                let row = WeekRow { week_of: iso_date(began_ms), figures: figures(&sessions) };
                (row, sessions)
            })
            .collect();
        let told: Vec<&SessionSummary> = weeks
            .iter()
            .filter(|(week, _)| !week.figures.suppressed)
            .flat_map(|(_, sessions)| sessions)
            .copied()
            .collect();
        let of_weeks_over: Vec<&ReflectionRow> =
            reflections.iter().filter(|row| row.submitted_at_us.div_euclid(1_000) < over_ms).collect();
        Self {
            total: figures(&told),
            weeks: weeks.into_iter().map(|(week, _)| week).collect(),
            reflections: cells(&of_weeks_over),
        }
    }
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
type Cell = (ReflectionType, Option<Competency>);

fn cells(reflections: &[&ReflectionRow]) -> Vec<ReflectionCell> {
    let mut by_cell: Vec<(Cell, Vec<&ReflectionRow>)> = Vec::new();
    for row in reflections {
        let key = (row.reflection.reflection_type, row.reflection.competency);
        match by_cell.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rows)) => rows.push(row),
            None => by_cell.push((key, vec![row])),
        }
    }
    by_cell.sort_by_key(|((reflection_type, competency), _)| (*reflection_type as u8, competency.map(|one| one as u8)));
    let groups: Vec<BTreeSet<&str>> = by_cell.iter().map(|(_, rows)| students(rows)).collect();
    by_cell
        .iter()
        .zip(&groups)
        .zip(hidden(&groups))
        .map(|((cell, group), is_hidden)| told(cell, group, is_hidden))
        .collect()
}

fn told(
    ((reflection_type, competency), rows): &((ReflectionType, Option<Competency>), Vec<&ReflectionRow>),
    group: &BTreeSet<&str>,
    is_hidden: bool,
) -> ReflectionCell {
    let of_mood = |mood: u8| rows.iter().filter(move |row| row.reflection.mood == Some(mood)).copied();
    let by_mood: Vec<Vec<&ReflectionRow>> = (1..=MOODS as u8).map(|mood| of_mood(mood).collect()).collect();
    let hidden_moods = hidden(&by_mood.iter().map(|rows| students(rows)).collect::<Vec<_>>());
    let mut moods = [None; MOODS];
    for ((told, rows), is_hidden_mood) in moods.iter_mut().zip(&by_mood).zip(hidden_moods) {
        *told = (!is_hidden && !is_hidden_mood).then_some(rows.len() as u64);
    }
    ReflectionCell {
        reflection_type: *reflection_type,
        competency: *competency,
        reflections: (!is_hidden).then_some(rows.len() as u64),
        students: (!is_hidden).then_some(group.len() as u64),
        suppressed: moods.contains(&None),
        moods,
    }
}

fn students<'a>(rows: &[&'a ReflectionRow]) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row.student_id.as_str()).collect()
}
