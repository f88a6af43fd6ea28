//! Events and sessions as rows, and back.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::DatabaseError;
use crate::participation::{Event, EventId, Kind, NotePlayed, Reflection, SessionHead, SessionId};

/// The columns of an event beside its tenant, in the order of the statements.
pub struct EventRow<'a> {
    pub session_id: &'a str,
    pub event_id: [u8; 16],
    pub kind: &'a str,
    pub student_id: Option<&'a str>,
    pub actor_id: Option<&'a str>,
    pub at_us: i64,
    pub run: i64,
    pub beat_ub: Option<i64>,
    pub midi: Option<i16>,
    pub velocity: Option<i16>,
    pub offset_us: Option<i32>,
    pub uncertainty_us: Option<i32>,
    pub assigned: Option<bool>,
    pub details: Option<String>,
}

impl<'a> EventRow<'a> {
    pub fn of(event: &'a Event) -> Self {
        let note = event.note.as_ref();
        Self {
            session_id: event.session.as_str(),
            event_id: event.id.to_bytes(),
            kind: event.kind.as_str(),
            student_id: event.student.as_deref(),
            actor_id: event.actor.as_deref(),
            at_us: event.at_us,
            run: i64::try_from(event.run).unwrap_or(i64::MAX),
            beat_ub: event.beat_ub,
            midi: note.map(|note| note.midi.into()),
            velocity: note.map(|note| note.velocity.into()),
            offset_us: note.and_then(|note| note.offset_us),
            // Half an hour is as useless as more.
            uncertainty_us: note.map(|note| i32::try_from(note.uncertainty_us).unwrap_or(i32::MAX)),
            assigned: note.map(|note| note.assigned),
            details: details(event).map(|details| details.to_string()),
        }
    }
}

/// A reflection's content stands in its own table alone.
fn details(event: &Event) -> Option<Value> {
    let details = event.details.as_ref()?;
    if event.kind != Kind::REFLECTION_SUBMITTED {
        return Some(details.clone());
    }
    let kept = |name: &str| details.get(name).cloned().unwrap_or(Value::Null);
    Some(json!({ "reflection_id": kept("reflection_id"), "reflection_type": kept("reflection_type") }))
}

/// The submitted reflection in an event's details.
pub fn reflection_in(event: &Event) -> Result<Reflection, DatabaseError> {
    let details = event.details.clone().unwrap_or(Value::Null);
    serde_json::from_value(details).map_err(|error| DatabaseError::Data(format!("a reflection's details: {error}")))
}

/// What a batch says of one session.
#[derive(Debug, PartialEq, Eq)]
pub struct SessionRow {
    pub opened_at_us: i64,
    pub last_event_at_us: i64,
    pub closed_at_us: Option<i64>,
    pub teacher_id: Option<String>,
    pub name: String,
    /// 0 where it says no name.
    pub named_at_us: i64,
}

/// The sessions of these events, in the order of their ids.
pub fn sessions_of<'a>(events: impl Iterator<Item = &'a Event>) -> BTreeMap<&'a str, SessionRow> {
    let mut sessions = BTreeMap::new();
    for event in events {
        let row = sessions.entry(event.session.as_str()).or_insert_with(|| SessionRow {
            opened_at_us: event.session.opened_us().unwrap_or(event.at_us),
            last_event_at_us: event.at_us,
            closed_at_us: None,
            teacher_id: None,
            name: String::new(),
            named_at_us: 0,
        });
        row.last_event_at_us = row.last_event_at_us.max(event.at_us);
        let said = |pointer: &str| event.details.as_ref()?.pointer(pointer)?.as_str();
        let name = if event.kind == Kind::ROOM_CLOSED {
            row.closed_at_us = Some(event.at_us);
            None
        } else if event.kind == Kind::ROOM_OPENED || event.kind == Kind::ROLL {
            // A roll says it again: the opening may have been lost.
            row.teacher_id = said("/teacher_id").map(str::to_owned).or_else(|| row.teacher_id.take());
            said("/name")
        } else if event.kind == Kind::SETTINGS_CHANGED {
            said("/settings/name")
        } else {
            None
        };
        if let Some(name) = name.filter(|_| event.at_us >= row.named_at_us) {
            // PostgreSQL's texts have no NUL.
            row.name = name.replace('\0', "");
            row.named_at_us = event.at_us;
        }
    }
    sessions
}

/// Makes events of rows. Names that come again are shared.
#[derive(Default)]
pub struct Reader {
    names: HashSet<Arc<str>>,
    session: Option<SessionId>,
}

impl Reader {
    /// Reads the columns in the order of the statements.
    pub fn event<R>(&mut self, row: &R) -> Result<Event, DatabaseError>
    where
        R: Row,
        usize: ColumnIndex<R>,
        for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> i32: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> i16: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
    {
        let id: [u8; 16] = row.try_get::<&[u8], _>(1)?.try_into().map_err(|_| damaged("an event's id"))?;
        let kind: &str = row.try_get(2)?;
        let byte = |midi: i16| u8::try_from(midi).map_err(|_| damaged("a note"));
        let note = match (row.try_get::<Option<i16>, _>(8)?, row.try_get::<Option<i16>, _>(9)?) {
            (Some(midi), Some(velocity)) => Some(NotePlayed {
                midi: byte(midi)?,
                velocity: byte(velocity)?,
                offset_us: row.try_get(10)?,
                uncertainty_us: row.try_get::<Option<i32>, _>(11)?.unwrap_or_default().unsigned_abs(),
                assigned: row.try_get::<Option<bool>, _>(12)?.unwrap_or_default(),
            }),
            _ => None,
        };
        let details = row.try_get::<Option<&str>, _>(13)?.map(serde_json::from_str).transpose();
        Ok(Event {
            id: EventId::from_bytes(id),
            session: self.session(row.try_get(0)?)?,
            kind: if kind == Kind::NOTE_PLAYED.as_str() { Kind::NOTE_PLAYED } else { Kind::named(kind.to_owned()) },
            student: row.try_get::<Option<&str>, _>(3)?.map(|name| self.name(name)),
            actor: row.try_get::<Option<&str>, _>(4)?.map(|name| self.name(name)),
            at_us: row.try_get(5)?,
            run: row.try_get::<i64, _>(6)?.unsigned_abs(),
            beat_ub: row.try_get(7)?,
            note,
            details: details.map_err(|_| damaged("an event's details"))?,
        })
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.names.insert(name.clone());
        name
    }

    fn session(&mut self, text: &str) -> Result<SessionId, DatabaseError> {
        match &self.session {
            Some(session) if session.as_str() == text => Ok(session.clone()),
            _ => {
                let session = session(text)?;
                self.session = Some(session.clone());
                Ok(session)
            }
        }
    }
}

/// As [`super::sql`] selects it: id, name, teacher, opened, closed, last event.
pub type HeadRow = (String, String, Option<String>, i64, Option<i64>, i64);

pub fn head(row: HeadRow) -> Result<SessionHead, DatabaseError> {
    let (id, name, teacher_id, opened_at_us, closed_at_us, last_event_at_us) = row;
    Ok(SessionHead { session: session(&id)?, name, teacher_id, opened_at_us, closed_at_us, last_event_at_us })
}

pub fn session(text: &str) -> Result<SessionId, DatabaseError> {
    SessionId::parse(text).ok_or_else(|| damaged("a session's id"))
}

/// What only somebody else can have written there.
pub fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Damaged(format!("{what} is not as Downbeat writes it"))
}
