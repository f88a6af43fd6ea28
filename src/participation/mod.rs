//! Who took part, and how it felt: what is recorded of a lesson, on which way, and what can be read of it afterwards.
//!
//! Nothing here is ever waited for by a note.

mod event;
mod reflection;
mod report;
mod session;

pub use event::{Batch, Event, EventId, Kind, NoEventId, NotePlayed, SessionId};
pub use reflection::Reflection;
pub use report::{
    Activity, ActivityBucket, Analytics, AnalyticsView, BadReportOptions, FORMULAS, Formulas, NoTurn,
    ParticipationView, Peak, ReflectionRow, ReportOptions, SessionFacts, SessionFold, SessionReport, StudentRow,
    TeacherRow, TempoMark, Voice, analytics_csv, evenness, gini, median, participation_csv, reflections_csv,
    theil_sen_slope,
};
pub use session::SessionHead;
