//! Reports as sheets (CSV). Columns have the names that the fields have in JSON; times are written in UTC.

use serde::Serialize;

use super::{
    cell::{Cell, sheet},
    dates::iso_time,
    figures::{SessionReport, StudentRow},
    trend::{StudentTrend, TrendPoint},
};
use crate::{
    participation::{Reflection, SessionId},
    room::Code,
};

/// A reflection, whose it is and when it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ReflectionRow {
    pub session: SessionId,
    pub student_id: String,
    /// When it was last changed, µs since 1970.
    pub submitted_at_us: i64,
    pub reflection: Reflection,
}

/// One line a student.
#[must_use]
pub fn participation_csv(report: &SessionReport) -> String {
    let session = &report.session;
    let line = |row: &StudentRow| {
        [
            session.session_id.as_str().into(),
            code(session.room_id.as_ref()),
            iso_time(session.opened_at_ms).into(),
            row.student_id.as_str().into(),
            row.name.as_str().into(),
            row.attended_s.into(),
            row.muted_s.into(),
            row.silent_by_role_s.into(),
            row.could_play_s.into(),
            row.notes.into(),
            row.notes_per_minute.into(),
            row.turns.into(),
            row.assigned_beats.into(),
            row.assigned_beats_hit.into(),
            row.assigned_beats_hit_share.into(),
            row.offset_median_ms.into(),
            row.within_50_ms_share.into(),
            row.notes_timed.into(),
            row.notes_untimed.into(),
            row.hands_raised.into(),
            row.reconnects.into(),
            row.first_note_at_ms.map(iso_time).into(),
            row.roles.join(", ").into(),
            session.events_missing.into(),
        ]
    };
    sheet(
        [
            "session_id",
            "room_id",
            "opened_at",
            "student_id",
            "name",
            "attended_s",
            "muted_s",
            "silent_by_role_s",
            "could_play_s",
            "notes",
            "notes_per_minute",
            "turns",
            "assigned_beats",
            "assigned_beats_hit",
            "assigned_beats_hit_share",
            "offset_median_ms",
            "within_50_ms_share",
            "notes_timed",
            "notes_untimed",
            "hands_raised",
            "reconnects",
            "first_note_at",
            "roles",
            "events_missing",
        ],
        report.students.iter().map(line),
    )
}

/// One line a figure: which one, of which time or of whom, and what it is.
#[must_use]
pub fn analytics_csv(report: &SessionReport) -> String {
    let (session, analytics) = (&report.session, &report.analytics);
    let of_session =
        |figure: &str, value: Cell| ["session".into(), figure.into(), Cell::Empty, Cell::Empty, Cell::Empty, value];
    let of_time = |part: &str, figure: &str, at_ms: i64, value: Cell| {
        [part.into(), figure.into(), iso_time(at_ms).into(), Cell::Empty, Cell::Empty, value]
    };
    let of_student = |part: &str, figure: &str, student_id: &str, name: &str, value: Cell| {
        [part.into(), figure.into(), Cell::Empty, student_id.into(), name.into(), value]
    };
    let mut lines = vec![
        of_session("session_id", session.session_id.as_str().into()),
        of_session("room_id", code(session.room_id.as_ref())),
        of_session("name", session.name.as_str().into()),
        of_session("opened_at", iso_time(session.opened_at_ms).into()),
        of_session("closed_at", session.closed_at_ms.map(iso_time).into()),
        of_session("duration_s", session.duration_s.into()),
        of_session("events_missing", session.events_missing.into()),
        of_session("notes", analytics.notes.into()),
        of_session("gini", analytics.gini.into()),
        of_session("evenness", analytics.evenness.into()),
        of_session("students_compared", analytics.students_compared.into()),
        of_session("bucket_s", analytics.activity.bucket_s.into()),
        of_session("formula_x", analytics.formulas.x.into()),
        of_session("formula_gini", analytics.formulas.gini.into()),
        of_session("formula_evenness", analytics.formulas.evenness.into()),
    ];
    lines.extend(analytics.tempo_history.iter().map(|mark| of_time("tempo", "bpm", mark.at_ms, mark.bpm.into())));
    lines.extend(analytics.peaks.iter().map(|peak| of_time("peak", "notes", peak.at_ms, peak.notes.into())));
    for bucket in &analytics.activity.buckets {
        lines.push(of_time("activity", "notes", bucket.at_ms, bucket.notes.into()));
        lines.push(of_time("activity", "students", bucket.at_ms, bucket.students.into()));
    }
    for voice in &analytics.share_of_voice {
        lines.push(of_student("voice", "notes", &voice.student_id, &voice.name, voice.notes.into()));
        lines.push(of_student("voice", "notes_share", &voice.student_id, &voice.name, voice.notes_share.into()));
    }
    lines.extend(analytics.no_turn.iter().map(|silent| {
        of_student("no_turn", "could_play_s", &silent.student_id, &silent.name, silent.could_play_s.into())
    }));
    sheet(["part", "figure", "at", "student_id", "name", "value"], lines.into_iter())
}

/// One line a reflection.
#[must_use]
pub fn reflections_csv(rows: &[ReflectionRow]) -> String {
    let line = |row: &ReflectionRow| {
        let Reflection { reflection_id, text, reflection_type, competency, mood, metadata } = &row.reflection;
        [
            reflection_id.as_str().into(),
            row.session.as_str().into(),
            code(row.session.code().as_ref()),
            row.student_id.as_str().into(),
            iso_time(row.submitted_at_us.div_euclid(1_000)).into(),
            word(reflection_type).into(),
            competency.as_ref().and_then(word).into(),
            mood.map(u64::from).into(),
            text.as_str().into(),
            metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok()).into(),
        ]
    };
    sheet(
        [
            "reflection_id",
            "session_id",
            "room_id",
            "student_id",
            "submitted_at",
            "reflection_type",
            "competency",
            "mood",
            "reflection_text",
            "metadata",
        ],
        rows.iter().map(line),
    )
}

/// One line a session of the student, the medians of the others beside it.
#[must_use]
pub fn trend_csv(trend: &StudentTrend) -> String {
    let line = |point: &TrendPoint| {
        [
            trend.student_id.as_str().into(),
            point.session_id.as_str().into(),
            iso_time(point.opened_at_ms).into(),
            point.attended_s.into(),
            point.could_play_s.into(),
            point.notes.into(),
            point.notes_per_minute.into(),
            point.notes_share.into(),
            point.turns.into(),
            point.offset_median_ms.into(),
            point.within_50_ms_share.into(),
            point.assigned_beats_hit_share.into(),
            point.group.notes_per_minute.into(),
            point.group.notes_share.into(),
            point.group.offset_median_ms.into(),
            point.group.within_50_ms_share.into(),
            point.group.assigned_beats_hit_share.into(),
            if point.group.suppressed { "yes" } else { "no" }.into(),
        ]
    };
    sheet(
        [
            "student_id",
            "session_id",
            "opened_at",
            "attended_s",
            "could_play_s",
            "notes",
            "notes_per_minute",
            "notes_share",
            "turns",
            "offset_median_ms",
            "within_50_ms_share",
            "assigned_beats_hit_share",
            "group_notes_per_minute",
            "group_notes_share",
            "group_offset_median_ms",
            "group_within_50_ms_share",
            "group_assigned_beats_hit_share",
            "group_suppressed",
        ],
        trend.sessions.iter().map(line),
    )
}

/// The word that a plain choice is written as.
fn word(choice: &impl Serialize) -> Option<String> {
    serde_json::to_value(choice).ok()?.as_str().map(str::to_owned)
}

fn code(code: Option<&Code>) -> Cell {
    code.map(Code::as_str).into()
}
