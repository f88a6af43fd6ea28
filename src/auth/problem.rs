//! What is wrong with a setting, said so that all that is wrong can be listed at once.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// One wrong setting: its name, its value (never a secret) and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting as its owner wrote it: `--listen`, `DOWNBEAT_LISTEN`, `tenants[0].limits.default_bpm`.
    pub setting: String,
    /// None for secrets and where nothing was given.
    pub value: Option<String>,
    /// The rest of the sentence: what it must be, or what to do.
    pub must: String,
}

/// Longer values are cut: a whole key set in an error message helps nobody.
const VALUE_CHARS_MAX: usize = 80;
/// So are sentences that repeat one.
const MUST_CHARS_MAX: usize = 400;

impl Problem {
    /// A wrong value that may be shown.
    pub fn value(setting: impl Into<String>, value: impl fmt::Display, must: impl Into<String>) -> Self {
        let shown: String = value.to_string().chars().take(VALUE_CHARS_MAX).collect();
        Self { setting: setting.into(), value: Some(shown), must: must.into() }
    }

    /// A wrong secret, or something missing: nothing to show.
    pub fn hidden(setting: impl Into<String>, must: impl Into<String>) -> Self {
        Self { setting: setting.into(), value: None, must: must.into() }
    }

    /// The same problem, of a setting inside `parent`.
    pub fn within(mut self, parent: &str) -> Self {
        self.setting = format!("{parent}.{}", self.setting);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} is {value:?}: {}", self.setting, self.must),
            None => write!(f, "{}: {}", self.setting, self.must),
        }
    }
}

/// Reads a table into a struct whose fields all have defaults, and reports every wrong key, not the first alone:
/// each key is tried by itself.
pub fn every_key<T: DeserializeOwned>(table: &toml::Table) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    for (key, value) in table {
        let mut single = toml::Table::new();
        single.insert(key.clone(), value.clone());
        if let Err(error) = single.try_into::<T>() {
            // `message` is the bare sentence: the key is named already.
            problems.push(Problem::hidden(key, error.message()));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    table.clone().try_into().map_err(|error| vec![Problem::hidden("table", error.message())])
}

/// The same for an object of JSON, whose field names are reported.
pub(super) fn every_field<T: DeserializeOwned>(object: &Map<String, Value>) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    for (field, value) in object {
        let single = Map::from_iter([(field.clone(), value.clone())]);
        if let Err(error) = serde_json::from_value::<T>(Value::Object(single)) {
            let must: String = error.to_string().chars().take(MUST_CHARS_MAX).collect();
            problems.push(Problem::hidden(field, must));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(Value::Object(object.clone()))
        .map_err(|error| vec![Problem::hidden("object", error.to_string())])
}
