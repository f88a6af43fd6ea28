//! A PostgreSQL of the benchmark's own: Debian's defaults, files in a folder that is named, a free port of 127.0.0.1.

use std::{
    fs::{self, File},
    io,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const START_LIMIT: Duration = Duration::from_secs(60);
/// `sysconf(_SC_CLK_TCK)`, which Linux fixes at 100 for programs.
const US_PER_TICK: u64 = 10_000;

/// A server that runs; it ends when this is dropped. Its files stay.
pub struct Postgres {
    server: Child,
    port: u16,
    folder: PathBuf,
}

impl Postgres {
    /// Starts the server on what `folder` holds from an earlier run, or makes a new one there.
    pub fn start(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        if let Some((user, group)) = unprivileged()? {
            chown(&folder, Some(user), Some(group))?;
        }
        let data = folder.join("data");
        if !data.exists() {
            let mut initdb = command("initdb", &folder)?;
            initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]);
            said(initdb.arg(&data))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = command("postgres", &folder)?;
        postgres.args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1", "-c", "lc_messages=C", "-c"]);
        postgres.arg(format!("unix_socket_directories={}", folder.display())).arg("-D").arg(&data);
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let server = postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let started = Self { server, port, folder };
        let began = Instant::now();
        while let Err(error) = started.sql("SELECT 1") {
            if began.elapsed() > START_LIMIT {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(started)
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// What `psql` answers: rows as lines, columns with `|` between.
    pub fn sql(&self, statements: &str) -> io::Result<String> {
        let mut psql = command("psql", &self.folder)?;
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statements]).arg(self.url());
        said(&mut psql)
    }

    /// User and system time of all its processes since it started, those that have ended included.
    pub fn cpu_us(&self) -> u64 {
        let postmaster = self.server.id();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks = processes.filter_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            // The program's name may hold spaces; what follows its closing bracket does not.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
            match (pid == postmaster, number(1)? == u64::from(postmaster)) {
                // Its children that have ended count with it.
                (true, _) => Some(number(11)? + number(12)? + number(13)? + number(14)?),
                (_, true) => Some(number(11)? + number(12)?),
                _ => None,
            }
        });
        ticks.sum::<u64>() * US_PER_TICK
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its fast shutdown: it writes out what it has. Either fails only where it has ended already.
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.server), rustix::process::Signal::INT);
        let _ = self.server.wait();
    }
}

/// One of PostgreSQL's programs, as somebody whom it accepts: as root it refuses to run.
fn command(program: &str, folder: &Path) -> io::Result<Command> {
    let program = programs()?.join(program);
    let mut command = match unprivileged()? {
        None => Command::new(program),
        Some((user, group)) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
            // It ends with this process, even if that is killed.
            command.args(["--pdeathsig", "INT"]).arg(program);
            command
        }
    };
    command.current_dir(folder).env_remove("PGOPTIONS");
    Ok(command)
}

fn said(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// The newest below Debian's folder.
fn programs() -> io::Result<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path()).max_by_key(version).map(|path| path.join("bin"));
    newest.ok_or_else(|| io::Error::other("no PostgreSQL below /usr/lib/postgresql: install the package `postgresql`"))
}

/// The user and group `postgres`, if we are root and so must be somebody else.
fn unprivileged() -> io::Result<Option<(u32, u32)>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find(|line| line.starts_with("postgres:"));
    let mut ids = user.into_iter().flat_map(|line| line.split(':').skip(2)).map_while(|id| id.parse().ok());
    match (ids.next(), ids.next()) {
        (Some(user), Some(group)) => Ok(Some((user, group))),
        _ => Err(io::Error::other("there is no user `postgres` to run the server")),
    }
}
