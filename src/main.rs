//! log → config → node::run → exit code

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{process::ExitCode, time::SystemTime};

use clap::Parser;
use downbeat::{
    auth::install_crypto,
    cli::{
        self, Cli, Command, EraseTenantArgs, LogFormat, MigrateArgs, Mode, Question, SettingFlags, Settings,
        print_token,
    },
    node,
};

fn main() -> ExitCode {
    install_crypto();
    let outcome = match Cli::parse().command {
        Command::Dev(args) => run(&args.settings, Mode::Dev { lan: args.lan, browser: !args.no_browser }),
        Command::Serve(args) => run(&args.settings, Mode::Serve),
        Command::Token(args) => print_token(&args, &env, now_s()).map_err(Into::into),
        Command::Migrate(args) => migrate(&args),
        Command::EraseTenant(args) => erase_tenant(&args),
        Command::Nodes(args) => ask(&Question::Nodes(args)),
        Command::Rooms(args) => ask(&Question::Rooms(args)),
        Command::Room(args) => ask(&Question::Room(args)),
        Command::Tail(args) => ask(&Question::Tail(args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Told>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("downbeat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &SettingFlags, mode: Mode) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::load(flags, &env, mode)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let traces = node::log::start(&settings, runtime.handle())?;
    let is_read_by_machines = settings.log_format == LogFormat::Json;
    let outcome = runtime.block_on(node::run(settings, mode, node::stop_signal()));
    if let Some(traces) = traces {
        traces.finish();
    }
    match outcome {
        Err(error) if is_read_by_machines => {
            tracing::error!(%error, "the node could not run");
            Err(Told.into())
        }
        outcome => Ok(outcome?),
    }
}

/// The log has the error already, as a line like all others.
#[derive(Debug)]
struct Told;

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see the log")
    }
}

impl std::error::Error for Told {}

fn ask(question: &Question) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(cli::ask(question, &env))?;
    Ok(())
}

fn migrate(args: &MigrateArgs) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(cli::migrate(args, &env))?);
    Ok(())
}

fn erase_tenant(args: &EraseTenantArgs) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(cli::erase_tenant(args, &env, (now_s() + 1) * 1_000_000))?);
    Ok(())
}

fn env(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// The one look at a clock outside `time`: what is done by hand needs no more.
#[expect(clippy::disallowed_methods, reason = "there is no node, and so no `Clock`, on the command line")]
fn now_s() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}
