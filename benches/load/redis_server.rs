//! A Redis of the generator's own, and what it says of the commands that it was given.

use std::{
    collections::BTreeMap,
    env, fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use redis::{Cmd, Connection, Pipeline, RedisResult};

use crate::{
    clock::monotonic_us,
    error::{Doing, LoadError},
    procfs::{self, Cores},
};

/// How long it may take until it answers.
const START_LIMIT_US: i64 = 10_000_000;
/// Commands that are asked in one write.
const AT_ONCE: usize = 500;

/// A `redis-server` that keeps nothing on disk; it ends when this is dropped.
pub struct RedisServer {
    child: Child,
    directory: PathBuf,
    connection: Connection,
    url: String,
}

/// What Redis has counted since its start.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By command, in lower case: how often it ran, be it sent or called by a script.
    pub commands: BTreeMap<String, u64>,
    /// Reads from sockets.
    pub reads: u64,
}

impl RedisServer {
    /// Starts it on a free port, on whatever core is free, and waits until it answers.
    pub fn start(cores: &Cores) -> Result<Self, LoadError> {
        let port = free_port().doing("finding a port for Redis")?;
        let directory = env::temp_dir().join(format!("downbeat-load-{}-redis-{port}", std::process::id()));
        fs::create_dir_all(&directory).doing("making a directory for Redis")?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        cores.unpin();
        let child = command.spawn();
        procfs::pin(None, cores.generator);
        let mut child = match child {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(LoadError::NoRedis),
            child => child.doing("starting redis-server")?,
        };
        let url = format!("redis://127.0.0.1:{port}/0");
        match connected(&url) {
            Ok(connection) => Ok(Self { child, directory, connection, url }),
            Err(source) => {
                // It fails only where it has ended already.
                let _ = child.kill();
                let _ = child.wait();
                Err(LoadError::Redis { doing: "connecting to redis-server", source })
            }
        }
    }

    /// With its database.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ask<T: redis::FromRedisValue>(&mut self, command: &Cmd) -> Result<T, LoadError> {
        command.query(&mut self.connection).map_err(|source| LoadError::Redis { doing: "asking Redis", source })
    }

    /// Answers in the order of the commands, few writes for many.
    pub fn ask_all<T: redis::FromRedisValue>(&mut self, commands: &[Cmd]) -> Result<Vec<T>, LoadError> {
        let mut answers = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(AT_ONCE) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            for command in chunk {
                pipeline.add_command(command.clone());
            }
            let chunk: RedisResult<Vec<T>> = pipeline.query(&mut self.connection);
            answers.extend(chunk.map_err(|source| LoadError::Redis { doing: "asking Redis", source })?);
        }
        Ok(answers)
    }

    /// What was counted until now.
    pub fn counts(&mut self) -> Result<Counts, LoadError> {
        let text: String = self.ask(redis::cmd("INFO").arg("commandstats").arg("stats"))?;
        Ok(Counts::read(&text))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Counts {
    /// Reads the answer to `INFO commandstats stats`.
    pub fn read(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines() {
            if let Some((command, rest)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls=")) {
                let calls = rest.split(',').next().and_then(|calls| calls.parse().ok()).unwrap_or(0);
                counts.commands.insert(command.to_owned(), calls);
            } else if let Some(reads) = line.strip_prefix("total_reads_processed:") {
                counts.reads = reads.trim().parse().unwrap_or(0);
            }
        }
        counts
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let more = self.commands.iter().map(|(command, calls)| {
            let before = earlier.commands.get(command).copied().unwrap_or(0);
            (command.clone(), calls.saturating_sub(before))
        });
        let commands = more.filter(|(_, calls)| *calls > 0).collect();
        Self { commands, reads: self.reads.saturating_sub(earlier.reads) }
    }

    /// How often any of these ran.
    pub fn of(&self, commands: &[&str]) -> u64 {
        commands.iter().filter_map(|command| self.commands.get(*command)).sum()
    }
}

fn connected(url: &str) -> RedisResult<Connection> {
    let client = redis::Client::open(url)?;
    let began_us = monotonic_us();
    loop {
        match client.get_connection() {
            Err(error) if monotonic_us() - began_us > START_LIMIT_US => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(20)),
            connected => return connected,
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
