//! Where what was recorded is asked for: sessions, reports, reflections, one person's file, and its erasure.
//!
//! Everything here is one tenant's. What is live (rooms, their people) is handed in by whoever knows it.
//!
//! Where to look: `lookup.rs` finds the session that is meant, `reports.rs` folds its events, `student.rs` is about
//! one person, `erase.rs` takes them out, `school.rs` looks at many sessions together. `turns.rs` and `writers.rs` say who
//! has to wait.

mod erase;
mod error;
mod lookup;
mod own;
mod reflections;
mod reports;
mod school;
mod student;
mod turns;
mod writers;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{AuditEntry, Database, DatabaseError, Recorder};
use crate::time::Clock;

pub use erase::{Erasure, StudentErased};
pub use error::DeskError;
pub use lookup::{OfSession, SessionPage, SessionRow};
pub use reflections::{AfterReflection, SessionReflections};
pub use school::OVERVIEW_SESSIONS_MAX;
pub use student::{FILE_SESSIONS_MAX, SessionOfStudent, StudentFile, TREND_SESSIONS_MAX};
pub use writers::REFLECTIONS_A_MINUTE;

use erase::Erasures;
use turns::Turns;
use writers::Writers;

/// How long a question may take that the database answers at once if it answers at all.
const SOON: Duration = Duration::from_millis(3_500);
/// How long one may take that reads many events.
const AT_LAST: Duration = Duration::from_secs(30);

/// What was recorded of a tenant and is not in the database yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnTheWay {
    pub events: u64,
    /// How long the oldest of them has waited; None: nobody knows, or nothing waits.
    pub oldest_age_ms: Option<u64>,
}

/// Knows what is on its way to the database: a stream, or a journal.
#[async_trait]
pub trait OnTheirWay: Send + Sync {
    /// None: nobody knows just now.
    async fn waiting(&self, tenant: &str) -> Option<OnTheWay>;
}

/// Answers for what was recorded.
pub struct Desk {
    recorder: Arc<Recorder>,
    database: Option<Database>,
    on_their_way: Arc<dyn OnTheirWay>,
    clock: Arc<dyn Clock>,
    turns: Turns,
    writers: Writers,
    erasures: Erasures,
}

impl Desk {
    /// Without a database everything is answered with [`DeskError::Off`].
    pub fn new(
        recorder: Arc<Recorder>,
        database: Option<Database>,
        on_their_way: Arc<dyn OnTheirWay>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            recorder,
            database,
            on_their_way,
            clock,
            turns: Turns::new(),
            writers: Writers::default(),
            erasures: Erasures::default(),
        }
    }

    /// Where reflections are put.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Whether this author may submit or change a reflection now: [`REFLECTIONS_A_MINUTE`], whatever they come over.
    /// Counts it where they may.
    pub fn admits_reflection(&self, tenant: &str, author: &str) -> bool {
        self.writers.admits(tenant, author, self.clock.boot_us())
    }

    /// Whether there is anything to ask.
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// How many events of the tenant are on their way to the database, so that no report has them yet. None: nobody
    /// knows just now.
    pub async fn waiting(&self, tenant: &str) -> Option<u64> {
        Some(self.look(tenant).await?.events)
    }

    async fn look(&self, tenant: &str) -> Option<OnTheWay> {
        self.database.as_ref()?;
        tokio::time::timeout(SOON, self.on_their_way.waiting(tenant)).await.ok().flatten()
    }

    /// The database of a tenant whose lessons are recorded.
    fn of(&self, tenant: &str) -> Result<&Database, DeskError> {
        self.database.as_ref().filter(|_| self.recorder.is_on(tenant)).ok_or(DeskError::Off)
    }

    /// The database, for what people have a right to: also of a tenant whose lessons are no longer recorded.
    fn by_right(&self) -> Result<&Database, DeskError> {
        self.database.as_ref().ok_or(DeskError::Off)
    }

    /// Says who looked at what, before it is shown to them.
    async fn note(
        &self,
        database: &Database,
        tenant: &str,
        actor: &str,
        action: &str,
        subject: Option<[u8; 32]>,
        details: serde_json::Value,
    ) -> Result<(), DeskError> {
        let entry = AuditEntry {
            tenant: tenant.to_owned(),
            at_us: self.clock.now_us(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject,
            details,
        };
        soon(database.audit(&entry)).await
    }
}

/// Of a database that does not answer, one learns so within seconds.
async fn soon<T>(question: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, DeskError> {
    Ok(tokio::time::timeout(SOON, question).await.map_err(|_| DeskError::late(SOON))??)
}

/// Reads a lot.
async fn at_last<T>(reading: impl Future<Output = Result<T, DeskError>>) -> Result<T, DeskError> {
    tokio::time::timeout(AT_LAST, reading).await.map_err(|_| DeskError::late(AT_LAST))?
}
