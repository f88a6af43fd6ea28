//! The answers, as they are written: the JSON of a session's participation and analytics.
//!
//! Names end in their unit: `_s` seconds, `_ms` milliseconds, `_at_ms` ms since 1970 of cluster time, `_share` a
//! fraction from 0 to 1. Null says that there is nothing to say; it never stands for 0.

use serde::Serialize;

use super::equity::Formulas;
use crate::room::Code;

/// One session, all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionReport {
    pub session: SessionFacts,
    /// In order of their names. Whoever was here for a moment has a row.
    pub students: Vec<StudentRow>,
    /// In order of their names.
    pub teachers: Vec<TeacherRow>,
    pub analytics: Analytics,
}

/// Which session, from when to when, and how complete its record is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionFacts {
    pub session_id: String,
    /// The room's code; null where the session's id names none.
    pub room_id: Option<Code>,
    /// The room's name; empty where it had none.
    pub name: String,
    /// Who opened the room.
    pub teacher_id: Option<String>,
    pub opened_at_ms: i64,
    /// Null: it goes on, or nobody could record its end.
    pub closed_at_ms: Option<i64>,
    /// All times are counted up to here: its end, or the moment of this report. A room that was closed because nobody
    /// was there ended when the last person went; a session without an end that has been silent for six hours, with
    /// its last event.
    pub counted_until_at_ms: i64,
    /// From the opening to `counted_until_at_ms`.
    pub duration_s: f64,
    /// How many events this report is made of.
    pub events: u64,
    /// How many more are known to have been lost on their way: figures are too small by what these would have said.
    pub events_missing: u64,
}

/// What one student did in one session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudentRow {
    pub student_id: String,
    /// As the student last joined; the id where that was not recorded.
    pub name: String,
    /// In the room, however many connections there were at a time.
    pub attended_s: f64,
    /// In the room and muted, alone or with everybody.
    pub muted_s: f64,
    /// In the room and not muted, but a listener, or while a soloist was there who was somebody else.
    pub silent_by_role_s: f64,
    /// In the room and free to play: `attended_s` without `muted_s` and `silent_by_role_s`.
    pub could_play_s: f64,
    pub notes: u64,
    /// `notes` per minute of `could_play_s`; null where that is under a second.
    pub notes_per_minute: Option<f64>,
    /// Runs of notes of which none comes more than 5 s after the one before.
    pub turns: u64,
    /// Beats that came up at a place assigned to the student while the student could play, or that the student hit.
    pub assigned_beats: u64,
    /// Those of them that a note of the student fell nearest to.
    pub assigned_beats_hit: u64,
    /// `assigned_beats_hit / assigned_beats`
    pub assigned_beats_hit_share: Option<f64>,
    /// The median of how much later than the nearest beat the timed notes came; negative: earlier.
    pub offset_median_ms: Option<f64>,
    /// How many of the timed notes came at most 50 ms before or after the nearest beat.
    pub within_50_ms_share: Option<f64>,
    /// The notes that these two are about: those that were played while the clock ran, and whose time is certain to 10 ms.
    /// A note whose player's device did not say when it was played counts by its arrival, network delay included.
    pub notes_timed: u64,
    /// The other notes: the clock stood, or clocks were uncertain by more than 10 ms.
    pub notes_untimed: u64,
    pub hands_raised: u64,
    /// How often the student came back after having left.
    pub reconnects: u64,
    pub first_note_at_ms: Option<i64>,
    /// The roles that the student was given, in the order of the first time.
    pub roles: Vec<String>,
}

/// What one teacher did in one session: teachers are in no figure about students.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TeacherRow {
    pub teacher_id: String,
    pub name: String,
    pub attended_s: f64,
    pub notes: u64,
}

/// A session as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analytics {
    /// Of all students.
    pub notes: u64,
    pub tempo_history: Vec<TempoMark>,
    pub activity: Activity,
    /// Up to three windows of 10 s with the most notes of students, the busiest first; no two of them overlap.
    pub peaks: Vec<Peak>,
    /// In the order of `students`.
    pub share_of_voice: Vec<Voice>,
    /// How unequally the voices were shared, 0 (equally) to almost 1 (one voice alone), see `formulas`. Null with
    /// fewer than two students who could play, or without a note of theirs.
    pub gini: Option<f64>,
    /// How evenly the voices were shared, 0 (one voice alone) to 1 (equally), see `formulas`. Null as `gini` is.
    pub evenness: Option<f64>,
    /// The students that `gini` and `evenness` are about: those who could play for some time.
    pub students_compared: u64,
    /// Who could have played and did not, the one with the longest time first. Absent, muted and silenced time is no
    /// time to play.
    pub no_turn: Vec<NoTurn>,
    pub formulas: Formulas,
}

/// A tempo that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TempoMark {
    pub at_ms: i64,
    /// Beats a minute.
    pub bpm: u64,
    /// The length of the ramp that leads there; null where it came at once.
    pub ramp_beats: Option<u64>,
}

/// How much was played when, by students.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Activity {
    pub bucket_s: f64,
    /// All of them, from the opening on, also those in which nobody played.
    pub buckets: Vec<ActivityBucket>,
}

/// A stretch of time, from `at_ms` on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityBucket {
    pub at_ms: i64,
    pub notes: u64,
    /// How many different students played.
    pub students: u64,
}

/// The 10 s from `at_ms` on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peak {
    pub at_ms: i64,
    pub notes: u64,
}

/// One student's part of all notes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Voice {
    pub student_id: String,
    pub name: String,
    pub notes: u64,
    /// Of the notes of all students; null where nobody played.
    pub notes_share: Option<f64>,
}

/// A student who could have played and did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoTurn {
    pub student_id: String,
    pub name: String,
    pub could_play_s: f64,
}

/// `GET …/participation`: a report without its analytics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ParticipationView<'a> {
    pub session: &'a SessionFacts,
    pub students: &'a [StudentRow],
    pub teachers: &'a [TeacherRow],
}

/// `GET …/analytics`: the session as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AnalyticsView<'a> {
    pub session: &'a SessionFacts,
    #[serde(flatten)]
    pub analytics: &'a Analytics,
}

impl SessionReport {
    #[must_use]
    pub fn participation(&self) -> ParticipationView<'_> {
        ParticipationView { session: &self.session, students: &self.students, teachers: &self.teachers }
    }

    #[must_use]
    pub fn analytics(&self) -> AnalyticsView<'_> {
        AnalyticsView { session: &self.session, analytics: &self.analytics }
    }
}
