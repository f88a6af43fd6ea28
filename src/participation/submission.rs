//! A reflection on its way in: from what a client sent to the event that records it.

use std::sync::Arc;

use super::{Event, EventId, Kind, NotRecorded, Outcome, Recorder, Reflection, SessionId};
use crate::room::{self, BadField, RoomKey, TokenRole};

/// Who sends a reflection, and from which room's session.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub room: &'a RoomKey,
    /// When that room was opened, µs since 1970.
    pub opened_us: i64,
    /// The id of who sends it.
    pub id: &'a str,
    pub role: TokenRole,
}

/// A reflection that may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// What it is known by from now on: 32 hexadecimal digits.
    pub reflection_id: String,
    /// Whose it is.
    pub student_id: Arc<str>,
    pub session: SessionId,
    pub tenant: Arc<str>,
    event: Event,
}

/// Why it may not be kept; the text is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionRefused {
    #[error(transparent)]
    BadField(#[from] BadField),
    /// A student writes for themself alone.
    #[error("unauthorized")]
    Unauthorized,
}

impl Submission {
    /// Reads a reflection. One with an `id` takes the place of the writer's earlier one of that id, if it is of the same
    /// session; the database sees to that.
    ///
    /// # Errors
    /// The field that is wrong, or that a student writes for another.
    pub fn read(
        payload: &str,
        writer: Writer<'_>,
        recorder: &Recorder,
        now_us: i64,
    ) -> Result<Self, SubmissionRefused> {
        let Writer { room, opened_us, id, role } = writer;
        let sent = room::Reflection::parse(payload)?;
        if sent.room_id.is_some_and(|code| code != room.code) {
            return Err(BadField::new("room_id", "room_id must be this room's code, or be left away").into());
        }
        let student_id: Arc<str> = sent.student_id.map_or_else(|| id.into(), Into::into);
        if *student_id != *id && role != TokenRole::Teacher {
            return Err(SubmissionRefused::Unauthorized);
        }
        let number = recorder.number(now_us);
        let reflection_id = sent.id.unwrap_or_else(|| number.to_string());
        let reflection = Reflection {
            reflection_id: reflection_id.clone(),
            text: sent.reflection_text,
            reflection_type: sent.reflection_type,
            competency: sent.competency,
            mood: sent.mood.and_then(|mood| u8::try_from(mood).ok()),
            metadata: sent.metadata,
        };
        let session = SessionId::of(room, opened_us);
        let details = serde_json::to_value(&reflection).ok();
        let kind = Kind::REFLECTION_SUBMITTED;
        let event = about(number, kind, session.clone(), student_id.clone(), id, now_us, details);
        Ok(Self { reflection_id, student_id, session, tenant: room.tenant.clone(), event })
    }

    /// Takes back the writer's reflection of this id. Whether it is his, the database sees to.
    pub fn withdrawal(
        reflection_id: EventId,
        student_id: &str,
        writer: Writer<'_>,
        recorder: &Recorder,
        now_us: i64,
    ) -> Self {
        let session = SessionId::of(writer.room, writer.opened_us);
        let reflection_id = reflection_id.to_string();
        let details = serde_json::json!({ "reflection_id": reflection_id });
        let (number, kind) = (recorder.number(now_us), Kind::REFLECTION_WITHDRAWN);
        let student_id: Arc<str> = student_id.into();
        let event = about(number, kind, session.clone(), student_id.clone(), writer.id, now_us, Some(details));
        Self { reflection_id, student_id, session, tenant: writer.room.tenant.clone(), event }
    }

    /// Puts it on its way; the outcome tells when it is safe.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn submit(self, recorder: &Recorder) -> Result<Outcome, NotRecorded> {
        recorder.submit(&self.tenant, self.event)
    }

    /// The same, and waits for the outcome.
    ///
    /// # Errors
    /// It is not safe.
    pub async fn keep(self, recorder: &Recorder) -> Result<(), NotRecorded> {
        self.submit(recorder)?.known().await
    }
}

fn about(
    id: EventId,
    kind: Kind,
    session: SessionId,
    student: Arc<str>,
    writer: &str,
    at_us: i64,
    details: Option<serde_json::Value>,
) -> Event {
    let actor = (*student != *writer).then(|| writer.into());
    Event { id, session, kind, student: Some(student), actor, at_us, run: 0, beat_ub: None, note: None, details }
}
