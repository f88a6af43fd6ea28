//! One setting from three places: the flag wins, then the environment, then the file. Whatever is wrong is noted
//! under the name that its owner used, and reading goes on.

use std::ffi::OsString;

use crate::auth::{Problem, Secret};

/// An environment to read from; tests bring their own.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads settings one by one and gathers what is wrong.
pub struct Reader<'a> {
    env: Env<'a>,
    /// What is left of the file: settings are taken out as they are read.
    file: toml::Table,
    pub problems: Vec<Problem>,
}

/// Where a value was found, under the name that people know it by.
pub struct Found {
    pub name: String,
    pub value: String,
    pub from_environment: bool,
}

impl<'a> Reader<'a> {
    pub fn new(env: Env<'a>, file: toml::Table) -> Self {
        Self { env, file, problems: Vec::new() }
    }

    /// Reads the setting `key` (`metrics_listen`: `--metrics-listen`, `DOWNBEAT_METRICS_LISTEN`), else `default`.
    /// `must` says what a good value is; `parse` is None for a bad one.
    pub fn read<T>(
        &mut self,
        key: &str,
        flag: Option<&str>,
        default: T,
        must: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(found) = self.find(key, &env_name(key), flag) else {
            return default;
        };
        parse(&found.value).unwrap_or_else(|| {
            self.problems.push(Problem::value(found.name, found.value, must));
            default
        })
    }

    /// The same for a whole number within a range.
    pub fn number(&mut self, key: &str, flag: Option<&str>, default: u64, range: (u64, u64)) -> u64 {
        let must = format!("must be a whole number from {} to {}", range.0, range.1);
        self.read(key, flag, default, &must, |text| {
            text.parse().ok().filter(|number| (range.0..=range.1).contains(number))
        })
    }

    /// The same for a secret: a wrong one is reported without its value.
    pub fn secret<T>(
        &mut self,
        key: &str,
        flag: Option<&Secret>,
        must: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = self.find(key, &env_name(key), flag.map(Secret::expose))?;
        let read = parse(&found.value);
        if read.is_none() {
            self.problems.push(Problem::hidden(found.name, must));
        }
        read
    }

    /// Where the setting is given, whatever it says. An empty environment variable counts as not given.
    pub fn find(&mut self, key: &str, env: &str, flag: Option<&str>) -> Option<Found> {
        // Taken out in any case, so that what remains of the file is what nobody knows.
        let in_file = self.file.remove(key);
        if let Some(flag) = flag {
            let name = format!("--{}", key.replace('_', "-"));
            return Some(Found { name, value: flag.to_owned(), from_environment: false });
        }
        if let Some(value) = (self.env)(env).filter(|value| !value.is_empty()) {
            // A value that is not UTF-8 is no good value of any setting; its readable part is shown.
            let value = value.to_string_lossy().into_owned();
            return Some(Found { name: env.to_owned(), value, from_environment: true });
        }
        let value = match in_file? {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => {
                let must = "must be a single value, not a date, list or table";
                self.problems.push(Problem::hidden(key, must));
                return None;
            }
        };
        Some(Found { name: key.to_owned(), value, from_environment: false })
    }

    /// Whether this variable is set, whatever it says.
    pub fn is_in_environment(&self, variable: &str) -> bool {
        (self.env)(variable).is_some_and(|value| !value.is_empty())
    }

    /// Every line of the file that was not read is unknown.
    pub fn finish(mut self) -> Vec<Problem> {
        for key in self.file.keys() {
            let must = "is not a setting: look for a misspelling, `downbeat help serve` lists them all";
            self.problems.push(Problem::hidden(key, must));
        }
        self.problems
    }
}

fn env_name(key: &str) -> String {
    format!("DOWNBEAT_{}", key.to_ascii_uppercase())
}
