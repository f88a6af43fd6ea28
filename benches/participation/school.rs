//! A PostgreSQL full of lessons, in the order in which nodes would have written them: hundreds of lessons at a time, so
//! that neighbours in the table are of different sessions.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Instant, SystemTime},
};

use downbeat::participation::{Database, Event, Kind};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::{Failure, lesson::Lesson, options::Options, postgres::Postgres};

const TENANTS: u64 = 40;
const CLASSES: u64 = 4;
/// Lessons at a time: two or three in each school.
const AT_ONCE: u64 = 100;
/// On average.
const EVENTS_EACH: u64 = 9_200;
/// From one set of lessons to the next: a month of them, the last a week ago.
const APART_US: i64 = 3 * 86_400_000_000;
const WEEK_US: i64 = 7 * 86_400_000_000;
/// Of each write of a copy.
const COPIED_BYTES: usize = 1 << 20;

/// The filled server; its files go with it unless they are kept.
pub struct School {
    server: Option<Postgres>,
    folder: PathBuf,
    keep: bool,
}

/// A session that can be asked for.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub tenant: String,
    pub session: String,
}

impl School {
    /// Starts the server, and fills it unless an earlier run has left it filled.
    pub async fn open(options: &Options) -> Result<Self, Failure> {
        let folder = options.folder.join("postgres");
        let server = Postgres::start(&folder)?;
        let school = Self { server: Some(server), folder, keep: options.keep };
        Database::new(&school.url().parse()?).migrate().await?;
        if school.sessions()?.is_empty() {
            school.fill(options.events).await?;
        }
        Ok(school)
    }

    pub fn url(&self) -> String {
        self.server.as_ref().map_or_else(String::new, Postgres::url)
    }

    pub fn sql(&self, statements: &str) -> Result<String, Failure> {
        let server = self.server.as_ref().ok_or("PostgreSQL does not run")?;
        Ok(server.sql(statements)?)
    }

    /// An empty one of this name, and its URL.
    pub fn database(&self, name: &str) -> Result<String, Failure> {
        self.sql(&format!("DROP DATABASE IF EXISTS {name}"))?;
        self.sql(&format!("CREATE DATABASE {name}"))?;
        let url = self.url();
        Ok(format!("{}/{name}", url.strip_suffix("/postgres").unwrap_or(&url)))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn cpu_us(&self) -> u64 {
        self.server.as_ref().map_or(0, Postgres::cpu_us)
    }

    pub fn log(&self) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.folder.join("log"))?)
    }

    /// Those that the school was filled with.
    pub fn sessions(&self) -> Result<Vec<Recorded>, Failure> {
        let rows = self.sql(
            "SELECT tenant || ' ' || session_id FROM room_sessions WHERE tenant LIKE 'school-%' \
             ORDER BY tenant, session_id",
        )?;
        let recorded = rows.lines().filter_map(|row| row.split_once(' '));
        let recorded = recorded.map(|(tenant, session)| Recorded { tenant: tenant.into(), session: session.into() });
        Ok(recorded.collect())
    }

    /// Ends the server, makes the system forget what it has of its files, and starts it again: nothing is in memory.
    pub fn cool(&mut self) -> Result<(), Failure> {
        self.server = None;
        forget(&self.folder.join("data"))?;
        self.server = Some(Postgres::start(&self.folder)?);
        Ok(())
    }

    async fn fill(&self, events: u64) -> Result<(), Failure> {
        let began = Instant::now();
        let waves = events.div_ceil(AT_ONCE * EVENTS_EACH).max(1);
        let now_us = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?;
        let mut connection = PgConnection::connect(&self.url()).await?;
        let mut copied = 0;
        for wave in 0..waves {
            let opened_us = now_us - WEEK_US - (waves - wave) as i64 * APART_US;
            let lessons = (0..AT_ONCE).map(|at| {
                let number = wave * AT_ONCE + at;
                // No two begin in the same moment.
                let opened_us = opened_us + at as i64 * 1_700_000;
                (number % TENANTS, Lesson { number, class: number / TENANTS % CLASSES, opened_us })
            });
            copied += copy(&mut connection, &lessons.collect::<Vec<_>>()).await?;
            println!("  {copied} events after {:.0} s", began.elapsed().as_secs_f64());
        }
        self.sql("VACUUM (ANALYZE)")?;
        self.sql("CHECKPOINT")?;
        println!("  filled, vacuumed and analysed after {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }
}

impl Drop for School {
    fn drop(&mut self) {
        self.server = None;
        if !self.keep {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Lessons that are held at the same time, by the number of their tenant.
async fn copy(connection: &mut PgConnection, lessons: &[(u64, Lesson)]) -> Result<usize, Failure> {
    let (mut events, mut sessions, mut reflections) = (Vec::new(), String::new(), String::new());
    for (tenant, lesson) in lessons {
        let of_lesson = lesson.events();
        let (Some(first), Some(last)) = (of_lesson.first(), of_lesson.last()) else { continue };
        let opened = |name: &str| first.details.as_ref().and_then(|details| details.get(name)?.as_str()).unwrap_or("");
        writeln!(
            sessions,
            "{}\t{}\t{}\t{}\tschool-{tenant:02}\t{}\t{}\t{}",
            first.at_us,
            last.at_us,
            last.at_us,
            first.at_us,
            first.session,
            opened("teacher_id"),
            opened("name")
        )?;
        for event in of_lesson.iter().filter(|event| event.kind == Kind::REFLECTION_SUBMITTED) {
            reflection_row(&mut reflections, *tenant, event)?;
        }
        events.extend(of_lesson.into_iter().map(|event| (*tenant, event)));
    }
    events.sort_by_key(|(_, event)| event.at_us);
    let mut into = connection
        .copy_in_raw(
            "COPY participation_events (at_us, run, beat_ub, offset_us, uncertainty_us, midi, velocity, assigned, \
             event_id, tenant, session_id, kind, student_id, actor_id, details) FROM STDIN",
        )
        .await?;
    let mut rows = String::with_capacity(COPIED_BYTES + 1_024);
    for (tenant, event) in &events {
        event_row(&mut rows, *tenant, event)?;
        if rows.len() > COPIED_BYTES {
            into.send(rows.as_bytes()).await?;
            rows.clear();
        }
    }
    into.send(rows.as_bytes()).await?;
    into.finish().await?;
    let others = [
        (
            "COPY room_sessions (opened_at_us, last_event_at_us, closed_at_us, named_at_us, tenant, session_id, \
             teacher_id, name) FROM STDIN",
            sessions,
        ),
        (
            "COPY student_reflections (submitted_at_us, updated_at_us, mood, withdrawn, tenant, reflection_id, \
             session_id, student_id, author_id, reflection_type, competency, reflection_text) FROM STDIN",
            reflections,
        ),
    ];
    for (statement, rows) in others {
        let mut into = connection.copy_in_raw(statement).await?;
        into.send(rows.as_bytes()).await?;
        into.finish().await?;
    }
    Ok(events.len())
}

fn event_row(rows: &mut String, tenant: u64, event: &Event) -> std::fmt::Result {
    fn or_null<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| r"\N".to_owned(), |value| value.to_string())
    }
    let note = event.note.as_ref();
    // A reflection's content stands in its own table alone.
    let details = event.details.as_ref().map(|details| match details.get("reflection_id") {
        Some(id) => json!({ "reflection_id": id, "reflection_type": details.get("reflection_type") }),
        None => details.clone(),
    });
    writeln!(
        rows,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t\\\\x{}\tschool-{tenant:02}\t{}\t{}\t{}\t\\N\t{}",
        event.at_us,
        event.run,
        or_null(event.beat_ub),
        or_null(note.and_then(|note| note.offset_us)),
        or_null(note.map(|note| note.uncertainty_us)),
        or_null(note.map(|note| note.midi)),
        or_null(note.map(|note| note.velocity)),
        or_null(note.map(|note| note.assigned)),
        event.id,
        event.session,
        event.kind.as_str(),
        or_null(event.student.as_deref()),
        or_null(details)
    )
}

fn reflection_row(rows: &mut String, tenant: u64, event: &Event) -> std::fmt::Result {
    let details = event.details.clone().unwrap_or(Value::Null);
    let text = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let student = event.student.as_deref().unwrap_or("");
    writeln!(
        rows,
        "{0}\t{0}\t{1}\tf\tschool-{tenant:02}\t{2}\t{3}\t{student}\t{student}\t{4}\t{5}\t{6}",
        event.at_us,
        details.get("mood").and_then(Value::as_u64).unwrap_or(3),
        text("reflection_id"),
        event.session,
        text("reflection_type"),
        text("competency"),
        text("text")
    )
}

/// `dd` tells the kernel that a file's pages are not needed.
fn forget(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget(&entry.path())?;
        } else if entry.metadata()?.len() > 1 << 16 {
            let file = format!("if={}", entry.path().display());
            let told = Command::new("dd").args([&file, "iflag=nocache", "count=0", "status=none"]).status()?;
            if !told.success() {
                return Err(format!("dd {file}: {told}").into());
            }
        }
    }
    Ok(())
}
