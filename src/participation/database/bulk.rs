//! Many rows with few statements.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use sqlx::{PgConnection, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{
    DatabaseError,
    attendance::Attended,
    on::{On, Write},
    row::{EventRow, SessionRow},
    sql,
};
use crate::participation::Event;

/// Inserts those that are not there, and says how many these were.
pub async fn insert_events(write: &mut Write, tenant: &str, events: &[Cow<'_, Event>]) -> Result<usize, DatabaseError> {
    let rows: Vec<EventRow> = events.iter().map(|event| EventRow::of(event)).collect();
    let new = match write {
        On::Sqlite(transaction) => lite_events(transaction, tenant, rows).await?,
        On::Postgres(transaction) => postgres_events(transaction, tenant, rows).await?,
    };
    Ok(usize::try_from(new).unwrap_or(usize::MAX))
}

/// Notes who was where, of whom it is not known yet.
pub async fn insert_attendance(
    write: &mut Write,
    tenant: &str,
    attendance: &BTreeSet<Attended<'_>>,
) -> Result<(), DatabaseError> {
    if attendance.is_empty() {
        return Ok(());
    }
    match write {
        On::Sqlite(transaction) => lite_attendance(transaction, tenant, attendance).await?,
        On::Postgres(transaction) => {
            let (students, sessions): (Vec<&str>, Vec<&str>) = attendance.iter().copied().unzip();
            let insertion = sqlx::query(sql::PG_INSERT_ATTENDANCE).bind(tenant).bind(students).bind(sessions);
            insertion.execute(&mut **transaction).await?;
        }
    }
    Ok(())
}

/// Writes what a batch says of its sessions over what is known of them.
pub async fn grow_sessions(
    write: &mut Write,
    tenant: &str,
    sessions: &BTreeMap<&str, SessionRow>,
) -> Result<(), DatabaseError> {
    match write {
        On::Sqlite(transaction) => lite_sessions(transaction, tenant, sessions).await,
        On::Postgres(transaction) => postgres_sessions(transaction, tenant, sessions).await,
    }
}

/// One array for each column, in PostgreSQL's binary form: the statement is the same for any number of rows.
async fn postgres_events(
    connection: &mut PgConnection,
    tenant: &str,
    rows: Vec<EventRow<'_>>,
) -> Result<u64, sqlx::Error> {
    fn column<'a, T>(rows: &'a [EventRow<'a>], of: impl Fn(&'a EventRow<'a>) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let inserted = sqlx::query(sql::PG_INSERT_EVENTS)
        .bind(tenant)
        .bind(column(&rows, |row| row.session_id))
        .bind(column(&rows, |row| &row.event_id[..]))
        .bind(column(&rows, |row| row.kind))
        .bind(column(&rows, |row| row.student_id))
        .bind(column(&rows, |row| row.actor_id))
        .bind(column(&rows, |row| row.at_us))
        .bind(column(&rows, |row| row.run))
        .bind(column(&rows, |row| row.beat_ub))
        .bind(column(&rows, |row| row.midi))
        .bind(column(&rows, |row| row.velocity))
        .bind(column(&rows, |row| row.offset_us))
        .bind(column(&rows, |row| row.uncertainty_us))
        .bind(column(&rows, |row| row.assigned))
        .bind(column(&rows, |row| row.details.as_deref()));
    Ok(inserted.execute(connection).await?.rows_affected())
}

async fn postgres_sessions(
    connection: &mut PgConnection,
    tenant: &str,
    sessions: &BTreeMap<&str, SessionRow>,
) -> Result<(), DatabaseError> {
    fn column<'a, T>(sessions: &'a BTreeMap<&'a str, SessionRow>, of: impl Fn(&'a SessionRow) -> T) -> Vec<T> {
        sessions.values().map(of).collect()
    }
    let grown = sqlx::query(sql::PG_GROW_SESSIONS)
        .bind(tenant)
        .bind(sessions.keys().copied().collect::<Vec<&str>>())
        .bind(column(sessions, |row| row.name.as_str()))
        .bind(column(sessions, |row| row.named_at_us))
        .bind(column(sessions, |row| row.teacher_id.as_deref()))
        .bind(column(sessions, |row| row.opened_at_us))
        .bind(column(sessions, |row| row.closed_at_us))
        .bind(column(sessions, |row| row.last_event_at_us));
    grown.execute(connection).await?;
    Ok(())
}

/// Rows of one SQLite statement. Few kinds, so that each is prepared once; the most is far from the limit on parameters.
const LITE_ROWS: [usize; 3] = [64, 8, 1];

static LITE_EVENTS: LazyLock<[String; 3]> =
    LazyLock::new(|| LITE_ROWS.map(|rows| lite_insertion(sql::INSERT_EVENTS_HEAD, 15, rows)));
static LITE_ATTENDANCE: LazyLock<[String; 3]> =
    LazyLock::new(|| LITE_ROWS.map(|rows| lite_insertion(sql::INSERT_ATTENDANCE_HEAD, 3, rows)));

/// The statements that insert one row, to be explained.
pub fn lite_insertions_of_one() -> [(&'static str, &'static str); 2] {
    [("LITE_INSERT_EVENTS", LITE_EVENTS[2].as_str()), ("LITE_INSERT_ATTENDANCE", LITE_ATTENDANCE[2].as_str())]
}

fn lite_insertion(head: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{head}{}{}", vec![row; rows].join(","), sql::UNLESS_THERE)
}

async fn lite_events(
    connection: &mut SqliteConnection,
    tenant: &str,
    rows: Vec<EventRow<'_>>,
) -> Result<u64, sqlx::Error> {
    let mut new = 0;
    let mut rows = rows.into_iter();
    for (count, statement) in LITE_ROWS.into_iter().zip(&*LITE_EVENTS) {
        while rows.len() >= count {
            let insertion = sqlx::query(statement.as_str());
            let insertion =
                rows.by_ref().take(count).fold(insertion, |insertion, row| lite_row(insertion, tenant, row));
            new += insertion.execute(&mut *connection).await?.rows_affected();
        }
    }
    Ok(new)
}

fn lite_row<'q>(
    insertion: Query<'q, Sqlite, SqliteArguments>,
    tenant: &str,
    row: EventRow<'_>,
) -> Query<'q, Sqlite, SqliteArguments> {
    insertion
        .bind(tenant.to_owned())
        .bind(row.session_id.to_owned())
        .bind(row.event_id.to_vec())
        .bind(row.kind.to_owned())
        .bind(row.student_id.map(str::to_owned))
        .bind(row.actor_id.map(str::to_owned))
        .bind(row.at_us)
        .bind(row.run)
        .bind(row.beat_ub)
        .bind(row.midi)
        .bind(row.velocity)
        .bind(row.offset_us)
        .bind(row.uncertainty_us)
        .bind(row.assigned)
        .bind(row.details)
}

async fn lite_attendance(
    connection: &mut SqliteConnection,
    tenant: &str,
    attendance: &BTreeSet<Attended<'_>>,
) -> Result<(), sqlx::Error> {
    let mut left = attendance.iter();
    for (count, statement) in LITE_ROWS.into_iter().zip(&*LITE_ATTENDANCE) {
        while left.len() >= count {
            let insertion =
                left.by_ref().take(count).fold(sqlx::query(statement.as_str()), |insertion, (student, session)| {
                    insertion.bind(tenant.to_owned()).bind((*student).to_owned()).bind((*session).to_owned())
                });
            insertion.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn lite_sessions(
    connection: &mut SqliteConnection,
    tenant: &str,
    sessions: &BTreeMap<&str, SessionRow>,
) -> Result<(), DatabaseError> {
    for (session, row) in sessions {
        sqlx::query(sql::LITE_GROW_SESSION)
            .bind(tenant)
            .bind(*session)
            .bind(&row.name)
            .bind(row.named_at_us)
            .bind(row.teacher_id.as_deref())
            .bind(row.opened_at_us)
            .bind(row.closed_at_us)
            .bind(row.last_event_at_us)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
