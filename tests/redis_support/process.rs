//! One `redis-server` process.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);
const READY: &str = "eady to accept connections";

/// A `redis-server` without persistence: what it holds is lost when it is killed.
pub struct RedisServer {
    port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
    running: Option<Running>,
}

struct Running {
    server: Child,
    /// Ends the server when this process ends, however it ends: then its standard input closes.
    watchdog: Child,
    log: Mutex<mpsc::Receiver<String>>,
}

impl RedisServer {
    /// Resolves once it accepts connections.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further arguments, such as `["--requirepass", "secret"]`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::prepare(arguments);
        server.restart();
        server
    }

    /// With a free port and a folder, not yet running.
    pub fn prepare(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { port: free_port(), folder, arguments, running: None }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power cut would (`kill -9`).
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The watchdog first, so that it never meets a process that has taken over the number.
            end(&mut running.watchdog);
            end(&mut running.server);
        }
    }

    /// Starts it again on the same port, empty; kills it before if it runs.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(&self.folder).args(&self.arguments);
        self.run(command, READY);
    }

    /// Runs `command` as this server, until its log says `ready`.
    pub fn run(&mut self, mut command: Command, ready: &str) {
        let mut server = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("redis-server runs");
        let order = format!("cat >/dev/null; kill -9 {}; rm -rf '{}'", server.id(), self.folder.display());
        let mut watchdog = Command::new("sh");
        let watchdog = watchdog.args(["-c", &order]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("a shell runs");
        let (lines, log) = mpsc::channel();
        let output = BufReader::new(server.stdout.take().expect("its output is piped"));
        thread::spawn(move || {
            // To the end, even when nobody listens: a full pipe would stop the server.
            for line in output.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        self.running = Some(Running { server, watchdog, log: Mutex::new(log) });
        self.wait_for_log(ready);
    }

    /// Waits until the log says `text`, from where the last wait ended.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        let log = self.running.as_ref().expect("the server runs").log.lock();
        let until = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while let Ok(line) = log.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            said.push(line);
        }
        panic!("the server never said `{text}`, but\n{}", said.join("\n"));
    }

    /// It keeps its connections and answers nothing (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on where it stood.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("the server runs");
        kill_process(Pid::from_child(&running.server), signal).expect("the server is there");
    }

    /// What `redis-cli` answers to a command.
    pub fn command(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
