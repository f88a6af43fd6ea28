//! The server under test as a process of its own: Downbeat itself, or the bare one.

use std::{
    collections::VecDeque,
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::Join,
    clock,
    error::{Doing, LoadError},
    http::Http,
    procfs::{self, Cores},
};

const SECRET: &str = "load-generator-secret-of-32-bytes-and-more";
/// Connections over which rooms are made.
const MAKERS: usize = 8;
const START_LIMIT: Duration = Duration::from_secs(20);

/// Which server, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Downbeat,
    /// `clock`: whether its rooms beat.
    Bare {
        clock: bool,
    },
    /// … without beats, and it lets frames for a socket wait for each other.
    BareCoalescing,
}

/// Whether a server records its lessons, and where.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    pub on: bool,
    /// None: where the server does by itself, in a file of its data directory or, in a cluster, nowhere.
    pub database: Option<&'a str>,
}

impl Recording<'_> {
    /// As a server does by itself.
    pub const USUAL: Self = Self { on: true, database: None };
}

/// A node's place in a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub redis_url: &'a str,
    pub id: &'a str,
    pub recording: Recording<'a>,
    /// How far the node's boot-time clock is ahead of the machine's; none: it is the machine's.
    pub boot_ahead_s: Option<u32>,
}

/// A server that runs; it ends when this is dropped.
pub struct Server {
    child: Child,
    subject: Subject,
    pub address: SocketAddr,
    metrics: Option<SocketAddr>,
    teacher: String,
    socket_path: Arc<str>,
    /// The same for private topics.
    private_path: Arc<str>,
    directory: PathBuf,
}

impl Server {
    /// Whose rooms there are.
    pub const TENANT: &str = "load";

    /// Starts it on its core and waits until it listens.
    pub fn start(subject: Subject, program: &Path, cores: &Cores) -> Result<Self, LoadError> {
        let directory = new_directory()?;
        let command = command(subject, program, &directory)?;
        Self::begin(command, subject, directory, cores)
    }

    /// Starts Downbeat on its core, and waits until it listens.
    pub fn start_recording(recording: Recording<'_>, program: &Path, cores: &Cores) -> Result<Self, LoadError> {
        let directory = new_directory()?;
        let command = serve(None, program, &directory, recording)?;
        Self::begin(command, Subject::Downbeat, directory, cores)
    }

    fn begin(command: Command, subject: Subject, directory: PathBuf, cores: &Cores) -> Result<Self, LoadError> {
        // A process begins on the core of the thread that starts it.
        procfs::pin(None, cores.server);
        let child = spawn(command, &directory);
        procfs::pin(None, cores.generator);
        Self::listening(child?, subject, directory)
    }

    /// Starts a node of a cluster, on whatever core is free, and waits until it listens.
    pub fn join(place: &Place<'_>, program: &Path, cores: &Cores) -> Result<Self, LoadError> {
        let directory = new_directory()?;
        let launcher = place.boot_ahead_s.map(|seconds| {
            let mut launcher = Command::new("unshare");
            launcher.args(["--time", "--boottime", &seconds.to_string()]).arg(program);
            launcher
        });
        let mut command = serve(launcher, program, &directory, place.recording)?;
        command.args(["--redis-url", place.redis_url, "--node-id", place.id]);
        cores.unpin();
        let child = spawn(command, &directory);
        procfs::pin(None, cores.generator);
        Self::listening(child?, Subject::Downbeat, directory)
    }

    fn listening(mut child: Child, subject: Subject, directory: PathBuf) -> Result<Self, LoadError> {
        let listening = wait_until_listening(&mut child);
        let mut server = Self {
            child,
            subject,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: None,
            teacher: token("teacher", Some("teacher"), &[])?,
            socket_path: socket_path(&token("student", None, &[])?),
            private_path: socket_path(&token("student", None, &["realtime:*"])?),
            directory,
        };
        // The child is owned by now, so an error ends it.
        (server.address, server.metrics) = listening?;
        Ok(server)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<(), LoadError> {
        self.child.kill().doing("killing a node")?;
        self.child.wait().doing("waiting for a node's end").map(drop)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn rss_kib(&self) -> Result<u64, LoadError> {
        procfs::rss_kib(self.pid())
    }

    /// Makes rooms of up to `members`; returns their topics. A room with `autostart` beats from its first join on.
    pub fn rooms(&self, count: usize, members: usize, autostart: bool) -> Result<Vec<Arc<str>>, LoadError> {
        if self.subject != Subject::Downbeat {
            return Ok((0..count).map(|number| format!("music_room:MUSIC-{number:04}").into()).collect());
        }
        let body = json!({"bpm": 120, "autostart": autostart, "max_students": members.max(2)}).to_string();
        self.spread(count, |http, _| {
            let answer = http.request("POST", "/api/music/rooms", Some(&self.teacher), Some(&body))?;
            let code = serde_json::from_str::<Value>(&answer)
                .ok()
                .and_then(|room| room.get("room_id")?.as_str().map(str::to_owned))
                .ok_or(LoadError::Protocol { what: "the answer to a new room", found: answer })?;
            Ok(format!("music_room:{code}").into())
        })
    }

    /// Starts the clocks of rooms in which nobody is.
    pub fn start_clocks(&self, topics: &[Arc<str>]) -> Result<(), LoadError> {
        let started = self.spread(topics.len(), |http, number| {
            let code = topics[number].trim_start_matches("music_room:");
            let path = format!("/api/music/rooms/{code}/actions/start_clock");
            http.request("POST", &path, Some(&self.teacher), Some("{}"))
        });
        started.map(drop)
    }

    fn spread<T: Send>(
        &self,
        count: usize,
        act: impl Fn(&mut Http, usize) -> Result<T, LoadError> + Sync,
    ) -> Result<Vec<T>, LoadError> {
        thread::scope(|scope| {
            let makers: Vec<_> = (0..MAKERS.min(count))
                .map(|maker| {
                    let act = &act;
                    scope.spawn(move || {
                        let mut http = Http::connect(self.address)?;
                        (maker..count)
                            .step_by(MAKERS)
                            .map(|number| act(&mut http, number))
                            .collect::<Result<Vec<T>, LoadError>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(count);
            for maker in makers {
                all.extend(
                    maker
                        .join()
                        .unwrap_or_else(|_| Err(LoadError::NotListening("a thread of the generator failed".into())))?,
                );
            }
            Ok(all)
        })
    }

    /// One join for each place in `topics`, `members` to a room, room after room.
    pub fn joins(&self, topics: &[Arc<str>], members: usize) -> Vec<Join> {
        let places = topics.iter().flat_map(|topic| std::iter::repeat_n(topic, members));
        places.enumerate().map(|(number, topic)| self.join_of(number, topic)).collect()
    }

    /// How the student of this number comes into a room.
    pub fn join_of(&self, number: usize, topic: &Arc<str>) -> Join {
        let params = format!(r#"{{"student_id":"s{number:05}"}}"#);
        Join { path: self.socket_path.clone(), topic: topic.clone(), params }
    }

    /// How a client comes onto a topic of broadcasts; `config` is JSON text.
    pub fn topic_join(&self, topic: &Arc<str>, private: bool, config: &str) -> Join {
        let path = if private { &self.private_path } else { &self.socket_path };
        Join { path: path.clone(), topic: topic.clone(), params: format!(r#"{{"config":{config}}}"#) }
    }

    /// The text of `/metrics`; empty for a server that has none.
    pub fn metrics(&self) -> Result<String, LoadError> {
        match self.metrics {
            Some(address) => Http::connect(address)?.request("GET", "/metrics", None, None),
            None => Ok(String::new()),
        }
    }

    /// The sum of all lines of `/metrics` that begin so.
    pub fn metric(&self, name: &str) -> Result<f64, LoadError> {
        let text = self.metrics()?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory for the next server.
fn new_directory() -> Result<PathBuf, LoadError> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let serial = STARTED.fetch_add(1, Ordering::Relaxed);
    let directory = env::temp_dir().join(format!("downbeat-load-{}-{serial}", std::process::id()));
    fs::create_dir_all(&directory).doing("making a directory for the server")?;
    Ok(directory)
}

fn spawn(mut command: Command, directory: &Path) -> Result<Child, LoadError> {
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().doing("starting the server")
}

fn command(subject: Subject, program: &Path, directory: &Path) -> Result<Command, LoadError> {
    let flags: &[&str] = match subject {
        Subject::Downbeat => return serve(None, program, directory, Recording::USUAL),
        Subject::Bare { clock: false } => &[],
        Subject::Bare { clock: true } => &["--bare-clock"],
        Subject::BareCoalescing => &["--bare-coalescing"],
    };
    let own = env::current_exe().doing("finding this program")?;
    let mut command = Command::new(own);
    command.arg("--bare-server").args(flags);
    Ok(command)
}

/// `launcher`: what starts the program in its place, and names it already.
fn serve(
    launcher: Option<Command>,
    program: &Path,
    directory: &Path,
    recording: Recording<'_>,
) -> Result<Command, LoadError> {
    if !program.exists() {
        return Err(LoadError::NoServer(program.to_owned()));
    }
    let config = directory.join("load.toml");
    let text = CONFIG.replace("SECRET", SECRET).replace("RECORDED", if recording.on { "true" } else { "false" });
    fs::write(&config, text).doing("writing the configuration")?;
    let mut command = launcher.unwrap_or_else(|| Command::new(program));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--metrics-listen", "127.0.0.1:0"])
        .args(["--log-format", "json", "--log", "info"])
        .arg("--config")
        .arg(config)
        .arg("--data-dir")
        .arg(directory);
    if let Some(url) = recording.database {
        command.args(["--database-url", url]);
    }
    Ok(command)
}

/// Every limit is at its highest: the machine shall give way first.
const CONFIG: &str = r#"default_tenant = "load"
[[tenants]]
id = "load"
jwt_secret = "SECRET"
participation = RECORDED
[tenants.limits]
max_concurrent_users = 1000000
max_joins_per_second = 100000
max_events_per_second = 1000000
max_rooms_per_tenant = 100000
max_students_per_room = 10000
notes_per_second = 1000
teacher_notes_per_second = 1000
"#;

fn socket_path(token: &str) -> Arc<str> {
    format!("/socket/websocket?vsn=2.0.0&token={token}").into()
}

/// `topics`: the private topics that it opens.
fn token(role: &str, sub: Option<&str>, topics: &[&str]) -> Result<String, LoadError> {
    let mut claims = json!({
        "tenant": "load",
        "role": role,
        "exp": clock::realtime_us() / 1_000_000 + 86_400,
    });
    if let Some(sub) = sub {
        claims["sub"] = sub.into();
    }
    if !topics.is_empty() {
        claims["topics"] = json!(topics);
    }
    // The error only says that it is installed already.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)
        .map_err(|error| LoadError::Token(error.to_string()))
}

/// Reads the log until it names the addresses, and keeps reading it after that, so that the server never waits.
fn wait_until_listening(child: &mut Child) -> Result<(SocketAddr, Option<SocketAddr>), LoadError> {
    let stderr = child.stderr.take().ok_or_else(|| LoadError::NotListening("it has no log".into()))?;
    let (found, addresses) = mpsc::channel();
    let last_words = Arc::new(Mutex::new(VecDeque::new()));
    let words = last_words.clone();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(addresses) = listening(&line) {
                // Nobody waits any more when this fails.
                let _ = found.send(addresses);
            }
            if let Ok(mut words) = words.lock() {
                words.push_back(line);
                if words.len() > 20 {
                    words.pop_front();
                }
            }
        }
    });
    addresses.recv_timeout(START_LIMIT).map_err(|_| {
        let words = last_words.lock().map(|words| Vec::from(words.clone()));
        LoadError::NotListening(words.unwrap_or_default().join("\n"))
    })
}

fn listening(line: &str) -> Option<(SocketAddr, Option<SocketAddr>)> {
    let fields = serde_json::from_str::<Value>(line).ok()?.get("fields")?.clone();
    if fields.get("message")?.as_str()? != "listening" {
        return None;
    }
    let address = |name: &str| fields.get(name)?.as_str()?.parse().ok();
    Some((address("http.address")?, address("metrics.address")))
}
