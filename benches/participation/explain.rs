//! PostgreSQL's own account of the statements that Downbeat sends: `auto_explain` writes it into the server's log.

use std::{collections::BTreeMap, future::Future};

use downbeat::participation::Database;

use crate::{Failure, school::School};

const ON: &str = "ALTER ROLE postgres SET session_preload_libraries = 'auto_explain'; \
     ALTER ROLE postgres SET auto_explain.log_min_duration = 0; \
     ALTER ROLE postgres SET auto_explain.log_analyze = on; \
     ALTER ROLE postgres SET auto_explain.log_buffers = on";

/// Runs `ask` on connections whose statements are explained, and prints one plan of each that touches events: the last,
/// because PostgreSQL changes to a plan for any values after some runs. Whether all do without a sequential scan.
pub async fn explain<F: Future<Output = Result<(), Failure>>>(
    school: &School,
    ask: impl FnOnce(Database) -> F,
) -> Result<bool, Failure> {
    let before = school.log()?.len();
    school.sql(ON)?;
    let asked = ask(Database::new(&school.url().parse()?)).await;
    school.sql("ALTER ROLE postgres RESET ALL")?;
    asked?;
    let log = school.log()?;
    let mut plans = BTreeMap::new();
    // An entry's further lines begin with a tab.
    let mut entry = Vec::new();
    for line in log[before..].lines().chain(["end"]) {
        if !line.starts_with('\t') {
            if let Some(statement) = statement_of(&entry).filter(|text| text.contains("participation_events")) {
                plans.insert(statement, std::mem::take(&mut entry));
            }
            entry.clear();
        }
        entry.push(line.to_owned());
    }
    let mut are_good = !plans.is_empty();
    for entry in plans.values() {
        println!();
        entry.iter().for_each(|line| println!("    {}", line.trim_start_matches('\t')));
        are_good &= !entry.iter().any(|line| line.contains("Seq Scan on participation_events"));
    }
    Ok(are_good)
}

fn statement_of(entry: &[String]) -> Option<String> {
    let at = entry.iter().position(|line| line.contains("Query Text: "))?;
    entry.first()?.contains("plan:").then(|| entry[at].clone())
}
