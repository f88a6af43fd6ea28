//! Everything that is held on one person.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Desk, DeskError, at_last,
    own::own_part,
    soon,
    turns::{Ask, TENANT_READS_AT_ONCE},
};
use crate::participation::{
    Database, Event, SessionFacts, SessionHead, SessionId, SessionReport, StoredReflection, StudentRow, StudentTrend,
    TeacherRow, digest_of,
};

/// The most sessions that a trend is made of: the latest.
pub const TREND_SESSIONS_MAX: usize = 400;
/// The most sessions in one page of a person's file.
pub const FILE_SESSIONS_MAX: usize = 400;
/// A page ends with the session that has it hold so many events,
const FILE_EVENTS: usize = 20_000;
/// or that was read when so much time had passed: whatever a database takes, each page gets further.
const FILE_TIME: Duration = Duration::from_secs(10);
/// Who has read a file, where the person themself has: the audit log outlives what it is about, and names no student.
const THE_PERSON: &str = "student";

/// A page of what is recorded of one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StudentFile {
    /// Those with an event about the person, the earliest first.
    pub sessions: Vec<SessionOfStudent>,
    /// Those of these sessions that are about the person, session by session. What they say of others is left out.
    pub events: Vec<Event>,
    /// Those of these sessions.
    pub reflections: Vec<StoredReflection>,
    /// The last session of a page that is not the last one.
    pub last: Option<SessionId>,
}

/// A session, and the person's row in its report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionOfStudent {
    pub session: SessionFacts,
    /// None where the person was a teacher, or never came in.
    pub student: Option<StudentRow>,
    pub teacher: Option<TeacherRow>,
}

/// What one session has of a person.
type Part = (SessionOfStudent, Vec<Event>, Vec<StoredReflection>);

impl Desk {
    /// A page of everything that is recorded of a person, of at least one session where there is one after `after` (the
    /// [`StudentFile::last`] of the page before) and of at most [`FILE_SESSIONS_MAX`]. Also of a tenant whose lessons
    /// are no longer recorded.
    ///
    /// The audit log says that `actor` has read it, and of whom by a salted digest: with the salt, which stands beside
    /// it, whoever knows an id can see whether it is meant.
    ///
    /// # Errors
    /// [`DeskError::TooManyAsks`], or as the database.
    pub async fn student(
        &self,
        tenant: &str,
        student_id: &str,
        actor: &str,
        after: Option<&SessionId>,
    ) -> Result<StudentFile, DeskError> {
        let database = self.by_right()?;
        let ask = self.turns.ask(tenant)?;
        let mut heads = soon(database.sessions_of_student(tenant, student_id)).await?;
        heads.sort_by(|one, other| place(one).cmp(&place(other)));
        if let Some(after) = after.and_then(|after| Some((after.opened_us()?, after))) {
            heads.retain(|head| place(head) > after);
        }
        let file = self.page(database, &ask, tenant, student_id, &heads).await?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| DeskError::Unavailable)?;
        let details = json!({
            "sessions": file.sessions.len(),
            "events": file.events.len(),
            "reflections": file.reflections.len(),
            "salt": format!("{:032x}", u128::from_be_bytes(salt)),
        });
        let subject = Some(digest_of(&salt, student_id));
        let actor = if actor == student_id { THE_PERSON } else { actor };
        self.note(database, tenant, actor, "student_exported", subject, details).await?;
        Ok(file)
    }

    async fn page(
        &self,
        database: &Database,
        ask: &Ask<'_>,
        tenant: &str,
        student_id: &str,
        heads: &[SessionHead],
    ) -> Result<StudentFile, DeskError> {
        let began = Instant::now();
        let part = |head| self.part(database, ask, tenant, student_id, head).boxed();
        let parts: Vec<BoxFuture<'_, Result<Part, DeskError>>> =
            heads.iter().take(FILE_SESSIONS_MAX).map(part).collect();
        let mut parts = stream::iter(parts).buffered(TENANT_READS_AT_ONCE);
        let mut file = StudentFile::default();
        while let Some((session, events, reflections)) = at_last(parts.try_next()).await? {
            file.sessions.push(session);
            file.events.extend(events);
            file.reflections.extend(reflections);
            if file.events.len() >= FILE_EVENTS || began.elapsed() >= FILE_TIME {
                break;
            }
        }
        let read = file.sessions.len();
        file.last =
            (read < heads.len()).then(|| heads.get(read.wrapping_sub(1))).flatten().map(|it| it.session.clone());
        Ok(file)
    }

    async fn part(
        &self,
        database: &Database,
        ask: &Ask<'_>,
        tenant: &str,
        student_id: &str,
        head: &SessionHead,
    ) -> Result<Part, DeskError> {
        let mut events = Vec::new();
        let see = |event: &Event| events.extend(own_part(event, student_id));
        let report = self.fold(database, ask, tenant, head, None, see).await?;
        let _turn = ask.turn().await?;
        let reflections = database.reflections_of_student_in(tenant, student_id, &head.session).await?;
        Ok((of_student(report, student_id), events, reflections))
    }

    /// How the person's figures went, over the latest [`TREND_SESSIONS_MAX`] sessions.
    ///
    /// # Errors
    /// [`DeskError::TooManyAsks`], or as the database.
    pub async fn trend(&self, tenant: &str, student_id: &str) -> Result<StudentTrend, DeskError> {
        let database = self.of(tenant)?;
        let ask = self.turns.ask(tenant)?;
        let heads = soon(database.sessions_of_student(tenant, student_id)).await?;
        let latest = &heads[heads.len().saturating_sub(TREND_SESSIONS_MAX)..];
        let summaries = at_last(self.summaries(database, &ask, tenant, latest)).await?;
        Ok(StudentTrend::of(student_id, &summaries))
    }
}

/// Where a session stands in a person's file.
fn place(head: &SessionHead) -> (i64, &SessionId) {
    (head.opened_at_us, &head.session)
}

fn of_student(report: SessionReport, student_id: &str) -> SessionOfStudent {
    let SessionReport { session, students, teachers, .. } = report;
    SessionOfStudent {
        session,
        student: students.into_iter().find(|row| row.student_id == student_id),
        teacher: teachers.into_iter().find(|row| row.teacher_id == student_id),
    }
}
