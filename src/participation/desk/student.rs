//! Everything that is held on one person.

use futures_util::TryStreamExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Desk, DeskError, at_last, soon};
use crate::participation::{
    Event, Kind, SessionFacts, SessionReport, StoredReflection, StudentRow, StudentTrend, TeacherRow,
};

/// The most sessions that a trend is made of: the latest.
pub const TREND_SESSIONS_MAX: usize = 400;

/// What is recorded of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentFile {
    /// Those with an event about the person, the earliest first.
    pub sessions: Vec<SessionOfStudent>,
    /// Those about the person, session by session. What they say of others is left out.
    pub events: Vec<Event>,
    pub reflections: Vec<StoredReflection>,
}

/// A session, and the person's row in its report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionOfStudent {
    pub session: SessionFacts,
    /// None where the person was a teacher, or never came in.
    pub student: Option<StudentRow>,
    pub teacher: Option<TeacherRow>,
}

impl Desk {
    /// Everything that is recorded of a person; the audit log says that `actor` has read it. Also of a tenant whose
    /// lessons are no longer recorded.
    ///
    /// # Errors
    /// As the database.
    pub async fn student(&self, tenant: &str, student_id: &str, actor: &str) -> Result<StudentFile, DeskError> {
        let database = self.by_right()?;
        let heads = soon(database.sessions_of_student(tenant, student_id)).await?;
        let file = at_last(async {
            let folds = self.folds(database, tenant, &heads);
            let sessions = folds.map_ok(|report| of_student(report, student_id)).try_collect().await?;
            let mut events = Vec::new();
            let turn = self.reading.acquire().await.map_err(|_| DeskError::Unavailable)?;
            let take = |event| events.push(without_others(event, student_id));
            database.events_of_student(tenant, student_id, take).await?;
            drop(turn);
            let reflections = database.reflections_of_student(tenant, student_id).await?;
            Ok(StudentFile { sessions, events, reflections })
        })
        .await?;
        let StudentFile { sessions, events, reflections } = &file;
        let counts = json!({ "sessions": sessions.len(), "events": events.len(), "reflections": reflections.len() });
        self.note(database, tenant, actor, "student_exported", counts).await?;
        Ok(file)
    }

    /// How the person's figures went, over the latest [`TREND_SESSIONS_MAX`] sessions.
    ///
    /// # Errors
    /// As the database.
    pub async fn trend(&self, tenant: &str, student_id: &str) -> Result<StudentTrend, DeskError> {
        let database = self.of(tenant)?;
        let heads = soon(database.sessions_of_student(tenant, student_id)).await?;
        let latest = &heads[heads.len().saturating_sub(TREND_SESSIONS_MAX)..];
        let summaries = at_last(self.summaries(database, tenant, latest)).await?;
        Ok(StudentTrend::of(student_id, &summaries))
    }
}

fn of_student(report: SessionReport, student_id: &str) -> SessionOfStudent {
    let SessionReport { session, students, teachers, .. } = report;
    SessionOfStudent {
        session,
        student: students.into_iter().find(|row| row.student_id == student_id),
        teacher: teachers.into_iter().find(|row| row.teacher_id == student_id),
    }
}

/// Of assignments, which list everybody's, the person's own stay.
fn without_others(mut event: Event, student_id: &str) -> Event {
    if event.kind == Kind::BEATS_ASSIGNED
        && let Some(Value::Object(assignments)) =
            event.details.as_mut().and_then(|details| details.get_mut("assignments"))
    {
        for ids in assignments.values_mut().filter_map(Value::as_array_mut) {
            ids.retain(|id| id == student_id);
        }
        assignments.retain(|_, ids| ids.as_array().is_some_and(|ids| !ids.is_empty()));
    }
    event
}
