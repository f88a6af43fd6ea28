//! The program, asked.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {:?}", self.out))
    }

    /// The columns of the line that begins with these words; blanks in names part them too.
    pub fn line(&self, begins: &[&str]) -> Vec<&str> {
        let mut lines = self.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find(|words| words.starts_with(begins)).unwrap_or_else(|| panic!("no {begins:?} in\n{}", self.out))
    }
}

/// The program with these words, and nothing of this process' environment that it could take for a setting.
pub fn downbeat(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_downbeat"));
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOWNBEAT_")) {
        command.env_remove(name);
    }
    command
}

pub fn said(mut command: Command) -> Said {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it says UTF-8");
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Asks the cluster at `redis_url`.
pub fn ask(redis_url: &str, words: &[&str]) -> Said {
    said(downbeat(&[words, &["--redis-url", redis_url]].concat()))
}

pub fn ask_json(redis_url: &str, words: &[&str]) -> Value {
    ask(redis_url, &[words, &["--json"]].concat()).json()
}

/// Asks again until the answer satisfies.
pub fn ask_until(redis_url: &str, words: &[&str], enough: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask(redis_url, &[words, &["--json"]].concat());
        let json = serde_json::from_str(&answer.out).unwrap_or(Value::Null);
        if enough(&json) {
            return json;
        }
        assert!(Instant::now() < until, "never enough: {answer:#?}");
    }
}

/// A program that goes on, and the lines of its standard output as they come.
pub struct Running {
    process: Child,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program runs");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { process, lines: Mutex::new(lines) }
    }

    /// The next line that satisfies.
    pub fn line(&self, enough: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let lines = self.lines.lock();
        let mut others = Vec::new();
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if enough(&line) {
                return line;
            }
            others.push(line);
        }
        panic!("no such line, but\n{}", others.join("\n"));
    }

    /// The same of lines of JSON.
    pub fn json(&self, enough: impl Fn(&Value) -> bool) -> Value {
        let read = |line: &str| serde_json::from_str(line).unwrap_or(Value::Null);
        read(&self.line(|line| enough(&read(line))))
    }

    /// Ctrl-C; answers the exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.process), Signal::INT).expect("the program is there");
        self.process.wait().expect("it ends").code()
    }

    /// Resolves when it ends by itself.
    pub fn ended(mut self) -> Option<i32> {
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
