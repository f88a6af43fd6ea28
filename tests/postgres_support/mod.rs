//! A real PostgreSQL server of a test binary's own: it listens on a free port of 127.0.0.1, keeps its files in a
//! temporary folder, and is gone with the test's process, even if that is killed.
//!
//! Other test binaries take it in with `#[path = "../postgres_support/mod.rs"] mod postgres_support;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How long a server may take for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
const MISSING: &str = "PostgreSQL's `initdb`, `postgres` and `psql` are neither below /usr/lib/postgresql nor in PATH: \
                       install the Debian package `postgresql`, or run scripts/setup";

/// A PostgreSQL that forgets what it has not written when the machine dies, but not when it is killed.
pub struct PostgresServer {
    port: u16,
    folder: PathBuf,
    programs: PathBuf,
    running: Option<Running>,
}

struct Running {
    server: Child,
    /// Ends the server and its folder when this process ends, however it ends: then its standard input closes.
    watchdog: Child,
}

impl PostgresServer {
    /// Resolves once it accepts connections; with an empty database and one superuser, `postgres`.
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        if let Some((user, group)) = unprivileged() {
            chown(&folder, Some(user), Some(group)).expect("the folder is ours to give");
        }
        let mut server = Self { port: free_port(), programs: programs(), folder, running: None };
        let mut initdb = server.command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let made = initdb.arg("--pgdata").arg(server.folder.join("data")).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.restart();
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres", "postgres")
    }

    /// For another user or database.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// What `psql` answers to statements: rows as lines, columns with `|` between. It stops at the first error.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = self.command("psql");
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statements]);
        let said = psql.arg(self.url_of("postgres", database)).output().expect("psql runs");
        assert!(said.status.success(), "psql: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Makes a database and gives its URL.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url_of("postgres", name)
    }

    /// Ends it at once, as `kill -9` would: connections break, and it recovers from its log when it starts again.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The watchdog first, so that it never meets a process that has taken over the number.
            end(&mut running.watchdog);
            let process = rustix::process::Pid::from_child(&running.server);
            // SIGQUIT is its immediate shutdown. SIGKILL would leave its children, who hold the shared memory.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
            let _ = running.server.wait();
        }
    }

    /// Starts it again on the same port with what it had; kills it before if it runs.
    pub fn restart(&mut self) {
        self.kill();
        let mut postgres = self.command("postgres");
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.display()),
            "fsync=off".to_owned(),
            "max_connections=100".to_owned(),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            "lc_messages=C".to_owned(),
        ];
        for setting in settings {
            postgres.args(["-c", &setting]);
        }
        postgres.arg("-D").arg(self.folder.join("data")).stdin(Stdio::null()).stdout(Stdio::null());
        let mut server = postgres.stderr(Stdio::piped()).spawn().expect("postgres runs");
        let order = format!("cat >/dev/null; kill -QUIT {}; sleep 1; rm -rf '{}'", server.id(), self.folder.display());
        let mut watchdog = Command::new("sh");
        let watchdog = watchdog.args(["-c", &order]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("a shell runs");
        let (lines, log) = mpsc::channel();
        let output = BufReader::new(server.stderr.take().expect("its log is piped"));
        thread::spawn(move || {
            // To the end, even when nobody listens: a full pipe would stop the server.
            for line in output.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        self.running = Some(Running { server, watchdog });
        let until = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while let Ok(line) = log.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains("database system is ready to accept connections") {
                return;
            }
            said.push(line);
        }
        panic!("PostgreSQL did not start, but said\n{}", said.join("\n"));
    }

    /// One of its programs, as somebody whom it accepts: as root it refuses to run.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match unprivileged() {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
        };
        command.current_dir(&self.folder).env_remove("PGOPTIONS");
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// Where the programs are, all of one version: the newest below Debian's folder, or where PATH's `initdb` really is.
fn programs() -> PathBuf {
    let is_complete = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists());
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| version(path));
    let installed = versions.iter().rev().map(|path| path.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path)
        .filter_map(|folder| Some(fs::canonicalize(folder.join("initdb")).ok()?.parent()?.to_owned()));
    installed.chain(in_path).find(is_complete).expect(MISSING)
}

/// The user and group `postgres`, if we are root and so must be somebody else.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users are listed");
    let user = users.lines().find(|line| line.starts_with("postgres:")).expect(MISSING);
    let mut ids = user.split(':').skip(2).map(|id| id.parse().expect("a number"));
    Some((ids.next().expect("a user"), ids.next().expect("a group")))
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
