//! A person, or a tenant, is erased.

use serde_json::{Value, json};

use super::{
    AuditEntry, Database, DatabaseError,
    audit::write_entry,
    on::{Hold, On, Write, on},
    row::damaged,
    sql,
    tombstone::{digest_of, forget},
};

/// What stands where an erased id stood and something must stand.
pub const ERASED: &str = "erased";

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Events that are gone: those that were about the person, or all of the tenant.
    pub events: u64,
    /// Reflections that are gone, the withdrawn ones among them, of which no more than the id was left: the person's, or
    /// all of the tenant.
    pub reflections: u64,
    /// Times that a row which stays named the person and does so no more: events about others or about the room,
    /// others' reflections that the person wrote for them, sessions of rooms that the person opened, entries of the audit
    /// log. A row that named them in two ways counts twice. 0 of a tenant, of which nothing stays.
    pub mentions: u64,
    /// Sessions that are gone: all of the tenant. 0 of a person: the sessions were others', too.
    pub sessions: u64,
}

impl Erased {
    fn counts(self, details: Value) -> Value {
        let mut counts = json!({
            "events": self.events,
            "reflections": self.reflections,
            "mentions": self.mentions,
            "sessions": self.sessions,
        });
        if let (Some(counts), Value::Object(details)) = (counts.as_object_mut(), details) {
            counts.extend(details);
        }
        counts
    }
}

impl Database {
    /// Erases one student, in one transaction that no insertion of the tenant runs beside:
    /// - the events and reflections that are theirs go;
    /// - where they acted on others, or on a room, the event stays and its actor is `erased`; likewise the author of
    ///   others' reflections;
    /// - rolls and assignments are without them;
    /// - a room that they opened has no teacher;
    /// - in the audit log, what they did was done by `erased`.
    ///
    /// What is still on its way and happened up to `at_us` meets a tombstone and is dropped, or cleaned likewise.
    /// What somebody wrote about them stays, text and metadata: it is the writer's.
    ///
    /// `audit` is written with the counts added to its details and the salted digest as its subject.
    pub async fn erase_student(
        &self,
        tenant: &str,
        student_id: &str,
        at_us: i64,
        salt: [u8; 16],
        audit: AuditEntry,
    ) -> Result<Erased, DatabaseError> {
        let digest = digest_of(&salt, student_id);
        let mut write = self.exclusive(tenant).await?;
        bury(&mut write, tenant, &salt, Some(&digest), at_us).await?;
        let erase_events = write.pick(sql::LITE_ERASE_EVENTS, sql::PG_ERASE_EVENTS);
        let erase_actor = write.pick(sql::LITE_ERASE_ACTOR, sql::PG_ERASE_ACTOR);
        let mut erased = Erased {
            events: delete(&mut write, erase_events, tenant, Some(student_id)).await?,
            reflections: delete(&mut write, sql::ERASE_REFLECTIONS, tenant, Some(student_id)).await?,
            ..Erased::default()
        };
        delete(&mut write, sql::ERASE_ATTENDANCE, tenant, Some(student_id)).await?;
        erased.mentions += delete(&mut write, sql::ERASE_TEACHER, tenant, Some(student_id)).await?;
        for statement in [erase_actor, sql::ERASE_AUTHOR, sql::ERASE_AUDIT_ACTOR] {
            erased.mentions += on!(&mut write, transaction => {
                let query = sqlx::query(statement).bind(tenant).bind(student_id).bind(ERASED);
                query.execute(&mut **transaction).await?.rows_affected()
            });
        }
        erased.mentions += forget_in_events(&mut write, tenant, student_id).await?;
        let mut entry = audit;
        entry.details = erased.counts(entry.details);
        entry.subject = Some(digest);
        if entry.actor == student_id {
            ERASED.clone_into(&mut entry.actor);
        }
        write_entry(&mut write, &entry).await?;
        write.commit().await?;
        self.overwrite().await?;
        Ok(erased)
    }

    /// Erases everything of a tenant, its audit log too, but for one entry that says how much it was. What is still
    /// on its way and happened up to `at_us` is dropped when it arrives.
    ///
    /// A tenant of which the database knows nothing at all is left unknown: there is no entry, and what is on its way
    /// arrives. Its counts are all 0.
    pub async fn erase_tenant(&self, tenant: &str, at_us: i64) -> Result<Erased, DatabaseError> {
        let mut write = self.exclusive(tenant).await?;
        let erased = Erased {
            events: delete(&mut write, sql::ERASE_ALL_EVENTS, tenant, None).await?,
            reflections: delete(&mut write, sql::ERASE_ALL_REFLECTIONS, tenant, None).await?,
            mentions: 0,
            sessions: delete(&mut write, sql::ERASE_ALL_SESSIONS, tenant, None).await?,
        };
        delete(&mut write, sql::ERASE_ALL_ATTENDANCE, tenant, None).await?;
        let entries = delete(&mut write, sql::ERASE_ALL_AUDIT, tenant, None).await?;
        let tombstones = delete(&mut write, sql::ERASE_ALL_TOMBSTONES, tenant, None).await?;
        if erased == Erased::default() && entries + tombstones == 0 {
            // A name that nobody had, as a mistyped one, gets no record of its own.
            return Ok(erased);
        }
        bury(&mut write, tenant, &[0; 16], None, at_us).await?;
        let entry = AuditEntry {
            tenant: tenant.to_owned(),
            at_us,
            actor: "operator".to_owned(),
            action: "tenant_erased".to_owned(),
            subject: None,
            details: erased.counts(Value::Null),
        };
        write_entry(&mut write, &entry).await?;
        write.commit().await?;
        self.overwrite().await?;
        Ok(erased)
    }

    async fn exclusive(&self, tenant: &str) -> Result<Write, DatabaseError> {
        let mut write = self.pools.write(tenant, Hold::Exclusive).await?;
        if let On::Postgres(transaction) = &mut write {
            sqlx::query(sql::PG_PATIENCE).execute(&mut **transaction).await?;
        }
        Ok(write)
    }

    /// SQLite's journal still holds the pages as they were, until it is begun anew. PostgreSQL's are its own matter.
    async fn overwrite(&self) -> Result<(), DatabaseError> {
        if let On::Sqlite(pools) = &self.pools {
            sqlx::query(sql::LITE_CHECKPOINT).execute(&pools.writes).await?;
        }
        Ok(())
    }
}

async fn bury(
    write: &mut Write,
    tenant: &str,
    salt: &[u8],
    digest: Option<&[u8]>,
    at_us: i64,
) -> Result<(), DatabaseError> {
    on!(write, transaction => {
        let query = sqlx::query(sql::BURY).bind(tenant).bind(salt).bind(digest).bind(at_us);
        query.execute(&mut **transaction).await?;
    });
    Ok(())
}

/// Runs a statement about a tenant, or one of its people, and says how many rows it met.
async fn delete(
    write: &mut Write,
    statement: &'static str,
    tenant: &str,
    student_id: Option<&str>,
) -> Result<u64, DatabaseError> {
    Ok(on!(write, transaction => {
        let query = sqlx::query(statement).bind(tenant);
        let query = match student_id {
            Some(student_id) => query.bind(student_id),
            None => query,
        };
        query.execute(&mut **transaction).await?.rows_affected()
    }))
}

/// How JSON writes the id: what a text must hold to name it.
fn quoted(student_id: &str) -> String {
    Value::from(student_id).to_string()
}

/// The text without the person; none if it only seemed to name them.
fn forgotten(text: &str, student_id: &str) -> Result<Option<String>, DatabaseError> {
    let mut value = serde_json::from_str(text).map_err(|_| damaged("a JSON text"))?;
    Ok(forget(&mut value, &|id| id == student_id).then(|| value.to_string()))
}

async fn forget_in_events(write: &mut Write, tenant: &str, student_id: &str) -> Result<u64, DatabaseError> {
    let statement = write.pick(sql::LITE_MENTIONS, sql::PG_MENTIONS);
    let mut count = 0;
    on!(write, transaction => {
        let query = sqlx::query_as(statement).bind(tenant).bind(quoted(student_id));
        let rows: Vec<(String, Vec<u8>, String)> = query.fetch_all(&mut **transaction).await?;
        for (session, event, details) in rows {
            if let Some(details) = forgotten(&details, student_id)? {
                let query = sqlx::query(sql::ERASE_DETAILS).bind(tenant).bind(session).bind(event).bind(details);
                count += query.execute(&mut **transaction).await?.rows_affected();
            }
        }
    });
    Ok(count)
}
