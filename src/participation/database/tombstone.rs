//! Who was erased, without saying who: what still arrives of them is recognised by a salted digest.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use super::{
    DatabaseError,
    erase::ERASED,
    on::{Write, on},
    row::damaged,
    sql,
};
use crate::participation::Event;

/// SHA-256 of the salt and the id.
pub fn digest_of(salt: &[u8; 16], student_id: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(salt);
    context.update(student_id.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

struct Tombstone {
    salt: [u8; 16],
    /// None: everybody of the tenant.
    digest: Option<[u8; 32]>,
    erased_at_us: i64,
}

impl Tombstone {
    fn is_of(&self, id: &str) -> bool {
        self.digest.is_some_and(|digest| digest == digest_of(&self.salt, id))
    }
}

/// The tombstones of one tenant that a batch may be about.
pub struct Tombstones {
    those: Vec<Tombstone>,
    has_lately: bool,
}

impl Tombstones {
    /// Those from `since_us` on: an earlier one is not about anything that happened since. Whether there are earlier ones
    /// from `lately_us` on is told by [`Self::has_lately`].
    ///
    /// # Errors
    /// Also [`DatabaseError::Damaged`], where one cannot be read: what it may be about waits, rather than that somebody
    /// who was erased returns.
    pub async fn read(write: &mut Write, tenant: &str, since_us: i64, lately_us: i64) -> Result<Self, DatabaseError> {
        let rows: Vec<(Vec<u8>, Option<Vec<u8>>, i64)> = on!(write, transaction => {
            sqlx::query_as(sql::TOMBSTONES).bind(tenant).bind(since_us.min(lately_us)).fetch_all(&mut **transaction).await
        })?;
        let has_lately = !rows.is_empty();
        let about = rows.into_iter().filter(|(.., erased_at_us)| *erased_at_us >= since_us);
        let tombstones = about.map(|(salt, digest, erased_at_us)| {
            Some(Tombstone {
                salt: salt.try_into().ok()?,
                digest: digest.map(TryInto::try_into).transpose().ok()?,
                erased_at_us,
            })
        });
        let those = tombstones.collect::<Option<_>>().ok_or_else(|| damaged("a tombstone"))?;
        Ok(Self { those, has_lately })
    }

    pub fn is_empty(&self) -> bool {
        self.those.is_empty()
    }

    /// Somebody of the tenant was erased not long ago.
    pub fn has_lately(&self) -> bool {
        self.has_lately
    }

    /// The event without those who were erased after it; none if it was about them.
    pub fn without_the_erased(&self, event: &Event) -> Option<Event> {
        let later = || self.those.iter().filter(|tombstone| tombstone.erased_at_us >= event.at_us);
        let is_erased = |id: &str| later().any(|tombstone| tombstone.is_of(id));
        if later().any(|tombstone| tombstone.digest.is_none()) || event.student.as_deref().is_some_and(is_erased) {
            return None;
        }
        let mut event = event.clone();
        if event.actor.as_deref().is_some_and(is_erased) {
            event.actor = Some(ERASED.into());
        }
        if let Some(details) = &mut event.details {
            forget(details, &is_erased);
        }
        Some(event)
    }
}

/// Takes people out of an event's details. Only where details have ids (see [`Kind`](crate::participation::Kind)'s constants): an id may be any
/// word or number, and other names and values may be the same. Lists are then without them, places of `assignments` that
/// are left without anybody go, and a room that they opened has no teacher. Says whether there was one.
pub fn forget(details: &mut Value, is_erased: &impl Fn(&str) -> bool) -> bool {
    let is_of = |id: &Value| id.as_str().is_some_and(is_erased);
    let drop_from = |ids: &mut Vec<Value>| {
        let before = ids.len();
        ids.retain(|id| !is_of(id));
        ids.len() < before
    };
    let Some(fields) = details.as_object_mut() else { return false };
    let mut found = false;
    for (name, value) in fields {
        found |= match (name.as_str(), value) {
            ("students" | "muted", Value::Array(ids)) => drop_from(ids),
            ("assignments", Value::Object(places)) => {
                let mut dropped = false;
                places.retain(|_, ids| {
                    let Some(ids) = ids.as_array_mut().filter(|ids| ids.iter().any(is_of)) else { return true };
                    dropped |= drop_from(ids);
                    !ids.is_empty()
                });
                dropped
            }
            ("teacher_id", id) if is_of(id) => {
                *id = Value::Null;
                true
            }
            _ => false,
        };
    }
    found
}
