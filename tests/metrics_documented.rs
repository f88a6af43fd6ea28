//! `docs/metrics.md` names every metric that a node has, and none that it has not.

use std::{collections::BTreeSet, fs, path::Path};

use downbeat::telemetry::Metrics;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

/// As the program registers them; a scrape shows no family before its first series.
fn registered() -> BTreeSet<String> {
    let source = read("src/telemetry.rs") + &read("src/telemetry/tenants.rs");
    let calls = source.split(".register(").skip(1);
    calls.filter_map(|call| call.split('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_documented_and_nothing_else_is() {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `downbeat_"));
    let documented: BTreeSet<String> = rows
        .map(|row| row.split(['`', '{']).next().unwrap_or_default())
        .map(|name| name.strip_suffix("_total").unwrap_or(name).to_owned())
        .collect();
    let registered = registered();
    assert!(registered.contains("beat_lateness_seconds"), "{registered:?}");
    let missing: Vec<_> = registered.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&registered).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not documented: {missing:?}; not there: {unknown:?}");
}

/// What is counted in these families, by the literals in the program: `count(&….panics, "http")` and the like.
fn counted(family: &str) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(path).expect("UTF-8");
            let counted = format!(".{family}, \"");
            let literals = source.split(&counted).skip(1);
            kinds.extend(literals.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    kinds
}

#[test]
fn what_is_rare_is_there_from_the_start_so_that_the_first_time_is_an_increase() {
    let fresh = Metrics::new().exposition();
    let is_there =
        |family: &str, kind: &str| fresh.contains(&format!("downbeat_{family}_total{{kind=\"{kind}\"}} 0\n"));
    for family in ["losses", "panics"] {
        let kinds = counted(family);
        assert!(kinds.len() >= 4, "{family}: {kinds:?}");
        let late: Vec<_> = kinds.iter().filter(|kind| !is_there(family, kind)).collect();
        assert!(late.is_empty(), "{family}: {late:?} are not there before their first time");
    }
    for kind in ["beat", "drain", "longpoll", "retention", "sweep"] {
        assert!(is_there("panics", kind), "{kind}");
    }
    for (family, kind) in
        [("participation_recorded", "lost"), ("relay_messages", "not_published"), ("reigns", "taken_over")]
    {
        assert!(is_there(family, kind), "{family} {kind}");
    }
}
