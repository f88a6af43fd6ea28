//! Real nodes whose every line is kept, and members in their rooms.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::JoinHandle,
    time::Duration,
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    room::TokenRole,
};
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

pub const SECRET: &str = "acme's secret, long enough to be taken";
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A node that ends with its test.
pub struct Node {
    process: Child,
    folder: PathBuf,
    pub address: String,
    metrics: String,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Node {
    /// With a log in JSON, on ports of the system's choice.
    pub fn start(id: &str, arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-observed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = format!("default_tenant = \"acme\"\n[[tenants]]\nid = \"acme\"\njwt_secret = {SECRET:?}\n");
        std::fs::write(folder.join("downbeat.toml"), config).expect("the configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_downbeat"));
        command.args(["serve", "--config", "downbeat.toml", "--node-id", id, "--log-format", "json", "--drain-s", "1"]);
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]).args(arguments);
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOWNBEAT_") || name.starts_with("OTEL_"))
        {
            command.env_remove(name);
        }
        // The collector of a test is on this machine, whatever goes through a proxy here.
        command.env("NO_PROXY", "127.0.0.1");
        let mut process = command.spawn().expect("the node starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its log")).lines();
        let mut said = Vec::new();
        let listening = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            said.push(line);
            let address = |name| told["fields"][name].as_str().map(str::to_owned);
            Some((address("http.address")?, address("metrics.address")?))
        });
        let (address, metrics) = listening.unwrap_or_else(|| panic!("the node never listened:\n{}", said.join("\n")));
        let log = std::thread::spawn(move || said.into_iter().chain(lines.map_while(Result::ok)).collect());
        Self { process, folder, address, metrics, log: Some(log) }
    }

    /// Asks it to stop, waits until it has, and answers all that it has logged.
    pub fn stop(mut self) -> Vec<String> {
        let pid = i32::try_from(self.process.id()).expect("a process id");
        kill_process(Pid::from_raw(pid).expect("a process id"), Signal::TERM).expect("it runs");
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "{status}");
        self.log.take().expect("its log").join().expect("its log")
    }

    /// The value of a series, as Prometheus reads it; None while it is not there.
    pub async fn figure(&self, series: &str) -> Option<f64> {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("http://{}/metrics", self.metrics)).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    pub async fn new_room(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let call = client.post(format!("http://{}/api/music/rooms", self.address));
        let answer = call.bearer_auth(token("ms-lee", TokenRole::Teacher)).send().await.expect("an answer");
        let room: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
        room["room_id"].as_str().unwrap_or_else(|| panic!("no code in {room}")).to_owned()
    }

    /// A socket that this token opens.
    pub async fn open(&self, token: &str) -> Result<Member, String> {
        let url = format!("ws://{}/socket/websocket?vsn=2.0.0&token={token}", self.address);
        let (socket, _) = connect_async(url).await.map_err(|error| error.to_string())?;
        Ok(Member { socket, refs: 0 })
    }

    /// A teacher's socket that has joined the room.
    pub async fn teach(&self, code: &str) -> Member {
        let mut teacher = self.open(&token("ms-lee", TokenRole::Teacher)).await.expect("a socket");
        let joined = teacher.ask(code, "phx_join", json!({ "name": "Ms Lee" })).await;
        assert_eq!(joined["status"], "ok", "{joined}");
        teacher
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// One socket.
pub struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    refs: u32,
}

impl Member {
    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, code: &str, event: &str, payload: Value) -> Value {
        self.refs += 1;
        let reference = self.refs.to_string();
        let frame = json!(["1", reference, format!("music_room:{code}"), event, payload]).to_string();
        self.say(&frame).await;
        let answered = async {
            while let Some(Ok(message)) = self.socket.next().await {
                let frame: Value =
                    message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                if frame[3] == "phx_reply" && frame[1] == reference.as_str() {
                    return frame[4].clone();
                }
            }
            panic!("the socket was closed");
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("it is answered in time")
    }

    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("it is open");
    }

    /// Resolves when the node has closed the socket.
    pub async fn closed(&mut self) {
        let ended = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::time::timeout(PATIENCE, ended).await.expect("it is closed in time");
    }
}

pub fn token(sub: &str, role: TokenRole) -> String {
    signed(SECRET, sub, role)
}

pub fn signed(secret: &str, sub: &str, role: TokenRole) -> String {
    install_crypto();
    let config =
        TenantConfig { id: "acme".into(), jwt_secret: Some(secret.to_owned().into()), ..TenantConfig::default() };
    let tenant = config.build(std::path::Path::new(".")).expect("a tenant");
    let grant = Grant { sub: Some(sub.to_owned()), role, name: None, room: None, ttl_s: 3_600 };
    let since = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970");
    mint(&tenant, &grant, i64::try_from(since.as_secs()).expect("a time before the end of time")).expect("a token")
}
