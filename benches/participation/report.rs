//! Reports out of millions of events.

use std::{
    hint::black_box,
    time::{Instant, SystemTime},
};

use downbeat::participation::{Database, ReportOptions, SessionFold, SessionHead, SessionId, SessionReport};

use crate::{
    Failure,
    cost::Times,
    explain::explain,
    lesson::Dice,
    node::Node,
    options::Options,
    school::{Recorded, School},
};

const REPORT_GOAL_MS: f64 = 200.0;
/// How often everything is made cold.
const COLD: usize = 10;
/// Students and schools asked for: each is many sessions.
const PEOPLE: usize = 100;
const SCHOOLS: usize = 40;
/// PostgreSQL makes a plan for any values after five runs.
const EXPLAINED: usize = 7;

pub async fn measure(options: &Options) -> Result<(), Failure> {
    println!("Filling PostgreSQL with {} events", options.events);
    let mut school = School::open(options).await?;
    print_ground(&school)?;
    let sessions = school.sessions()?;
    let mut dice = Dice::of(1);
    let mut some = |count: usize| -> Vec<Recorded> {
        (0..count).filter_map(|_| sessions.get(dice.below(sessions.len() as u64) as usize).cloned()).collect()
    };
    println!("\n| what | times | goal (ms) | p50 (ms) | p99 (ms) | max (ms) | |");
    println!("|---|---|---|---|---|---|---|");

    let mut first = Times::default();
    for one in some(COLD) {
        school.cool()?;
        let database = Database::new(&school.url().parse()?);
        database.is_reachable().await?;
        time(&mut first, session_report(&database, &one)).await?;
    }
    first.print("session report, the first after a start, nothing in memory", None);

    school.cool()?;
    let database = Database::new(&school.url().parse()?);
    let asked = some(options.reports);
    for pass in ["as memory fills after a start", "again, warm"] {
        let mut times = Times::default();
        for one in &asked {
            time(&mut times, session_report(&database, one)).await?;
        }
        times.print(&format!("session report, {pass}"), Some(REPORT_GOAL_MS));
    }
    let mut times = Times::default();
    for one in some(options.reports) {
        time(&mut times, session_analytics(&database, &one)).await?;
    }
    times.print("session analytics, warm", Some(REPORT_GOAL_MS));
    let students = some(PEOPLE).into_iter().enumerate();
    let students: Vec<(Recorded, String)> =
        students.map(|(at, one)| (one, format!("student-{:02}-{:02}", at % 4, at % 30))).collect();
    over_http(&school, &asked, &students).await?;

    println!("\nHow PostgreSQL went about the statements, with values:");
    let are_good = explain(&school, |database| async move {
        for one in asked.iter().take(EXPLAINED) {
            session_report(&database, one).await?;
            database.sessions_of_student(&one.tenant, "student-00-01").await?;
            database.events_of_student(&one.tenant, "student-00-01", |_| {}).await?;
        }
        Ok(())
    })
    .await?;
    println!("\n    and for values that it does not know yet:");
    let mut scans = 0;
    for plan in database.plans().await? {
        let scans_events = plan.steps.iter().any(|step| step.contains("Seq Scan on participation_events"));
        scans += usize::from(scans_events);
        println!("    {}: {}", plan.name, plan.steps.join(" / "));
    }
    if !are_good || scans > 0 {
        return Err("a statement scans all events".into());
    }
    println!("\nNo statement scans the events sequentially.");
    Ok(())
}

fn print_ground(school: &School) -> Result<(), Failure> {
    for (what, statement) in [
        ("events", "SELECT count(*) FROM participation_events"),
        ("sessions", "SELECT count(*) FROM room_sessions"),
        ("table", "SELECT pg_size_pretty(pg_relation_size('participation_events'))"),
        ("its indexes", "SELECT pg_size_pretty(pg_indexes_size('participation_events'))"),
        ("shared_buffers", "SHOW shared_buffers"),
        ("version", "SHOW server_version"),
    ] {
        println!("  {what}: {}", school.sql(statement)?);
    }
    Ok(())
}

async fn time(times: &mut Times, ask: impl Future<Output = Result<Vec<u8>, Failure>>) -> Result<(), Failure> {
    let began = Instant::now();
    let answer = ask.await?;
    times.add(began);
    black_box(answer);
    Ok(())
}

async fn head_of(database: &Database, one: &Recorded) -> Result<SessionHead, Failure> {
    let session = SessionId::parse(&one.session).ok_or("no session's id")?;
    Ok(database.session(&one.tenant, &session).await?.ok_or("the session is not there")?)
}

/// Everything that is read and computed for a report.
async fn folded(database: &Database, tenant: &str, head: &SessionHead) -> Result<SessionReport, Failure> {
    let now_us = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?;
    let mut fold = SessionFold::new(head, ReportOptions { bucket_us: None, now_us })?;
    database.session_events(tenant, &head.session, |event| fold.take(&event)).await?;
    Ok(fold.finish())
}

async fn session_report(database: &Database, one: &Recorded) -> Result<Vec<u8>, Failure> {
    let report = folded(database, &one.tenant, &head_of(database, one).await?).await?;
    if report.students.len() < 30 || report.session.events < 6_000 {
        return Err(format!("{} {} is not whole", one.tenant, one.session).into());
    }
    Ok(serde_json::to_vec(&report.participation())?)
}

async fn session_analytics(database: &Database, one: &Recorded) -> Result<Vec<u8>, Failure> {
    let report = folded(database, &one.tenant, &head_of(database, one).await?).await?;
    Ok(serde_json::to_vec(&report.analytics())?)
}

/// The same of a real node, with tokens, HTTP and JSON.
async fn over_http(school: &School, asked: &[Recorded], students: &[(Recorded, String)]) -> Result<(), Failure> {
    let tenants: Vec<String> = (0..SCHOOLS).map(|at| format!("school-{at:02}")).collect();
    let node = Node::start(&tenants, &school.url(), school.folder())?;
    for (what, name) in [("participation", "session report"), ("analytics", "session analytics")] {
        let mut times = Times::default();
        for one in asked {
            let code = one.session.split('.').next().unwrap_or("");
            let path = format!("/api/music/rooms/{code}/{what}?session={}", one.session);
            time(&mut times, node.get(&one.tenant, &path)).await?;
        }
        times.print(&format!("{name} over HTTP, warm"), Some(REPORT_GOAL_MS));
    }
    for (end, name) in [("/trend", "a student's trend"), ("", "everything on a student")] {
        let mut times = Times::default();
        for (one, student) in students {
            let path = format!("/api/music/students/{student}{end}");
            time(&mut times, node.get(&one.tenant, &path)).await?;
        }
        times.print(&format!("{name} over HTTP: seven sessions"), None);
    }
    let mut times = Times::default();
    for tenant in &tenants {
        time(&mut times, node.get(tenant, "/api/music/overview")).await?;
    }
    times.print("a school's overview over HTTP: 27 sessions", None);
    Ok(())
}
