//! The JSON of reports, described for the OpenAPI document.
#![expect(dead_code, reason = "these types describe; the reports are made in `participation::report`")]

use utoipa::ToSchema;

/// Who took part in a session.
#[derive(ToSchema)]
pub(super) struct Participation {
    session: SessionFacts,
    /// In order of their names. Whoever was there for a moment has a row.
    students: Vec<StudentRow>,
    /// In order of their names; teachers are in no figure about students.
    teachers: Vec<TeacherRow>,
    /// Events of this session that are known to be lost: figures are too small by what these would have said.
    events_missing: u64,
    /// Events of the school that are on their way and not in this answer yet; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// Which session, from when to when, and how complete its record is.
#[derive(ToSchema)]
pub(super) struct SessionFacts {
    #[schema(example = "MUSIC-1234.643f1c2a5b9d0")]
    session_id: String,
    #[schema(example = "MUSIC-1234")]
    room_id: Option<String>,
    /// The room's name; empty where it had none.
    name: String,
    /// Who opened the room.
    teacher_id: Option<String>,
    /// Milliseconds since 1970.
    opened_at_ms: i64,
    /// Null: it goes on, or nobody could record its end.
    closed_at_ms: Option<i64>,
    /// All times are counted up to here: the end, or the moment of the report.
    counted_until_at_ms: i64,
    duration_s: f64,
    /// How many events the report is made of.
    events: u64,
    /// How many more are known to be lost.
    events_missing: u64,
}

/// What one student did in one session. Null says that there is nothing to say; it never stands for 0.
#[derive(ToSchema)]
pub(super) struct StudentRow {
    #[schema(example = "ada")]
    student_id: String,
    /// As the student last joined.
    name: String,
    /// Time in the room, however many connections there were at a time.
    attended_s: f64,
    /// Of that: muted.
    muted_s: f64,
    /// Of that: not muted, but a listener, or while a soloist was there who was somebody else.
    silent_by_role_s: f64,
    /// Of that: free to play.
    could_play_s: f64,
    notes: u64,
    /// Per minute of `could_play_s`.
    notes_per_minute: Option<f64>,
    /// Runs of notes of which none comes more than 5 s after the one before.
    turns: u64,
    /// Beats that came up at a place that was assigned to the student.
    assigned_beats: u64,
    assigned_beats_hit: u64,
    assigned_beats_hit_share: Option<f64>,
    /// The median of how much later than the nearest beat the timed notes came; negative: earlier.
    #[schema(example = -12.4)]
    offset_median_ms: Option<f64>,
    /// How many of the timed notes came at most 50 ms before or after the nearest beat.
    within_50_ms_share: Option<f64>,
    notes_timed: u64,
    /// The clock stood, or clocks were uncertain by more than 10 ms.
    notes_untimed: u64,
    hands_raised: u64,
    reconnects: u64,
    first_note_at_ms: Option<i64>,
    roles: Vec<String>,
}

/// What one teacher did in one session.
#[derive(ToSchema)]
pub(super) struct TeacherRow {
    teacher_id: String,
    name: String,
    attended_s: f64,
    notes: u64,
}

/// A session as a whole.
#[derive(ToSchema)]
pub(super) struct Analytics {
    session: SessionFacts,
    /// Of all students.
    notes: u64,
    tempo_history: Vec<TempoMark>,
    activity: Activity,
    /// Up to three windows of 10 s with the most notes, the busiest first.
    peaks: Vec<Peak>,
    share_of_voice: Vec<Voice>,
    /// How unequally the voices were shared, from 0 (equally) to almost 1; see `formulas`.
    gini: Option<f64>,
    /// How evenly the voices were shared (normalised entropy), from 0 to 1 (equally); see `formulas`.
    evenness: Option<f64>,
    /// The students that these two are about.
    students_compared: u64,
    /// Who could have played and did not; absent, muted and silenced time is no time to play.
    no_turn: Vec<NoTurn>,
    formulas: Formulas,
    /// Events of this session that are known to be lost.
    events_missing: u64,
    /// Events of the school that are on their way and not in this answer yet; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// A tempo that was asked for.
#[derive(ToSchema)]
pub(super) struct TempoMark {
    at_ms: i64,
    bpm: u64,
    /// The length of the ramp that leads there.
    ramp_beats: Option<u64>,
}

/// How much was played when, by students.
#[derive(ToSchema)]
pub(super) struct Activity {
    bucket_s: f64,
    buckets: Vec<ActivityBucket>,
}

/// A stretch of time, from `at_ms` on.
#[derive(ToSchema)]
pub(super) struct ActivityBucket {
    at_ms: i64,
    notes: u64,
    /// How many different students played.
    students: u64,
}

/// The 10 s from `at_ms` on.
#[derive(ToSchema)]
pub(super) struct Peak {
    at_ms: i64,
    notes: u64,
}

/// One student's part of all notes.
#[derive(ToSchema)]
pub(super) struct Voice {
    student_id: String,
    name: String,
    notes: u64,
    notes_share: Option<f64>,
}

/// A student who could have played and did not.
#[derive(ToSchema)]
pub(super) struct NoTurn {
    student_id: String,
    name: String,
    could_play_s: f64,
}

/// What the figures are, in words and signs.
#[derive(ToSchema)]
pub(super) struct Formulas {
    x: String,
    gini: String,
    evenness: String,
}

/// A page of sessions, the newest first.
#[derive(ToSchema)]
pub(super) struct SessionPage {
    sessions: Vec<SessionRow>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
    /// Events of the school that are on their way; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// A session in a list.
#[derive(ToSchema)]
pub(super) struct SessionRow {
    #[schema(example = "MUSIC-1234.643f1c2a5b9d0")]
    session_id: String,
    #[schema(example = "MUSIC-1234")]
    room_id: Option<String>,
    name: String,
    teacher_id: Option<String>,
    opened_at_ms: i64,
    closed_at_ms: Option<i64>,
    last_event_at_ms: i64,
}

/// A school by week.
#[derive(ToSchema)]
pub(super) struct Overview {
    /// Those that are over and had a session, the earliest first.
    weeks: Vec<Week>,
    /// Of the weeks that are told.
    total: Total,
    reflections: Vec<ReflectionCell>,
    /// Events of the school that are on their way; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// One week.
#[derive(ToSchema)]
pub(super) struct Week {
    /// Its Monday; weeks begin at 0:00 UTC.
    #[schema(example = "2025-11-17")]
    week_of: String,
    sessions: u64,
    students: Option<u64>,
    notes_per_student_minute: Option<f64>,
    evenness_median: Option<f64>,
    /// Fewer than five students: nothing is said of them.
    suppressed: bool,
}

/// The weeks together.
#[derive(ToSchema)]
pub(super) struct Total {
    sessions: u64,
    students: Option<u64>,
    notes_per_student_minute: Option<f64>,
    evenness_median: Option<f64>,
    suppressed: bool,
}

/// The reflections of one type about one competency.
#[derive(ToSchema)]
pub(super) struct ReflectionCell {
    #[schema(example = "exit_ticket")]
    reflection_type: String,
    /// Null: about none in particular.
    competency: Option<String>,
    reflections: Option<u64>,
    students: Option<u64>,
    /// How many chose mood 1, 2, 3, 4 and 5.
    moods: Vec<Option<u64>>,
    /// Not everything is said, because a group is too small.
    suppressed: bool,
}

/// How one person's figures went.
#[derive(ToSchema)]
pub(super) struct Trend {
    student_id: String,
    sessions: Vec<TrendPoint>,
    slopes: TrendSlopes,
    /// How the slopes are computed.
    formula: String,
    /// Events of the school that are on their way; null: nobody knows just now.
    events_waiting: Option<u64>,
}

/// One session of a person; figures as in `StudentRow`.
#[derive(ToSchema)]
pub(super) struct TrendPoint {
    session_id: String,
    opened_at_ms: i64,
    attended_s: f64,
    could_play_s: f64,
    notes: u64,
    notes_per_minute: Option<f64>,
    notes_share: Option<f64>,
    turns: u64,
    offset_median_ms: Option<f64>,
    within_50_ms_share: Option<f64>,
    assigned_beats_hit_share: Option<f64>,
    group: GroupMedians,
}

/// The medians of the others; null of fewer than five of them.
#[derive(ToSchema)]
pub(super) struct GroupMedians {
    notes_per_minute: Option<f64>,
    notes_share: Option<f64>,
    offset_median_ms: Option<f64>,
    within_50_ms_share: Option<f64>,
    assigned_beats_hit_share: Option<f64>,
    suppressed: bool,
}

/// By how much a figure grew from session to session; null with fewer than three.
#[derive(ToSchema)]
pub(super) struct TrendSlopes {
    attended_s_per_session: Option<f64>,
    notes_per_minute_per_session: Option<f64>,
    notes_share_per_session: Option<f64>,
    offset_median_ms_per_session: Option<f64>,
    within_50_ms_share_per_session: Option<f64>,
    assigned_beats_hit_share_per_session: Option<f64>,
}
