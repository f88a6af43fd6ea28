//! Who took part, and how it felt: what is recorded of a lesson, on which way, and what can be read of it afterwards.
//!
//! Nothing here is ever waited for by a note.

mod database;
mod event;
mod reflection;
mod session;

pub use database::{
    AuditEntry, BadDatabaseUrl, Database, DatabaseError, DatabaseUrl, ERASED, Erased, Inserted, Leadership, Migrated,
    Plan, PostgresUrl, Rejected, Retired, StoredReflection, digest_of,
};
pub use event::{Batch, Event, EventId, Kind, NoEventId, NotePlayed, SessionId};
pub use reflection::Reflection;
pub use session::SessionHead;
