//! Which session is meant, and which sessions there are.

use serde::Serialize;

use super::{Desk, DeskError, soon};
use crate::{
    participation::{Database, SessionHead, SessionId},
    room::{Code, RoomKey},
};

/// A session as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct OfSession<'a> {
    pub room: &'a RoomKey,
    /// None: the room's present session, else the latest that was recorded under its code.
    pub session: Option<&'a SessionId>,
    /// The session of the room that lives under this code now.
    pub live: Option<&'a SessionHead>,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    pub session_id: SessionId,
    pub room_id: Option<Code>,
    /// The room's name; empty where it had none.
    pub name: String,
    /// Who opened the room; None where the record of that was lost, or they were erased.
    pub teacher_id: Option<String>,
    /// Milliseconds since 1970, as are the others.
    pub opened_at_ms: i64,
    /// None: it goes on, or nobody could record its end.
    pub closed_at_ms: Option<i64>,
    pub last_event_at_ms: i64,
}

/// A page of sessions, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionPage {
    pub sessions: Vec<SessionRow>,
    /// The last of a page that is not the last one.
    #[serde(skip)]
    pub last: Option<SessionId>,
}

impl Desk {
    /// The sessions of a code, those before `before`: the [`SessionPage::last`] of the page before.
    ///
    /// # Errors
    /// As the database.
    pub async fn sessions_of_room(
        &self,
        room: &RoomKey,
        limit: u32,
        before: Option<&SessionId>,
    ) -> Result<SessionPage, DeskError> {
        let database = self.of(&room.tenant)?;
        let heads = database.sessions_of_room(&room.tenant, &room.code, limit.saturating_add(1), before);
        let mut heads = soon(heads).await?;
        let has_more = heads.len() > limit as usize;
        heads.truncate(limit as usize);
        Ok(page(&heads, has_more))
    }

    /// The sessions that were opened from `from_us` on and before `to_us`, in µs since 1970. To read on, ask again with
    /// the opening of the [`SessionPage::last`] as `to_us`. Sessions that were opened in the same microsecond stand on
    /// one page, so that it may have some more than `limit`.
    ///
    /// # Errors
    /// As the database.
    pub async fn sessions(&self, tenant: &str, from_us: i64, to_us: i64, limit: u32) -> Result<SessionPage, DeskError> {
        let database = self.of(tenant)?;
        let mut heads = soon(database.sessions(tenant, from_us, to_us, limit.saturating_add(1))).await?;
        let has_more = heads.len() > limit as usize;
        heads.truncate(limit as usize);
        if let Some(last_us) = heads.last().map(|head| head.opened_at_us).filter(|_| has_more) {
            let until_us = last_us.saturating_add(1);
            let together = soon(database.sessions(tenant, last_us, until_us, TOGETHER_MAX)).await?;
            heads.retain(|head| head.opened_at_us != last_us);
            heads.extend(together);
        }
        Ok(page(&heads, has_more))
    }

    /// The head of the session that is meant.
    pub(super) async fn head(&self, database: &Database, of: OfSession<'_>) -> Result<SessionHead, DeskError> {
        let OfSession { room, session, live } = of;
        let live = live.filter(|live| session.is_none_or(|session| *session == live.session));
        let recorded = match session.or(live.map(|live| &live.session)) {
            Some(session) if session.code().as_ref() != Some(&room.code) => return Err(DeskError::NoSession),
            Some(session) => soon(database.session(&room.tenant, session)).await?,
            None => soon(database.sessions_of_room(&room.tenant, &room.code, 1, None)).await?.pop(),
        };
        match (recorded, live) {
            (Some(recorded), Some(live)) => Ok(completed(recorded, live, self.clock.now_us())),
            (Some(recorded), None) => Ok(recorded),
            (None, Some(live)) => Ok(live.clone()),
            (None, None) => Err(DeskError::NoSession),
        }
    }
}

/// More rooms of one school are not opened in one microsecond.
const TOGETHER_MAX: u32 = 1_000;

/// It goes on, whatever was recorded: a silent room is none that has ended. What the record lacks, the room knows.
fn completed(recorded: SessionHead, live: &SessionHead, now_us: i64) -> SessionHead {
    let name = if recorded.name.is_empty() { live.name.clone() } else { recorded.name };
    let teacher_id = recorded.teacher_id.or_else(|| live.teacher_id.clone());
    SessionHead { name, teacher_id, last_event_at_us: now_us, ..recorded }
}

fn page(heads: &[SessionHead], has_more: bool) -> SessionPage {
    let last = heads.last().map(|head| head.session.clone()).filter(|_| has_more);
    SessionPage { sessions: heads.iter().map(row).collect(), last }
}

fn row(head: &SessionHead) -> SessionRow {
    SessionRow {
        session_id: head.session.clone(),
        room_id: head.session.code(),
        name: head.name.clone(),
        teacher_id: head.teacher_id.clone(),
        opened_at_ms: head.opened_at_us.div_euclid(1_000),
        closed_at_ms: head.closed_at_us.map(|at_us| at_us.div_euclid(1_000)),
        last_event_at_ms: head.last_event_at_us.div_euclid(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_record_of_a_live_session_lacks_the_room_says() {
        let head = |name: &str, teacher_id: Option<&str>| SessionHead {
            session: SessionId::parse("MUSIC-1234.643f1c2a5b9d0").expect("a session"),
            name: name.to_owned(),
            teacher_id: teacher_id.map(str::to_owned),
            opened_at_us: 1,
            closed_at_us: None,
            last_event_at_us: 2,
        };
        let live = head("Band", Some("mrs-lee"));
        assert_eq!(completed(head("", None), &live, 9), SessionHead { last_event_at_us: 9, ..live.clone() });
        let recorded = head("Choir", Some("mr-may"));
        assert_eq!(completed(recorded.clone(), &live, 9), SessionHead { last_event_at_us: 9, ..recorded });
    }
}
