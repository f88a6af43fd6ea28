//! Which rooms know a person, and how they forget them.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ControlRefused, Router};
use crate::room::{Actor, Control, Controls, RoomKey};

/// Rooms of a page.
const PAGE: usize = 100;
/// Rooms that are looked at, or told, at once.
const AT_ONCE: usize = 8;

impl Router {
    /// The tenant's rooms in which the person is, or of which something is remembered about them.
    ///
    /// # Errors
    /// `unavailable`: the store does not answer.
    pub async fn rooms_that_know(&self, tenant: &str, student_id: &str) -> Result<Vec<RoomKey>, ControlRefused> {
        let store = &self.surroundings.store;
        let (mut known, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list_rooms(tenant, cursor.as_ref(), PAGE).await;
            let (records, next) = page.map_err(|_| ControlRefused::Unavailable)?;
            let (knowing, others): (Vec<_>, Vec<_>) =
                records.into_iter().partition(|record| remembers(&record.controls, student_id));
            known.extend(knowing.into_iter().map(|record| record.key));
            let present = stream::iter(others).map(|record| async move {
                let stored = store.members(&record.key).await.map_err(|_| ControlRefused::Unavailable)?;
                let is_present = stored.members.iter().any(|member| member.student_id == student_id);
                Ok::<_, ControlRefused>(is_present.then_some(record.key))
            });
            let present: Vec<Option<RoomKey>> = present.buffered(AT_ONCE).try_collect().await?;
            known.extend(present.into_iter().flatten());
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        known.sort();
        Ok(known)
    }

    /// Sends the person out of every room of the tenant that knows them, and makes it forget them. Answers how many
    /// did.
    ///
    /// # Errors
    /// `no_conductor` or `unavailable`, where one room did not: to be asked again.
    pub async fn forget(&self, tenant: &str, student_id: &str, actor: &Actor) -> Result<usize, ControlRefused> {
        let rooms = self.rooms_that_know(tenant, student_id).await?;
        let told = stream::iter(rooms).map(|key| async move {
            let control = Control::ForgetStudent { student_id: student_id.to_owned() };
            match self.control(&key, actor.clone(), control, None).await {
                Ok(_) => Ok(1),
                // Closed meanwhile, with all that it knew.
                Err(ControlRefused::NotFound) => Ok(0),
                Err(refused) => Err(refused),
            }
        });
        told.buffer_unordered(AT_ONCE).try_fold(0, async |sum, one| Ok(sum + one)).await
    }
}

fn remembers(controls: &Controls, student_id: &str) -> bool {
    let Controls { muted, exempt, assignments, roles, admitted, removed, .. } = controls;
    roles.contains_key(student_id)
        || [muted, exempt, admitted, removed].into_iter().any(|ids| ids.contains(student_id))
        || assignments.values().flatten().any(|id| id == student_id)
}
