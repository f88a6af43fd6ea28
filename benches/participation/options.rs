//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Fills a PostgreSQL of its own with lessons, and measures what reading and writing them costs.
#[derive(Parser, Debug)]
#[command(name = "cargo bench --bench participation --")]
pub struct Options {
    /// What to measure.
    #[arg(value_enum)]
    pub what: Option<What>,
    /// How many events PostgreSQL is filled with first.
    #[arg(long, default_value_t = 10_000_000)]
    pub events: u64,
    /// How many reports of each kind are read.
    #[arg(long, default_value_t = 500)]
    pub reports: usize,
    /// Leaves the filled database where the next run finds it.
    #[arg(long)]
    pub keep: bool,
    /// Where PostgreSQL has its files. Its user must be able to reach it.
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/participation"))]
    pub folder: PathBuf,
    /// Given by cargo.
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Reports of sessions, students and a school out of millions of events, and PostgreSQL's plans for them.
    Report,
    /// The writer's rate into both databases, and the whole way there.
    Ingest,
}
