//! How fast events go into the two databases.

use std::{fs, time::Instant};

use downbeat::participation::{Batch, Database, DatabaseUrl, Event};

use crate::{
    Failure,
    cost::{Spent, own_cpu_us, print_spent_head},
    lesson::Lesson,
    options::Options,
    school::School,
    way,
};

/// As drains insert.
const BATCH: usize = 2_000;
pub const TENANT: &str = "ingest";
/// Lessons of one school at a time, and about how many events they are.
const LESSONS: u64 = 20;
/// 2026-03-02, a Monday: where nothing else is in the filled database.
const OPENED_US: i64 = 1_772_438_400_000_000;

pub async fn measure(options: &Options) -> Result<(), Failure> {
    println!("Filling PostgreSQL with {} events", options.events);
    let school = School::open(options).await?;
    // Neither is timed or counted.
    let events = lessons();
    println!("  {} events of {LESSONS} lessons at a time, in batches of {BATCH}", events.len());
    for setting in ["shared_buffers", "fsync", "synchronous_commit"] {
        println!("  {setting}: {}", school.sql(&format!("SHOW {setting}"))?);
    }
    print_spent_head();
    let empty_url = school.database("empty")?.parse()?;
    insert(&empty_url, &events, || school.cpu_us()).await?.print("insertion into PostgreSQL, empty");
    let full_url: DatabaseUrl = school.url().parse()?;
    insert(&full_url, &events, || school.cpu_us()).await?.print("insertion into PostgreSQL, filled");
    school.sql(&format!(
        "DELETE FROM participation_events WHERE tenant = '{TENANT}'; DELETE FROM room_sessions WHERE tenant = '{TENANT}'; \
         DELETE FROM student_reflections WHERE tenant = '{TENANT}'"
    ))?;
    let folder = options.folder.join("sqlite");
    fs::create_dir_all(&folder)?;
    let file = DatabaseUrl::Sqlite(folder.join("ingest.db"));
    let sqlite = insert(&file, &events, || 0).await;
    let measured = async {
        sqlite?.print("insertion into SQLite, empty");
        way::measure(&folder, &school, &events).await
    };
    let measured = measured.await;
    fs::remove_dir_all(&folder)?;
    measured
}

/// Lessons side by side, in the order of time.
fn lessons() -> Vec<Event> {
    let lesson = |number| Lesson { number, class: number, opened_us: OPENED_US + number as i64 * 1_700_000 };
    let mut events: Vec<Event> = (0..LESSONS).flat_map(|number| lesson(number).events()).collect();
    events.sort_by_key(|event| event.at_us);
    events
}

async fn insert(url: &DatabaseUrl, events: &[Event], beside_us: impl Fn() -> u64) -> Result<Spent, Failure> {
    let database = Database::new(url);
    database.migrate().await?;
    let batches: Vec<Batch> =
        events.chunks(BATCH).map(|some| Batch { tenant: TENANT.into(), events: some.to_vec() }).collect();
    let (own_us, other_us, began) = (own_cpu_us()?, beside_us(), Instant::now());
    let mut new = 0;
    for batch in &batches {
        new += database.insert(batch).await?.events;
    }
    let spent = Spent {
        events: new,
        seconds: began.elapsed().as_secs_f64(),
        own_us: own_cpu_us()? - own_us,
        beside_us: beside_us() - other_us,
    };
    if new != events.len() {
        return Err(format!("{new} of {} events were new", events.len()).into());
    }
    Ok(spent)
}
