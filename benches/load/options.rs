//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Loads a real server process and prints what it costs, beside the goals.
///
/// The server runs on one core and the generator on another. A bare fan-out server (no tokens, no rules) runs in
/// turns with it wherever a ratio is worth printing. Figures are medians of the rounds.
#[derive(Parser, Debug)]
#[command(name = "cargo bench --bench load --", after_help = EXAMPLES)]
pub struct Options {
    /// What to measure; may be repeated. Without it: all but `cluster` and `recording`, in about six minutes on a quiet machine.
    #[arg(long, value_enum)]
    pub scenario: Vec<Scenario>,
    /// How long each single measurement lasts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// How often the two servers take turns; how often nodes of a cluster are killed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// The most connections of `memory`; the limit on open files may allow fewer.
    #[arg(long, default_value_t = 50_000)]
    pub connections: usize,
    /// The most rooms of `scheduling`, `flatness` and `cluster`.
    #[arg(long, default_value_t = 10_000)]
    pub rooms: usize,
    /// How many seconds new rooms of a cluster are left alone before they are measured: a reign that is younger than
    /// ten publishes plans to an empty room too.
    #[arg(long, default_value_t = 11)]
    pub settle: u32,
    /// The server to measure.
    #[arg(long, env = "DOWNBEAT_BIN", default_value_os_t = default_program())]
    pub server: PathBuf,
    /// Measure Downbeat alone.
    #[arg(long)]
    pub no_bare: bool,
    /// Measure the bare server in Downbeat's place: shows what the generator itself can do.
    #[arg(long)]
    pub only_bare: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Be the bare server.
    #[arg(long, hide = true)]
    pub bare_server: bool,
    /// … with a beat in every room.
    #[arg(long, hide = true)]
    pub bare_clock: bool,
    /// … that lets frames for a socket wait for each other.
    #[arg(long, hide = true)]
    pub bare_coalescing: bool,
}

const EXAMPLES: &str = "Examples:
  cargo bench --bench load
  cargo bench --bench load -- --scenario notes --seconds 10
  cargo bench --bench load -- --scenario beats --scenario fanout --rounds 5
  cargo bench --bench load -- --scenario cluster --seconds 10
  DOWNBEAT_BIN=/usr/bin/downbeat cargo bench --bench load -- --scenario ceiling";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 50 rooms of 20 at 20,000 and at 80,000 delivered notes a second.
    Notes,
    /// 50 rooms of 20: the most notes a second and client that all arrive, 99 of 100 within 50 ms.
    Ceiling,
    /// Memory for each idle connection, in rooms without clocks and with them, and on realtime topics.
    Memory,
    /// 1,000 rooms of 2: cost, lateness and drift of beats.
    Beats,
    /// One room of 1,000 at 20 notes a second.
    Fanout,
    /// 10,000 rooms with clocks, empty and with a member each.
    Scheduling,
    /// Cost of a room and of a socket at 10, 100, 1,000 and 10,000.
    Flatness,
    /// Broadcasts of 1 KiB on a topic of 100, on one node and, with a `redis-server` in PATH, on two; presences there.
    Broadcast,
    /// Several nodes on one Redis: commands, beats and notes across nodes, rooms taken over from a node that dies.
    Cluster,
    /// 50 rooms of 20: what recording adds to a note, on one node and, with `redis-server` and PostgreSQL, in a cluster.
    Recording,
}

/// The release build that lies beside this one.
fn default_program() -> PathBuf {
    if let Some(program) = option_env!("CARGO_BIN_EXE_downbeat") {
        return PathBuf::from(program);
    }
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.ancestors().nth(2).map(PathBuf::from);
    target.unwrap_or_default().join("downbeat")
}
