//! The TOML file: reading it, and the tenants in it.

use std::path::Path;

use crate::auth::{Problem, Tenant, TenantConfig, Tenants, every_key};

/// Parses the file. Its errors never quote a line, because lines hold secrets.
pub fn read(path: &Path) -> Result<toml::Table, Problem> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::value("--config", &shown, format!("must be a readable file: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
        let must = format!("is not valid TOML in line {line}: {}", error.message());
        Problem::value("--config", &shown, must)
    })
}

/// The folder that file names inside the file are relative to.
pub fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Takes the tenants out of the file and builds them.
///
/// Whatever is wrong is added to `problems`, and then the answer is None.
pub fn take_tenants(file: &mut toml::Table, base: &Path, problems: &mut Vec<Problem>) -> Option<Tenants> {
    let before = problems.len();
    let default = match file.remove("default_tenant") {
        None => None,
        Some(toml::Value::String(id)) => Some(id),
        Some(other) => {
            problems.push(Problem::value("default_tenant", other, "must be the id of a tenant, in quotes"));
            None
        }
    };
    let mut tenants = Vec::new();
    for (name, table) in take_tables(file, problems) {
        match build(&table, base) {
            Ok(tenant) => tenants.push(tenant),
            Err(wrong) => problems.extend(wrong.into_iter().map(|problem| problem.within(&name))),
        }
    }
    if problems.len() > before {
        return None;
    }
    match Tenants::new(tenants, default.as_deref()) {
        Ok(tenants) => Some(tenants),
        Err(wrong) => {
            problems.extend(wrong);
            None
        }
    }
}

/// Each `[[tenants]]` table with its name for messages, `tenants[0]`.
fn take_tables(file: &mut toml::Table, problems: &mut Vec<Problem>) -> Vec<(String, toml::Table)> {
    let listed = match file.remove("tenants") {
        None => return Vec::new(),
        Some(toml::Value::Array(listed)) => listed,
        Some(_) => {
            problems.push(Problem::hidden("tenants", "must be a list of tables: write [[tenants]] above each"));
            return Vec::new();
        }
    };
    let mut tables = Vec::new();
    for (at, value) in listed.into_iter().enumerate() {
        let name = format!("tenants[{at}]");
        match value {
            toml::Value::Table(table) => tables.push((name, table)),
            _ => problems.push(Problem::hidden(name, "must be a table: write [[tenants]] above it")),
        }
    }
    tables
}

fn build(table: &toml::Table, base: &Path) -> Result<Tenant, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut table = table.clone();
    // The limits are a table of their own, so that each wrong one is named and not the first alone.
    if let Some(toml::Value::Table(limits)) = table.get("limits")
        && let Err(wrong) = every_key::<crate::auth::Limits>(limits)
    {
        problems.extend(wrong.into_iter().map(|problem| problem.within("limits")));
        table.remove("limits");
    }
    let built = every_key::<TenantConfig>(&table).and_then(|config| config.build(base));
    match built {
        Ok(tenant) if problems.is_empty() => Ok(tenant),
        Ok(_) => Err(problems),
        Err(wrong) => {
            problems.extend(wrong);
            Err(problems)
        }
    }
}
