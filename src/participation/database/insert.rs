//! Batches on their way in.

use std::borrow::Cow;

use super::{
    Database, DatabaseError,
    attendance::Attendance,
    bulk,
    on::{Hold, Write, on},
    row::{reflection_in, sessions_of},
    sql,
    tombstone::Tombstones,
};
use crate::participation::{Batch, Event, EventId, Kind, SessionId};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Events that were not here yet.
    pub events: usize,
    /// Events that no database would take, now or ever.
    pub rejected: Vec<Rejected>,
}

/// An event that the database does not take, because of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub event: EventId,
    pub kind: Kind,
    pub why: String,
}

impl Database {
    /// Keeps a batch: events, the sessions that they belong to, and reflections. Once it resolves all is durable;
    /// the same events again change nothing, in whatever batches they come.
    ///
    /// What was erased in the meantime is left out, and not counted.
    ///
    /// # Errors
    /// Never because of what an event says (see [`Inserted::rejected`]). After an error some may have been inserted.
    pub async fn insert(&self, batch: &Batch) -> Result<Inserted, DatabaseError> {
        let mut inserted = Inserted::default();
        let (mut events, broken): (Vec<&Event>, Vec<&Event>) =
            batch.events.iter().partition(|event| SessionId::parse(event.session.as_str()).is_some());
        for event in broken {
            inserted.rejected.push(reject(event, "its session's id is none".to_owned()));
        }
        // One order for all: two nodes that insert the same events wait for each other, and never in a circle.
        events.sort_unstable_by_key(|event| (&event.session, event.id));
        let mut parts = vec![&events[..]];
        while let Some(part) = parts.pop() {
            match self.insert_part(&batch.tenant, part).await {
                Ok(new) => inserted.events += new,
                // Halved until it stands alone, it keeps nothing else from going in.
                Err(error) if error.is_about_data() => match part {
                    [event] => inserted.rejected.push(reject(event, error.to_string())),
                    part => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(inserted)
    }

    /// All of them or none, in the order of sessions and ids.
    async fn insert_part(&self, tenant: &str, events: &[&Event]) -> Result<usize, DatabaseError> {
        let Some(since_us) = events.iter().map(|event| event.at_us).min() else {
            return Ok(0);
        };
        let mut write = self.pools.write(tenant, Hold::Shared).await?;
        let tombstones = Tombstones::read(&mut write, tenant, since_us, Attendance::erasures_since(events)).await?;
        let events: Vec<Cow<Event>> = if tombstones.is_empty() {
            events.iter().map(|event| Cow::Borrowed(*event)).collect()
        } else {
            events.iter().filter_map(|event| tombstones.without_the_erased(event)).map(Cow::Owned).collect()
        };
        let new = bulk::insert_events(&mut write, tenant, &events).await?;
        let news = self.attendance.news(tenant, events.iter().map(AsRef::as_ref), tombstones.has_lately());
        bulk::insert_attendance(&mut write, tenant, &news.attended).await?;
        // Last what other nodes write, too: the less time they wait for it.
        bulk::grow_sessions(&mut write, tenant, &sessions_of(events.iter().map(AsRef::as_ref))).await?;
        for event in &events {
            if event.kind == Kind::REFLECTION_SUBMITTED {
                keep_reflection(&mut write, tenant, event).await?;
            } else if event.kind == Kind::REFLECTION_WITHDRAWN {
                withdraw_reflection(&mut write, tenant, event).await?;
            }
        }
        write.commit().await?;
        self.attendance.remember(&news);
        Ok(new)
    }
}

fn reject(event: &Event, why: String) -> Rejected {
    Rejected { event: event.id, kind: event.kind.clone(), why }
}

async fn keep_reflection(write: &mut Write, tenant: &str, event: &Event) -> Result<(), DatabaseError> {
    let reflection = reflection_in(event)?;
    let student = student_of(event)?;
    let author = event.actor.as_deref().unwrap_or(student);
    let session = event.session.as_str();
    let id = reflection.reflection_id.as_str();
    let metadata = reflection.metadata.as_ref().map(serde_json::to_string).transpose();
    let metadata = metadata.map_err(|error| DatabaseError::Data(error.to_string()))?;
    on!(write, transaction => {
        sqlx::query(sql::KEEP_REFLECTION)
            .bind(tenant)
            .bind(id)
            .bind(session)
            .bind(student)
            .bind(author)
            .bind(word(&reflection.reflection_type)?)
            .bind(reflection.competency.as_ref().map(word).transpose()?)
            .bind(reflection.mood.map(i16::from))
            // PostgreSQL's texts have no NUL.
            .bind(reflection.text.replace('\0', ""))
            .bind(metadata)
            .bind(event.at_us)
            .execute(&mut **transaction)
            .await?;
        sqlx::query(sql::REFLECTION_BEGAN)
            .bind(tenant)
            .bind(id)
            .bind(session)
            .bind(student)
            .bind(event.at_us)
            .execute(&mut **transaction)
            .await?;
    });
    Ok(())
}

async fn withdraw_reflection(write: &mut Write, tenant: &str, event: &Event) -> Result<(), DatabaseError> {
    let id = event.details.as_ref().and_then(|details| details.get("reflection_id")?.as_str());
    let id = id.ok_or_else(|| DatabaseError::Data("a withdrawal names no reflection".to_owned()))?;
    let student = student_of(event)?;
    on!(write, transaction => {
        sqlx::query(sql::WITHDRAW_REFLECTION)
            .bind(tenant)
            .bind(id)
            .bind(event.session.as_str())
            .bind(student)
            .bind(event.at_us)
            .execute(&mut **transaction)
            .await?;
    });
    Ok(())
}

fn student_of(event: &Event) -> Result<&str, DatabaseError> {
    event.student.as_deref().ok_or_else(|| DatabaseError::Data("a reflection names no student".to_owned()))
}

/// How a value of few names is written.
fn word(value: &impl serde::Serialize) -> Result<String, DatabaseError> {
    let text = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    text.ok_or_else(|| DatabaseError::Data("a name is no text".to_owned()))
}
