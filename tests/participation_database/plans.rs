use std::{fs, path::Path};

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
                let mut event = lesson.event(downbeat::participation::Kind::STUDENT_MUTED, at_us, Some(&student), None);
                event.actor = Some("ms-lee".into());
                event
            } else {
                lesson.note(&student, at_us)
            });
        }
        target.database.insert(&batch(all)).await.expect("it is up");
    }
    assert_eq!(target.count("participation_events").await, 500 * SESSIONS);
    target.execute("ANALYZE").await;

    let plans = target.database.plans().await.expect("it is up");
    let names: Vec<&str> = plans.iter().map(|plan| plan.name).collect();
    for name in
        ["SESSION_EVENTS", "EVENTS_OF_STUDENT", "SESSIONS_OF_STUDENT", "ERASE_EVENTS", "RETIRE_EVENTS", "ERASE_ACTOR"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let mut violations = Vec::new();
    for plan in plans {
        for step in &plan.steps {
            println!("{}: {step}", plan.name);
            let reads_all = if target.is_sqlite() {
                // In a scan of all, no bracket says by which columns.
                step.contains("SCAN participation_events") || step.trim() == "SCAN e"
            } else {
                step.contains("Seq Scan on participation_events")
            };
            // Of one tenant alone, all of its events are all there are.
            if reads_all && plan.name != "ERASE_ALL_EVENTS" {
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
