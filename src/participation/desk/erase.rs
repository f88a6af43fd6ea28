//! A person is taken out of everything that was recorded.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::{Desk, DeskError, soon};
use crate::participation::AuditEntry;

/// Clocks of nodes differ a little, and events of just now bear the time of their own: what is about the person up to
/// so much after the erasure goes, too.
const CLOCKS_DIFFER_US: i64 = 200_000;
/// How long an event may be on its way to where its age is counted.
const GATHERING: Duration = Duration::from_millis(300);
/// How long what is on its way is waited for.
const ARRIVING: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StudentErased {
    /// Those that were about the person.
    pub events: u64,
    pub reflections: u64,
    /// In how many sessions the person was.
    pub sessions: u64,
    /// From how many live rooms the person was taken before.
    pub rooms: u64,
    /// Events of the whole school that were on their way meanwhile and are still; what of them is about the person is
    /// dropped when it arrives. None: nobody knows how many.
    #[serde(skip)]
    pub on_their_way: Option<u64>,
}

/// How an erasure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    Done(StudentErased),
    /// It takes its time. Until it is done nothing is erased; what comes of it, whoever asks again learns.
    GoesOn,
}

/// An erasure that several may wait for.
type UnderWay = Shared<BoxFuture<'static, Result<StudentErased, DeskError>>>;

/// Those that are under way, by tenant and student.
#[derive(Default)]
pub(super) struct Erasures(Mutex<HashMap<Whose, UnderWay>>);

type Whose = (String, String);

impl Desk {
    /// Erases a person, whom the tenant's `rooms` live rooms that knew them have forgotten already. Then waits, some
    /// seconds at most, until what was on its way has arrived and what of it was about the person is dropped. Also of a
    /// tenant whose lessons are no longer recorded.
    ///
    /// It goes on when it is not done within `within`, or when nobody waits for it any more; whoever asks meanwhile
    /// waits for the same one.
    ///
    /// # Errors
    /// As the database: nothing is erased then.
    pub async fn erase_student(
        self: &Arc<Self>,
        tenant: &str,
        student_id: &str,
        actor: &str,
        rooms: u64,
        within: Duration,
    ) -> Result<Erasure, DeskError> {
        self.by_right()?;
        let whose = (tenant.to_owned(), student_id.to_owned());
        let erasing = {
            let mut under_way = self.erasures.0.lock();
            match under_way.get(&whose) {
                Some(erasing) => erasing.clone(),
                None => {
                    let erasing = self.clone().erase(whose.clone(), actor.to_owned(), rooms).boxed().shared();
                    under_way.insert(whose, erasing.clone());
                    tokio::spawn(erasing.clone());
                    erasing
                }
            }
        };
        match tokio::time::timeout(within, erasing).await {
            Ok(erased) => erased.map(Erasure::Done),
            Err(_) => Ok(Erasure::GoesOn),
        }
    }

    async fn erase(self: Arc<Self>, whose: Whose, actor: String, rooms: u64) -> Result<StudentErased, DeskError> {
        let erased = self.erase_now(&whose.0, &whose.1, &actor, rooms).await;
        self.erasures.0.lock().remove(&whose);
        erased
    }

    async fn erase_now(
        &self,
        tenant: &str,
        student_id: &str,
        actor: &str,
        rooms: u64,
    ) -> Result<StudentErased, DeskError> {
        let database = self.by_right()?;
        let (began, now_us) = (Instant::now(), self.clock.now_us());
        let sessions = soon(database.sessions_of_student(tenant, student_id)).await?.len() as u64;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| DeskError::Unavailable)?;
        let audit = AuditEntry {
            tenant: tenant.to_owned(),
            at_us: now_us,
            actor: actor.to_owned(),
            action: "student_erased".to_owned(),
            subject: None,
            details: json!({ "rooms": rooms, "attended": sessions }),
        };
        let until_us = now_us.saturating_add(CLOCKS_DIFFER_US);
        // As long as the database allows.
        let erased = database.erase_student(tenant, student_id, until_us, salt, audit).await?;
        let on_their_way = self.arrived(tenant, began).await;
        Ok(StudentErased { events: erased.events, reflections: erased.reflections, sessions, rooms, on_their_way })
    }

    /// Waits until what was on its way at `since` has arrived. Answers what still is.
    async fn arrived(&self, tenant: &str, since: Instant) -> Option<u64> {
        loop {
            let before = since.elapsed();
            let waiting = self.look(tenant).await;
            let is_younger = |age_ms| Duration::from_millis(age_ms) + GATHERING < before;
            let is_over = before >= GATHERING
                && waiting.is_some_and(|now| now.events == 0 || now.oldest_age_ms.is_some_and(is_younger));
            if is_over {
                return Some(0);
            }
            if before >= ARRIVING {
                return Some(waiting?.events);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
