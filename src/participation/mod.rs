//! Who took part, and how it felt: what is recorded of a lesson, on which way, and what can be read of it afterwards.
//!
//! Nothing here is ever waited for by a note.

mod database;
mod desk;
mod event;
mod feed;
mod inserter;
mod journal;
mod journal_drain;
mod keeper;
mod losses;
mod receipt;
mod recorder;
mod reflection;
mod report;
mod retention;
mod session;
mod sink;
mod stream_drain;
mod stream_sink;
mod submission;

pub use database::{
    AuditEntry, BadDatabaseUrl, Database, DatabaseError, DatabaseUrl, ERASED, Erased, Inserted, Leadership, Migrated,
    Plan, PostgresUrl, Rejected, Retired, StoredReflection, TenantWrite, digest_of,
};
pub use desk::{
    AfterReflection, Desk, DeskError, Erasure, FILE_SESSIONS_MAX, OVERVIEW_SESSIONS_MAX, OfSession, OnTheWay,
    OnTheirWay, REFLECTIONS_A_MINUTE, SessionOfStudent, SessionPage, SessionReflections, SessionRow, StudentErased,
    StudentFile, TREND_SESSIONS_MAX,
};
pub use event::{Batch, Event, EventId, Kind, NoEventId, NotePlayed, SessionId};
pub use feed::Feed;
pub use inserter::Inserter;
pub use journal::{Chunk, Journal, JournalError, JournalFigures};
pub use journal_drain::{DrainFailed, JournalDrain};
pub use keeper::{InsertFailed, Keeper};
pub use receipt::Receipt;
pub use recorder::{IsRecorded, NotRecorded, Outcome, QUEUED_MAX, Recorder};
pub use reflection::Reflection;
pub use report::{
    Activity, ActivityBucket, Analytics, AnalyticsView, BadReportOptions, FORMULAS, Formulas, GroupMedians, NoTurn,
    ParticipationView, Peak, ReflectionCell, ReflectionRow, ReportOptions, SchoolOverview, SessionFacts, SessionFold,
    SessionReport, SessionSummary, StudentRow, StudentSummary, StudentTrend, TeacherRow, TempoMark, TrendPoint,
    TrendSlopes, Voice, WeekFigures, WeekRow, analytics_csv, evenness, gini, median, participation_csv, printable_page,
    reflections_csv, theil_sen_slope, trend_csv,
};
pub use retention::{RETENTION_DAYS, Retention};
pub use session::SessionHead;
pub use sink::{NotKept, Sink};
pub use stream_drain::{DrainError, StreamDrain};
pub use stream_sink::{STREAMED_MAX, StreamSink};
pub use submission::{Submission, SubmissionRefused, Writer};
