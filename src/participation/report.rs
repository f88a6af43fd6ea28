//! What can be read of a lesson afterwards: figures of who took part, how the voices were shared, how it changes.
//!
//! Pure: events go in, plain data comes out, as JSON, as a sheet or as a page to print. No figure here is a score of
//! a person, and none says what somebody felt.
//!
//! Where to look: `fold.rs` takes the events of one session, `person.rs` what they say of one person, `beats.rs` which
//! assigned beats came up, `activity.rs` when it was busy, `equity.rs` how the voices were shared; `figures.rs` are
//! the answers, `sheets.rs` writes them as CSV, `page.rs` as a page to print. From many reports' summaries
//! (`summary.rs`) come one student's trend (`trend.rs`) and a school's overview (`school.rs`).

mod activity;
mod beats;
mod cell;
mod dates;
mod equity;
mod figures;
mod fold;
mod options;
mod page;
mod person;
mod school;
mod sheets;
mod statistics;
mod summary;
mod trend;

pub use equity::{FORMULAS, Formulas, evenness, gini};
pub use figures::{
    Activity, ActivityBucket, Analytics, AnalyticsView, NoTurn, ParticipationView, Peak, SessionFacts, SessionReport,
    StudentRow, TeacherRow, TempoMark, Voice,
};
pub use fold::SessionFold;
pub use options::{BadReportOptions, ReportOptions};
pub use page::printable_page;
pub use school::{ReflectionCell, SchoolOverview, WeekFigures, WeekRow};
pub use sheets::{ReflectionRow, analytics_csv, participation_csv, reflections_csv, trend_csv};
pub use statistics::{median, theil_sen_slope};
pub use summary::{SessionSummary, StudentSummary};
pub use trend::{GroupMedians, StudentTrend, TrendPoint, TrendSlopes};
