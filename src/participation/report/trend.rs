//! One student over several sessions.

use serde::Serialize;

use super::{
    statistics::{median, rounded, theil_sen_slope},
    summary::{GROUP_MIN, SessionSummary, StudentSummary},
};

/// How the figures of one student went from session to session. No figure sums up the student.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudentTrend {
    pub student_id: String,
    /// Those in which the student was present, the earliest first.
    pub sessions: Vec<TrendPoint>,
    pub slopes: TrendSlopes,
    /// How the slopes are computed.
    pub formula: &'static str,
}

/// One session of a student; figures as in [`super::StudentRow`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrendPoint {
    pub session_id: String,
    pub opened_at_ms: i64,
    pub attended_s: f64,
    pub could_play_s: f64,
    pub notes: u64,
    pub notes_per_minute: Option<f64>,
    pub notes_share: Option<f64>,
    pub turns: u64,
    pub offset_median_ms: Option<f64>,
    pub within_50_ms_share: Option<f64>,
    pub assigned_beats_hit_share: Option<f64>,
    pub group: GroupMedians,
}

/// The medians of the other students of that session. A median of fewer than five of them is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupMedians {
    pub notes_per_minute: Option<f64>,
    pub notes_share: Option<f64>,
    pub offset_median_ms: Option<f64>,
    pub within_50_ms_share: Option<f64>,
    pub assigned_beats_hit_share: Option<f64>,
    /// Fewer than five others were there: nothing is said of them.
    pub suppressed: bool,
}

/// By how much a figure grew from one of the student's sessions to the next; negative: it fell. Null with fewer than
/// three sessions that have the figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrendSlopes {
    pub attended_s_per_session: Option<f64>,
    pub notes_per_minute_per_session: Option<f64>,
    pub notes_share_per_session: Option<f64>,
    pub offset_median_ms_per_session: Option<f64>,
    pub within_50_ms_share_per_session: Option<f64>,
    pub assigned_beats_hit_share_per_session: Option<f64>,
}

const FORMULA: &str = "Theil-Sen: the median of (y_j - y_i) / (j - i) over all pairs of sessions i < j, numbered in \
                       order of time";

impl StudentTrend {
    /// Sessions in any order; those in which the student was not are passed over.
    #[must_use]
    pub fn of(student_id: &str, sessions: &[SessionSummary]) -> Self {
        let mut points: Vec<TrendPoint> = sessions.iter().filter_map(|session| point(student_id, session)).collect();
        points.sort_by(|a, b| (a.opened_at_ms, &a.session_id).cmp(&(b.opened_at_ms, &b.session_id)));
        let slopes = TrendSlopes {
            attended_s_per_session: slope(&points, |point| Some(point.attended_s)),
            notes_per_minute_per_session: slope(&points, |point| point.notes_per_minute),
            notes_share_per_session: slope(&points, |point| point.notes_share),
            offset_median_ms_per_session: slope(&points, |point| point.offset_median_ms),
            within_50_ms_share_per_session: slope(&points, |point| point.within_50_ms_share),
            assigned_beats_hit_share_per_session: slope(&points, |point| point.assigned_beats_hit_share),
        };
        Self { student_id: student_id.to_owned(), sessions: points, slopes, formula: FORMULA }
    }
}

fn point(student_id: &str, session: &SessionSummary) -> Option<TrendPoint> {
    let own = session.students.iter().find(|student| student.student_id == student_id)?;
    let others = session.students.iter().filter(|student| student.student_id != student_id);
    Some(TrendPoint {
        session_id: session.session_id.clone(),
        opened_at_ms: session.opened_at_ms,
        attended_s: own.attended_s,
        could_play_s: own.could_play_s,
        notes: own.notes,
        notes_per_minute: own.notes_per_minute,
        notes_share: own.notes_share,
        turns: own.turns,
        offset_median_ms: own.offset_median_ms,
        within_50_ms_share: own.within_50_ms_share,
        assigned_beats_hit_share: own.assigned_beats_hit_share,
        group: medians(&others.collect::<Vec<_>>()),
    })
}

fn medians(others: &[&StudentSummary]) -> GroupMedians {
    let median_of = |figure: fn(&StudentSummary) -> Option<f64>| {
        let mut values: Vec<f64> = others.iter().filter_map(|student| figure(student)).collect();
        let is_group = values.len() >= GROUP_MIN;
        median(&mut values).filter(|_| is_group).map(|median| rounded(median, 4))
    };
    GroupMedians {
        notes_per_minute: median_of(|student| student.notes_per_minute),
        notes_share: median_of(|student| student.notes_share),
        offset_median_ms: median_of(|student| student.offset_median_ms),
        within_50_ms_share: median_of(|student| student.within_50_ms_share),
        assigned_beats_hit_share: median_of(|student| student.assigned_beats_hit_share),
        suppressed: others.len() < GROUP_MIN,
    }
}

fn slope(points: &[TrendPoint], figure: impl Fn(&TrendPoint) -> Option<f64>) -> Option<f64> {
    let numbered = points.iter().zip(0_u32..);
    let values: Vec<(f64, f64)> =
        numbered.filter_map(|(point, number)| Some((f64::from(number), figure(point)?))).collect();
    theil_sen_slope(&values).map(|slope| rounded(slope, 4))
}
