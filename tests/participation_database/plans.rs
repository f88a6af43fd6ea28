use std::{fs, path::Path};

use downbeat::participation::{Database, Kind};

use crate::{lessons::*, targets::Target};

/// Of a school of 400 sessions with 500 events each, every tenth of them no note.
pub async fn no_statement_reads_all_events(target: Target) {
    const SESSIONS: i64 = 400;
    for session_number in 0..SESSIONS {
        let opened = OPENED_US + session_number * 3_600 * SECOND_US;
        let mut lesson = Lesson::of(session(&format!("MUSIC-{session_number:04}"), opened));
        let mut all = Vec::with_capacity(500);
        for index in 0..500 {
            let at_us = opened + index * SECOND_US;
            let student = format!("student-{}-{}", session_number % 20, index % 25);
            all.push(if index % 10 == 0 {
                let mut event = lesson.event(Kind::STUDENT_MUTED, at_us, Some(&student), None);
                event.actor = Some("ms-lee".into());
                event
            } else {
                lesson.note(&student, at_us)
            });
        }
        target.database.insert(&batch(all)).await.expect("it is up");
    }
    assert_eq!(target.count("participation_events").await, 500 * SESSIONS);

    // Nobody makes statistics of a SQLite file; PostgreSQL makes its own.
    if target.is_sqlite() {
        explained(&target.database, true).await;
    }
    target.execute("ANALYZE").await;
    let fresh = Database::new(&target.url.parse().expect("a URL"));
    explained(&fresh, target.is_sqlite()).await;
}

async fn explained(database: &Database, is_sqlite: bool) {
    let plans = database.plans().await.expect("it is up");
    let names: Vec<&str> =
        plans.iter().map(|plan| plan.name.trim_start_matches("LITE_").trim_start_matches("PG_")).collect();
    for name in [
        "SESSION_EVENTS",
        "EVENTS_OF_STUDENT",
        "SESSIONS_OF_STUDENT",
        "INSERT_EVENTS",
        "INSERT_ATTENDANCE",
        "ERASE_EVENTS",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let mut violations = Vec::new();
    // Of a tenant's events, all are what is meant.
    for plan in plans.iter().filter(|plan| !plan.name.starts_with("ERASE_ALL")) {
        for step in &plan.steps {
            println!("{}: {step}", plan.name);
            let reads_all = if is_sqlite {
                let table = step.contains(" participation_events")
                    || step.contains(" session_students")
                    || step.contains(" a ");
                // By the tenant alone: as good as everything.
                let by_tenant = step.ends_with("(tenant=?)") && !step.contains("INDEX participation_events_mentions");
                table && (step.starts_with("SCAN") || by_tenant)
            } else {
                ["participation_events", "session_students"]
                    .iter()
                    .any(|table| step.contains(&format!("Seq Scan on {table}")))
            };
            if reads_all {
                violations.push(format!("{}: {step}", plan.name));
            }
        }
    }
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_statement_stands_where_it_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/participation/database");
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("UTF-8");
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let statement = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| code.contains(verb));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(!statement || name == "sql.rs", "{name} has a statement of its own");
    }
}
