//! A tenant is deleted, with everything that is held of it.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};

use super::{Tenancy, TenancyError};
use crate::{
    auth::is_tenant_id,
    conductor::ControlRefused,
    participation::Database,
    room::{Actor, Control, RoomKey, TokenRole},
    store::EventStream,
};

const ROOMS_A_PAGE: usize = 100;
/// What stands between a client and a node gives up after half a minute, often.
const DELETED_WITHIN: Duration = Duration::from_secs(25);
const CLOSED_AT_ONCE: usize = 16;
/// Who closes the rooms.
const OPERATOR: &str = "operator";
/// The action of the audit entry that is left.
const ERASED: &str = "tenant_erased";
/// REST has no connections; no socket has this one.
const NO_CONNECTION: u64 = 0;

impl Tenancy {
    /// Deletes in a task of its own, as [`Tenancy::delete_here`]: a client that hangs up does not cut it short.
    ///
    /// # Errors
    /// It is the file's, or not all is erased yet.
    pub async fn delete(self: &Arc<Self>, id: &str) -> Result<(), TenancyError> {
        let (tenancy, id) = (self.clone(), id.to_owned());
        let deleting = tokio::spawn(async move { tenancy.delete_here(&id).await });
        match tokio::time::timeout(DELETED_WITHIN, deleting).await {
            Ok(Ok(deleted)) => deleted,
            Ok(Err(_)) => Err(TenancyError::NotErased { why: "something broke inside Downbeat".to_owned() }),
            Err(_) => Err(TenancyError::NotErased { why: "it takes its time and goes on".to_owned() }),
        }
    }

    /// First nobody comes in any more, on any node; then its rooms are closed, and what was recorded of it, what is on
    /// its way to the database and what is kept for latecomers is erased. To be repeated where something does not answer;
    /// once all is erased, nothing happens any more.
    ///
    /// # Errors
    /// It is the file's, or not all is erased yet.
    async fn delete_here(&self, id: &str) -> Result<(), TenancyError> {
        if self.is_in_file(id) {
            return Err(TenancyError::InFile { id: id.to_owned() });
        }
        if !is_tenant_id(id) {
            return Err(TenancyError::BadId);
        }
        // One after the other: a repetition that overtook the first would replace its audit entry by one of nothing.
        let _alone = self.erasing.lock().await;
        let (is_retired_now, pending) = self.retire(id).await?;
        self.close_rooms(id).await?;
        if let Some(redis) = &self.parts.redis {
            redis.forget_events(id).await?;
        }
        self.parts.topics.forget_topics(id).await?;
        let Some(database) = &self.parts.database else { return Err(TenancyError::NoDatabase) };
        if !is_retired_now && is_erased(database, id).await? {
            return confirmed(&pending);
        }
        let erased = database.erase_tenant(id, self.parts.clock.now_us()).await;
        let erased = erased.map_err(|error| TenancyError::NotErased { why: error.to_string() })?;
        tracing::info!(
            tenant.id = %id,
            sessions = erased.sessions,
            events = erased.events,
            reflections = erased.reflections,
            "a tenant is erased"
        );
        confirmed(&pending)
    }

    /// Also those that only the store knows: whoever conducts them is asked, and takes them up first if nobody does.
    async fn close_rooms(&self, id: &str) -> Result<(), TenancyError> {
        let mut cursor = None;
        loop {
            let (rooms, next) = self.parts.store.list_rooms(id, cursor.as_ref(), ROOMS_A_PAGE).await?;
            let closing = rooms.into_iter().map(|room| self.close_room(room.key));
            let mut closing = stream::iter(closing).buffer_unordered(CLOSED_AT_ONCE);
            while let Some(closed) = closing.next().await {
                closed?;
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn close_room(&self, key: RoomKey) -> Result<(), TenancyError> {
        let actor = Actor { student_id: OPERATOR.to_owned(), role: TokenRole::Teacher, connection: NO_CONNECTION };
        match self.parts.router.control(&key, actor, Control::CloseRoom, None).await {
            Ok(_) | Err(ControlRefused::NotFound) => Ok(()),
            Err(refused) => Err(TenancyError::NotErased { why: format!("room {}: {refused}", key.code) }),
        }
    }
}

/// A node that still serves the tenant could make a room of it after the others are closed.
fn confirmed(pending: &[Arc<str>]) -> Result<(), TenancyError> {
    if pending.is_empty() {
        return Ok(());
    }
    Err(TenancyError::NotErased { why: format!("nodes have not confirmed that it is deleted: {}", pending.join(", ")) })
}

/// Looked for before: of one that is erased already, the audit entry that says how much it was would be replaced by one
/// that says nothing was.
async fn is_erased(database: &Database, id: &str) -> Result<bool, TenancyError> {
    if database.tenants().await?.iter().any(|tenant| tenant == id) {
        return Ok(false);
    }
    let last = database.audit_entries(id, 1).await?.pop();
    Ok(last.is_none_or(|last| last.action == ERASED))
}
