//! Every statement, in one place: what runs is what [`super::Database::plans`] explains.
//!
//! `$1` is the tenant, where a statement is about one. Both databases read `$n`.

/// Names statements, and lists them for whoever explains them.
macro_rules! statements {
    ($list:ident: $($(#[$about:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$about])* pub const $name: &str = $text;)*
        pub const $list: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! event_columns {
    () => {
        "session_id, event_id, kind, student_id, actor_id, at_us, run, beat_ub, midi, velocity, offset_us, \
         uncertainty_us, assigned, details"
    };
}

macro_rules! session_columns {
    () => {
        "s.session_id, s.name, s.teacher_id, s.opened_at_us, s.closed_at_us, s.last_event_at_us"
    };
}

macro_rules! reflection_columns {
    () => {
        "reflection_id, session_id, student_id, author_id, reflection_type, competency, mood, reflection_text, \
         metadata, submitted_at_us, updated_at_us"
    };
}

macro_rules! tenant_columns {
    () => {
        "id, change, settings, secrets, deleted, updated_at_us"
    };
}

/// What a session's row becomes when more of its events arrive, in whatever order and however often they do.
macro_rules! session_grows {
    () => {
        " ON CONFLICT (tenant, session_id) DO UPDATE SET \
         name = CASE WHEN excluded.named_at_us > s.named_at_us THEN excluded.name ELSE s.name END, \
         named_at_us = CASE WHEN excluded.named_at_us > s.named_at_us THEN excluded.named_at_us ELSE s.named_at_us END, \
         teacher_id = COALESCE(s.teacher_id, excluded.teacher_id), \
         closed_at_us = COALESCE(s.closed_at_us, excluded.closed_at_us), \
         last_event_at_us = CASE WHEN excluded.last_event_at_us > s.last_event_at_us \
         THEN excluded.last_event_at_us ELSE s.last_event_at_us END \
         WHERE excluded.last_event_at_us > s.last_event_at_us OR excluded.named_at_us > s.named_at_us \
         OR (s.teacher_id IS NULL AND excluded.teacher_id IS NOT NULL) \
         OR (s.closed_at_us IS NULL AND excluded.closed_at_us IS NOT NULL)"
    };
}

/// Rows that the index `participation_events_mentions` holds: the planner takes it where a query says just this.
macro_rules! may_mention {
    () => {
        "(actor_id IS NOT NULL OR details IS NOT NULL)"
    };
}

/// Events of one student: those of the student in the sessions where they were. Each database takes the primary key for
/// it in its own way of saying so.
macro_rules! of_student {
    ($one_of:literal) => {
        concat!(
            "tenant = $1 AND student_id = $2 AND session_id ",
            $one_of,
            "(SELECT session_id FROM session_students WHERE tenant = $1 AND student_id = $2)"
        )
    };
}

macro_rules! events_of_student {
    ($of_student:expr, $end:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM participation_events WHERE ",
            $of_student,
            $end,
            " ORDER BY session_id, event_id"
        )
    };
}

/// These two have a hint between them and their conditions, in SQLite: without statistics, which nobody makes for it,
/// it would take the primary key for anything about a tenant, and read all of it.
macro_rules! erase_actor {
    ($hint:literal) => {
        concat!(
            "UPDATE participation_events ",
            $hint,
            "SET actor_id = $3 WHERE tenant = $1 AND ",
            may_mention!(),
            " \
            AND actor_id = $2"
        )
    };
}

macro_rules! mentions {
    ($hint:literal, $position:literal) => {
        concat!(
            "SELECT session_id, event_id, details FROM participation_events ",
            $hint,
            "WHERE tenant = $1 \
            AND ",
            may_mention!(),
            " AND ",
            $position,
            "(details, $2) > 0"
        )
    };
}

/// The head of both databases' insertion of events; SQLite's rows are added by [`super::bulk`].
macro_rules! insert_events {
    () => {
        concat!("INSERT INTO participation_events (tenant, ", event_columns!(), ") ")
    };
}

macro_rules! insert_attendance {
    () => {
        "INSERT INTO session_students (tenant, student_id, session_id) "
    };
}

macro_rules! insert_sessions {
    () => {
        "INSERT INTO room_sessions AS s (tenant, session_id, name, named_at_us, teacher_id, opened_at_us, \
         closed_at_us, last_event_at_us) "
    };
}

/// Without rows; [`UNLESS_THERE`] ends it.
pub const INSERT_EVENTS_HEAD: &str = concat!(insert_events!(), "VALUES ");
pub const INSERT_ATTENDANCE_HEAD: &str = concat!(insert_attendance!(), "VALUES ");
pub const UNLESS_THERE: &str = " ON CONFLICT DO NOTHING";

statements! { SHARED:
    REACHABLE = "SELECT 1";
    MIGRATIONS = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

    TOMBSTONES = "SELECT salt, digest, erased_at_us FROM erasures WHERE tenant = $1 AND erased_at_us >= $2";
    BURY = "INSERT INTO erasures (tenant, salt, digest, erased_at_us) VALUES ($1, $2, $3, $4)";

    SESSION = concat!("SELECT ", session_columns!(), " FROM room_sessions s WHERE tenant = $1 AND session_id = $2");
    SESSIONS_OF_ROOM = concat!("SELECT ", session_columns!(), " FROM room_sessions s \
        WHERE tenant = $1 AND session_id >= $2 AND session_id < $3 ORDER BY session_id DESC LIMIT $4");
    SESSIONS = concat!("SELECT ", session_columns!(), " FROM room_sessions s \
        WHERE tenant = $1 AND opened_at_us >= $2 AND opened_at_us < $3 ORDER BY opened_at_us DESC LIMIT $4");
    /// SQLite joins in the order that CROSS JOIN says: from these few.
    SESSIONS_OF_STUDENT = concat!("SELECT ", session_columns!(), " FROM session_students a CROSS JOIN room_sessions s \
        WHERE a.tenant = $1 AND a.student_id = $2 AND s.tenant = $1 AND s.session_id = a.session_id \
        ORDER BY s.opened_at_us");
    TENANTS = "SELECT DISTINCT tenant FROM room_sessions UNION SELECT DISTINCT tenant FROM student_reflections \
        ORDER BY 1";

    SESSION_EVENTS = concat!("SELECT ", event_columns!(), " FROM participation_events \
        WHERE tenant = $1 AND session_id = $2 ORDER BY event_id");

    REFLECTIONS = concat!("SELECT ", reflection_columns!(), " FROM student_reflections \
        WHERE tenant = $1 AND session_id = $2 AND NOT withdrawn ORDER BY submitted_at_us, reflection_id");
    REFLECTIONS_PAGE = concat!("SELECT ", reflection_columns!(), " FROM student_reflections \
        WHERE tenant = $1 AND session_id = $2 AND NOT withdrawn AND (submitted_at_us, reflection_id) > ($3, $4) \
        ORDER BY submitted_at_us, reflection_id LIMIT $5");
    REFLECTIONS_OF_STUDENT_IN = concat!("SELECT ", reflection_columns!(), " FROM student_reflections \
        WHERE tenant = $1 AND student_id = $2 AND session_id = $3 AND NOT withdrawn \
        ORDER BY submitted_at_us, reflection_id");
    REFLECTION = concat!("SELECT ", reflection_columns!(), " FROM student_reflections \
        WHERE tenant = $1 AND reflection_id = $2 AND NOT withdrawn");
    IS_WITHDRAWN = "SELECT COUNT(*) FROM student_reflections WHERE tenant = $1 AND reflection_id = $2 AND withdrawn";
    REFLECTIONS_OF_STUDENT = concat!("SELECT ", reflection_columns!(), " FROM student_reflections \
        WHERE tenant = $1 AND student_id = $2 AND NOT withdrawn ORDER BY submitted_at_us, reflection_id");
    /// An edit counts if it is the same student's in the same session, and newer; nothing follows a withdrawal.
    KEEP_REFLECTION = concat!("INSERT INTO student_reflections AS r (tenant, ", reflection_columns!(), ", withdrawn) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, FALSE) \
        ON CONFLICT (tenant, reflection_id) DO UPDATE SET author_id = excluded.author_id, \
        reflection_type = excluded.reflection_type, competency = excluded.competency, mood = excluded.mood, \
        reflection_text = excluded.reflection_text, metadata = excluded.metadata, \
        updated_at_us = excluded.updated_at_us \
        WHERE r.student_id = excluded.student_id AND r.session_id = excluded.session_id AND NOT r.withdrawn \
        AND excluded.updated_at_us > r.updated_at_us");
    /// Its first version came after a later one.
    REFLECTION_BEGAN = "UPDATE student_reflections SET submitted_at_us = $5 WHERE tenant = $1 AND reflection_id = $2 \
        AND session_id = $3 AND student_id = $4 AND submitted_at_us > $5";
    /// Leaves a row without content, so that a version which comes late changes nothing.
    WITHDRAW_REFLECTION = "INSERT INTO student_reflections AS r (tenant, reflection_id, session_id, student_id, \
        author_id, submitted_at_us, updated_at_us, withdrawn) VALUES ($1, $2, $3, $4, $4, $5, $5, TRUE) \
        ON CONFLICT (tenant, reflection_id) DO UPDATE SET author_id = excluded.author_id, reflection_type = NULL, \
        competency = NULL, mood = NULL, reflection_text = NULL, metadata = NULL, \
        updated_at_us = excluded.updated_at_us, withdrawn = TRUE \
        WHERE r.student_id = excluded.student_id AND r.session_id = excluded.session_id AND NOT r.withdrawn";

    AUDIT = "INSERT INTO audit_log (tenant, at_us, actor, action, subject, details) VALUES ($1, $2, $3, $4, $5, $6)";
    AUDIT_ENTRIES = "SELECT at_us, actor, action, subject, details FROM audit_log WHERE tenant = $1 \
        ORDER BY entry_id DESC LIMIT $2";

    ERASE_REFLECTIONS = "DELETE FROM student_reflections WHERE tenant = $1 AND student_id = $2";
    ERASE_DETAILS = "UPDATE participation_events SET details = $4 WHERE tenant = $1 AND session_id = $2 \
        AND event_id = $3";
    ERASE_TEACHER = "UPDATE room_sessions SET teacher_id = NULL WHERE tenant = $1 AND teacher_id = $2";
    ERASE_AUTHOR = "UPDATE student_reflections SET author_id = $3 WHERE tenant = $1 AND author_id = $2";
    ERASE_AUDIT_ACTOR = "UPDATE audit_log SET actor = $3 WHERE tenant = $1 AND actor = $2";

    ERASE_ATTENDANCE = "DELETE FROM session_students WHERE tenant = $1 AND student_id = $2";

    ERASE_ALL_EVENTS = "DELETE FROM participation_events WHERE tenant = $1";
    ERASE_ALL_ATTENDANCE = "DELETE FROM session_students WHERE tenant = $1";
    ERASE_ALL_REFLECTIONS = "DELETE FROM student_reflections WHERE tenant = $1";
    ERASE_ALL_SESSIONS = "DELETE FROM room_sessions WHERE tenant = $1";
    ERASE_ALL_AUDIT = "DELETE FROM audit_log WHERE tenant = $1";
    ERASE_ALL_TOMBSTONES = "DELETE FROM erasures WHERE tenant = $1";

    /// Sessions which may hold what is too old.
    OLD_SESSIONS = "SELECT session_id FROM room_sessions WHERE tenant = $1 AND opened_at_us < $2 \
        ORDER BY opened_at_us, session_id";
    /// `$4` bounds the search by the ids, `$3` decides.
    RETIRE_EVENTS = "DELETE FROM participation_events WHERE tenant = $1 AND session_id = $2 AND event_id IN (\
        SELECT event_id FROM participation_events WHERE tenant = $1 AND session_id = $2 AND event_id < $4 \
        AND at_us < $3 ORDER BY event_id LIMIT $5)";
    RETIRE_REFLECTIONS = "DELETE FROM student_reflections WHERE tenant = $1 AND session_id = $2 AND updated_at_us < $3";
    /// Nothing of it is younger than its last event.
    RETIRE_SESSION = "DELETE FROM room_sessions WHERE tenant = $1 AND session_id = $2 AND last_event_at_us < $3";
    RETIRE_ATTENDANCE = "DELETE FROM session_students WHERE tenant = $1 AND session_id = $2";
    RETIRE_AUDIT = "DELETE FROM audit_log WHERE at_us < $1";
    RETIRE_TOMBSTONES = "DELETE FROM erasures WHERE erased_at_us < $1";

    TENANT = concat!("SELECT ", tenant_columns!(), " FROM tenants WHERE id = $1");
    TENANTS_CHANGED = concat!("SELECT ", tenant_columns!(), " FROM tenants WHERE change > $1 ORDER BY change");
    LAST_TENANT_CHANGE = "SELECT MAX(change) FROM tenants";
    PUT_TENANT = concat!("INSERT INTO tenants (", tenant_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO UPDATE SET change = excluded.change, settings = excluded.settings, \
        secrets = excluded.secrets, deleted = excluded.deleted, updated_at_us = excluded.updated_at_us");
}

statements! { POSTGRES:
    /// Until the transaction ends.
    PG_SHARE = "SELECT pg_advisory_xact_lock_shared($1)";
    PG_EXCLUDE = "SELECT pg_advisory_xact_lock($1)";
    PG_LEAD = "SELECT pg_try_advisory_lock($1)";
    /// Erasing a tenant of ten million events takes its time.
    PG_PATIENCE = "SET LOCAL statement_timeout = '15min'";
    PG_INSERT_EVENTS = concat!(insert_events!(), "SELECT $1, e.* FROM UNNEST($2::text[], $3::bytea[], $4::text[], \
        $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::smallint[], $11::smallint[], \
        $12::integer[], $13::integer[], $14::boolean[], $15::text[]) AS e ON CONFLICT DO NOTHING");
    PG_GROW_SESSIONS = concat!(insert_sessions!(), "SELECT $1, e.* FROM UNNEST($2::text[], $3::text[], $4::bigint[], \
        $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) AS e", session_grows!());
    PG_INSERT_ATTENDANCE = concat!(insert_attendance!(), "SELECT $1, a.* FROM UNNEST($2::text[], $3::text[]) AS a \
        ON CONFLICT DO NOTHING");
    PG_EVENTS_OF_STUDENT = events_of_student!(of_student!("= ANY (ARRAY"), ")");
    PG_ERASE_EVENTS = concat!("DELETE FROM participation_events WHERE ", of_student!("= ANY (ARRAY"), ")");
    PG_ERASE_ACTOR = erase_actor!("");
    PG_MENTIONS = mentions!("", "strpos");
}

statements! { SQLITE:
    LITE_GROW_SESSION = concat!(insert_sessions!(), "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", session_grows!());
    LITE_EVENTS_OF_STUDENT = events_of_student!(of_student!("IN "), "");
    LITE_ERASE_EVENTS = concat!("DELETE FROM participation_events WHERE ", of_student!("IN "));
    LITE_ERASE_ACTOR = erase_actor!("INDEXED BY participation_events_mentions ");
    LITE_MENTIONS = mentions!("INDEXED BY participation_events_mentions ", "instr");
    /// What was overwritten leaves the journal, too.
    LITE_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";
}
