//! The load generator: `cargo bench --bench load`. See `docs/benchmarks.md` for what it found.

mod baseline;
mod client;
mod clock;
mod cluster;
mod error;
mod histogram;
mod http;
mod lab;
mod options;
#[path = "../participation/postgres.rs"]
mod postgres;
mod procfs;
mod redis_server;
mod report;
mod scenarios;
mod server;
mod stats;
mod user_broadcast;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.bare_server {
        return ended(baseline::serve(options.bare_clock, options.bare_coalescing));
    }
    // `cargo test --all-targets` runs benches too, and says so by not saying `--bench`.
    if !options.bench && options.scenario.is_empty() {
        println!("nothing measured: use `cargo bench --bench load`, or name a --scenario");
        return ExitCode::SUCCESS;
    }
    ended(scenarios::run(options))
}

fn ended(result: Result<(), error::LoadError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
