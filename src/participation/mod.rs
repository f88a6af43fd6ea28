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
    Activity, ActivityBucket, Analytics, AnalyticsView, BadReportOptions, FORMULAS, Formulas, GroupMedians, NoTurn,
    ParticipationView, Peak, ReflectionCell, ReflectionRow, ReportOptions, SchoolOverview, SessionFacts, SessionFold,
    SessionReport, SessionSummary, StudentRow, StudentSummary, StudentTrend, TeacherRow, TempoMark, TrendPoint,
    TrendSlopes, Voice, WeekFigures, WeekRow, analytics_csv, evenness, gini, median, participation_csv, printable_page,
    reflections_csv, theil_sen_slope, trend_csv,
};
pub use session::SessionHead;
