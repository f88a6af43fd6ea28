//! What students wrote, for whoever may read it.

use serde_json::json;

use super::{Desk, DeskError, OfSession, soon};
use crate::participation::{EventId, SessionId, StoredReflection};

/// Where a page of reflections begins: after the one of this id, which was first submitted then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterReflection {
    pub session: SessionId,
    /// µs since 1970.
    pub submitted_at_us: i64,
    pub reflection_id: String,
}

/// A page of the reflections of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionReflections {
    pub session: SessionId,
    /// In the order in which they were first submitted.
    pub reflections: Vec<StoredReflection>,
    /// The last of a page that is not the last one.
    pub last: Option<AfterReflection>,
}

impl Desk {
    /// At most `limit` reflections of a session, those after `after`; the audit log says that `actor` has read them.
    ///
    /// # Errors
    /// [`DeskError::NoSession`], or as the database.
    pub async fn reflections(
        &self,
        of: OfSession<'_>,
        limit: u32,
        after: Option<&AfterReflection>,
        actor: &str,
    ) -> Result<SessionReflections, DeskError> {
        let tenant = &of.room.tenant;
        let database = self.of(tenant)?;
        let session = self.head(database, of).await?.session;
        let place = after.map(|after| (after.submitted_at_us, after.reflection_id.as_str()));
        let page = database.reflections_page(tenant, &session, place, limit.saturating_add(1));
        let mut reflections = soon(page).await?;
        let has_more = reflections.len() > limit as usize;
        reflections.truncate(limit as usize);
        let last = reflections.last().filter(|_| has_more).map(|last| AfterReflection {
            session: session.clone(),
            submitted_at_us: last.submitted_at_us,
            reflection_id: last.reflection.reflection_id.clone(),
        });
        let details = json!({ "session": session, "reflections": reflections.len() });
        self.note(database, tenant, actor, "reflections_read", None, details).await?;
        Ok(SessionReflections { session, reflections, last })
    }

    /// Whose reflection of this session it is. None: nobody's yet, as far as the database knows; it may be on its way,
    /// or was withdrawn.
    ///
    /// # Errors
    /// [`DeskError::NoReflection`] where it is another session's, or was withdrawn; or as the database.
    pub async fn author_of(
        &self,
        tenant: &str,
        reflection: EventId,
        session: &SessionId,
    ) -> Result<Option<String>, DeskError> {
        let (database, id) = (self.of(tenant)?, reflection.to_string());
        match soon(database.reflection(tenant, &id)).await? {
            Some(found) if found.session != *session => Err(DeskError::NoReflection),
            Some(found) => Ok(Some(found.student_id)),
            None if soon(database.is_withdrawn(tenant, &id)).await? => Err(DeskError::NoReflection),
            None => Ok(None),
        }
    }
}
