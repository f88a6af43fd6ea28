//! `docs/metrics.md` names every metric that a node has, and none that it has not.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

/// As the program registers them; a scrape shows no family before its first series.
fn registered() -> BTreeSet<String> {
    let source = read("src/telemetry.rs");
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
