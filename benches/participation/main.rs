//! What is recorded of lessons, measured: `cargo bench --bench participation -- report` and `-- ingest`. See
//! `docs/benchmarks.md` for what it found.

mod cost;
mod explain;
mod ingest;
mod lesson;
mod node;
mod options;
mod postgres;
mod report;
mod school;
mod way;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Options, What};

/// Ends the run: a figure that is not honest is not printed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    // `cargo test --all-targets` runs benches too, and names nothing.
    let Some(what) = options.what else {
        println!("nothing measured: use `cargo bench --bench participation -- report` or `-- ingest`");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let measured = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            match what {
                What::Report => report::measure(&options).await,
                What::Ingest => ingest::measure(&options).await,
            }
        })
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
