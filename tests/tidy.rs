//! The house rules that a compiler does not know: who may import whom, what stays pure, how long a file may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the top to the bottom: each imports only from those after it. `main` and `node` see everything.
const LAYERS: [&str; 19] = [
    "cli",
    "http",
    "tenancy",
    "gateway",
    "channels",
    "conductor",
    "placement",
    "participation",
    "relay",
    "store",
    "redis_url",
    "auth",
    "protocol",
    "room",
    "tempo",
    "time",
    "rate",
    "telemetry",
    "traces",
];

/// Files and folders that neither do I/O nor read a clock.
const PURE: &[&str] = &[
    "src/redis_url.rs",
    "src/redis_url/",
    "src/protocol/",
    "src/room/",
    "src/tempo/",
    "src/placement/ring.rs",
    "src/placement/session.rs",
    "src/placement/decision.rs",
    "src/gateway/session.rs",
    "src/gateway/session/",
    "src/channels/realtime/config.rs",
    "src/channels/realtime/message.rs",
    "src/channels/realtime/roll.rs",
    "src/conductor/emitter.rs",
    "src/gateway/expiry.rs",
    "src/gateway/shares.rs",
    "src/gateway/longpoll/delivery.rs",
    "src/participation/event.rs",
    "src/participation/reflection.rs",
    "src/participation/session.rs",
    "src/participation/report/",
    "src/participation/report.rs",
    "src/rate.rs",
    "src/time/line.rs",
    "src/time/reference.rs",
    "src/time/sample.rs",
    "src/time/window.rs",
];

/// What a pure file never says.
const IMPURE: [&str; 9] =
    ["tokio::", "axum::", "redis::", "fred::", "sqlx::", "std::net", "std::fs", "crate::time", "clock_gettime"];

/// A crate, and the only places that may name it.
const CONFINED: [(&str, &[&str]); 8] = [
    ("axum::", &["src/gateway/", "src/http/"]),
    ("fred::", &["src/relay/fred.rs", "src/relay/fred/"]),
    ("redis::", &["src/store/redis.rs", "src/store/redis/"]),
    ("sqlx::", &["src/participation/"]),
    ("redb::", &["src/store/embedded/", "src/store/embedded.rs"]),
    ("jsonwebtoken::", &["src/auth/"]),
    ("opentelemetry::", &["src/traces.rs", "src/traces/"]),
    ("opentelemetry_sdk::", &["src/traces/"]),
];

/// The longest file; above it the first lines must say why.
const LINES_MAX: usize = 500;

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn layer(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_under(&self, place: &str) -> bool {
        self.path.starts_with(place)
    }

    /// The code before the tests, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let production = self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        production.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn imports(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().flat_map(|(at, line)| {
            line.match_indices("crate::").map(move |(found, _)| {
                let rest = &line[found + "crate::".len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (at + 1, &rest[..end])
            })
        })
    }

    /// `use crate::{a::…, b::…};` names its modules on lines of their own.
    fn grouped_imports(&self) -> Vec<String> {
        let Some(start) = self.text.find("use crate::{") else {
            return Vec::new();
        };
        let group = &self.text[start + "use crate::{".len()..];
        let mut depth = 1;
        let mut modules = Vec::new();
        let mut word = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                c if depth == 1 && (c.is_ascii_alphanumeric() || c == '_') => word.push(c),
                _ => {}
            }
            if depth == 0 || (depth == 1 && matches!(c, ':' | ',' | ' ' | '\n')) || depth > 1 {
                if !word.is_empty() {
                    modules.push(std::mem::take(&mut word));
                }
                if depth == 0 {
                    break;
                }
            }
        }
        modules
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path: PathBuf = entry.expect("a directory entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push(Source { text: fs::read_to_string(&path).expect("UTF-8"), path: relative });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_module_imports_only_from_the_layers_below_it() {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let mut violations = Vec::new();
    for source in sources("src") {
        let layer = source.layer();
        if matches!(layer, "main" | "lib" | "node") {
            continue;
        }
        let Some(own) = rank(layer) else {
            violations.push(format!("{}: `{layer}` is no layer of docs/architecture.md", source.path));
            continue;
        };
        let single = source.imports().map(|(_, module)| module.to_owned());
        for module in single.chain(source.grouped_imports()) {
            if rank(&module).is_some_and(|imported| imported < own) || module == "node" {
                violations.push(format!("{}: imports from `{module}`, which is above it", source.path));
            }
        }
    }
    none(violations);
}

#[test]
fn pure_files_do_no_input_or_output_and_read_no_clock() {
    let mut violations = Vec::new();
    for source in sources("src").iter().filter(|source| PURE.iter().any(|place| source.is_under(place))) {
        for (at, line) in source.code() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                violations.push(format!("{}:{}: says `{word}` and is pure", source.path, at + 1));
            }
        }
    }
    none(violations);
}

#[test]
fn each_library_is_named_only_where_it_belongs() {
    let mut violations = Vec::new();
    for source in sources("src") {
        for (library, places) in CONFINED {
            if places.iter().any(|place| source.is_under(place)) {
                continue;
            }
            let named = source.code().filter(|(_, line)| {
                line.match_indices(library).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                })
            });
            for (at, _) in named {
                violations.push(format!("{}:{}: names `{library}`", source.path, at + 1));
            }
        }
    }
    none(violations);
}

#[test]
fn the_protocol_knows_no_music_and_the_gateway_never_touches_the_store() {
    let forbidden = [("src/protocol/", "room"), ("src/protocol/", "tempo"), ("src/gateway/", "store")];
    let mut violations = Vec::new();
    for source in sources("src") {
        for (place, module) in forbidden {
            let imports = source.imports().map(|(_, module)| module.to_owned()).chain(source.grouped_imports());
            if source.is_under(place) && imports.into_iter().any(|imported| imported == module) {
                violations.push(format!("{}: imports `{module}`", source.path));
            }
        }
    }
    none(violations);
}

#[test]
fn nothing_in_the_product_gives_up_where_it_could_answer() {
    const GIVING_UP: [&str; 5] = [".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "panic!("];
    let mut violations = Vec::new();
    for source in sources("src") {
        for (at, line) in source.code() {
            for word in GIVING_UP.iter().filter(|word| line.contains(**word)) {
                violations.push(format!("{}:{}: `{word}`", source.path, at + 1));
            }
        }
    }
    none(violations);
}

#[test]
fn lines_of_the_log_call_the_same_thing_by_the_same_name() {
    // Of a line's own node the log itself tells; another one is `node.to` or `node.from`.
    let wrong =
        ["%tenant,", "tenant = ", "room = ", "room.key", "node.id", "%topic,", "topic = ", "%reason", "%refused,"];
    let mut violations = Vec::new();
    for source in sources("src") {
        for call in source.text.split("tracing::").skip(1) {
            let (level, rest) = call.split_once("!(").unwrap_or_default();
            if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                continue;
            }
            let fields = rest.split(");").next().unwrap_or_default();
            let found = wrong.iter().filter(|name| {
                fields
                    .match_indices(**name)
                    .any(|(at, _)| !fields[..at].ends_with("= ") && !fields[..at].ends_with('.'))
            });
            violations.extend(found.map(|name| format!("{}: `{name}` in {fields}", source.path)));
        }
    }
    none(violations);
}

#[test]
fn a_file_fits_in_a_reader_s_head() {
    let too_long = |source: &Source| source.text.lines().count() > LINES_MAX;
    none(sources("src").iter().filter(|source| too_long(source)).map(|source| source.path.clone()).collect());
}

#[test]
fn tests_wait_for_events_and_never_sleep() {
    let nap = ["thread::", "sleep("].concat();
    let timer = ["time::", "sleep("].concat();
    let mut violations = Vec::new();
    for source in sources("tests") {
        for (at, line) in source.text.lines().enumerate() {
            if line.contains(&nap) || line.contains(&timer) {
                violations.push(format!("{}:{}: sleeps", source.path, at + 1));
            }
        }
    }
    none(violations);
}
