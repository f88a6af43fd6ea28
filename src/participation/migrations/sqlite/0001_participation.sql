-- Who took part, and how it felt. Times are microseconds since 1970. The same tables and columns as in PostgreSQL.

CREATE TABLE room_sessions (
    opened_at_us     BIGINT NOT NULL,
    last_event_at_us BIGINT NOT NULL,
    closed_at_us     BIGINT,
    -- When `name` was given; 0: never.
    named_at_us      BIGINT NOT NULL,
    tenant           TEXT NOT NULL,
    session_id       TEXT NOT NULL,
    teacher_id       TEXT,
    name             TEXT NOT NULL,
    PRIMARY KEY (tenant, session_id)
) WITHOUT ROWID;

CREATE INDEX room_sessions_opened ON room_sessions (tenant, opened_at_us);

CREATE TABLE participation_events (
    at_us          BIGINT NOT NULL,
    run            BIGINT NOT NULL,
    beat_ub        BIGINT,
    offset_us      INTEGER,
    uncertainty_us INTEGER,
    midi           SMALLINT,
    velocity       SMALLINT,
    assigned       BOOLEAN,
    event_id       BLOB NOT NULL,
    tenant         TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    kind           TEXT NOT NULL,
    student_id     TEXT,
    actor_id       TEXT,
    -- JSON.
    details        TEXT,
    -- Every session's report.
    PRIMARY KEY (tenant, session_id, event_id)
) WITHOUT ROWID;

-- Of whom a session has events: the way from a student to their sessions, for export, trend and erasure. An index of the
-- events by student would cost each note as much again as its row.
CREATE TABLE session_students (
    tenant     TEXT NOT NULL,
    student_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    PRIMARY KEY (tenant, student_id, session_id)
) WITHOUT ROWID;

CREATE INDEX session_students_session ON session_students (tenant, session_id);

-- What may name somebody besides the student, for erasure. No note is in it.
CREATE INDEX participation_events_mentions ON participation_events (tenant, session_id)
    WHERE actor_id IS NOT NULL OR details IS NOT NULL;

CREATE TABLE student_reflections (
    submitted_at_us BIGINT NOT NULL,
    updated_at_us   BIGINT NOT NULL,
    mood            SMALLINT,
    withdrawn       BOOLEAN NOT NULL,
    tenant          TEXT NOT NULL,
    reflection_id   TEXT NOT NULL,
    session_id      TEXT NOT NULL,
    student_id      TEXT NOT NULL,
    author_id       TEXT NOT NULL,
    reflection_type TEXT,
    competency      TEXT,
    reflection_text TEXT,
    -- JSON.
    metadata        TEXT,
    PRIMARY KEY (tenant, reflection_id)
) WITHOUT ROWID;

CREATE INDEX student_reflections_session ON student_reflections (tenant, session_id);
CREATE INDEX student_reflections_student ON student_reflections (tenant, student_id);

CREATE TABLE audit_log (
    entry_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us    BIGINT NOT NULL,
    tenant   TEXT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    -- The salted SHA-256 of whom it was about.
    subject  BLOB,
    -- JSON.
    details  TEXT NOT NULL
);

CREATE INDEX audit_log_tenant ON audit_log (tenant, entry_id);

-- Tombstones: what is still on its way and was about somebody before this moment is dropped when it arrives.
CREATE TABLE erasures (
    erased_at_us BIGINT NOT NULL,
    tenant       TEXT NOT NULL,
    salt         BLOB NOT NULL,
    -- SHA-256 of the salt and the student's id; none: the whole tenant.
    digest       BLOB
);

CREATE INDEX erasures_tenant ON erasures (tenant, erased_at_us);
