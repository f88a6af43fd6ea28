//! What students wrote, for whoever may read it.

use serde_json::json;

use super::{Desk, DeskError, OfSession, soon};
use crate::participation::{EventId, SessionId, StoredReflection};

/// The reflections of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionReflections {
    pub session: SessionId,
    /// In the order in which they were first submitted.
    pub reflections: Vec<StoredReflection>,
}

impl Desk {
    /// The reflections of a session; the audit log says that `actor` has read them.
    ///
    /// # Errors
    /// [`DeskError::NoSession`], or as the database.
    pub async fn reflections(&self, of: OfSession<'_>, actor: &str) -> Result<SessionReflections, DeskError> {
        let tenant = &of.room.tenant;
        let database = self.of(tenant)?;
        let session = self.head(database, of).await?.session;
        let reflections = soon(database.reflections(tenant, &session)).await?;
        let details = json!({ "session": session, "reflections": reflections.len() });
        self.note(database, tenant, actor, "reflections_read", details).await?;
        Ok(SessionReflections { session, reflections })
    }

    /// Whose reflection of this session it is. None: nobody's yet, as far as the database knows; it may be on its way,
    /// or was withdrawn.
    ///
    /// # Errors
    /// [`DeskError::NoReflection`] where it is another session's; or as the database.
    pub async fn author_of(
        &self,
        tenant: &str,
        reflection: EventId,
        session: &SessionId,
    ) -> Result<Option<String>, DeskError> {
        let found = soon(self.of(tenant)?.reflection(tenant, &reflection.to_string())).await?;
        match found {
            Some(found) if found.session != *session => Err(DeskError::NoReflection),
            found => Ok(found.map(|found| found.student_id)),
        }
    }
}
