//! Real nodes on one Redis, and members in their rooms.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    room::TokenRole,
};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::asking::downbeat;

const SECRET: &str = "acme's secret, long enough to be taken";

/// A node that ends with its test.
pub struct Node {
    process: Child,
    folder: PathBuf,
    pub address: String,
}

impl Node {
    pub fn start(redis_url: &str, id: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = format!("default_tenant = \"acme\"\n[[tenants]]\nid = \"acme\"\njwt_secret = {SECRET:?}\n");
        std::fs::write(folder.join("downbeat.toml"), config).expect("the configuration");
        let mut command = downbeat(&["serve", "--config", "downbeat.toml", "--redis-url", redis_url, "--node-id", id]);
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"]);
        // One file does for the nodes of one host, and what is recorded goes its way through Redis all the same.
        command.args(["--database-url", "sqlite:downbeat.db"]);
        command.current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the node starts");
        let mut log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let mut said = Vec::new();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let fields: Value = serde_json::from_str(&line).unwrap_or_default();
            let address = fields["fields"]["http.address"].as_str().map(str::to_owned);
            said.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("the node never listened:\n{}", said.join("\n")));
        // What it logs from now on is of no interest, but must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, folder, address }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// As a teacher, over HTTP.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let call = client.request(method, format!("http://{}/api/music{path}", self.address));
        let answer = call.bearer_auth(token("ms-lee", TokenRole::Teacher)).body(body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub async fn new_room(&self) -> String {
        let room = self.call(Method::POST, "/rooms", json!({"bpm": 240})).await;
        room["room_id"].as_str().expect("a code").to_owned()
    }

    /// A member's socket that has joined the room.
    pub async fn join(&self, id: &str, code: &str) -> Member {
        let token = token(id, if id == "ms-lee" { TokenRole::Teacher } else { TokenRole::Student });
        let url = format!("ws://{}/socket/websocket?vsn=2.0.0&token={token}", self.address);
        let (socket, _) = connect_async(url).await.expect("a socket");
        let mut member = Member { socket, topic: format!("music_room:{code}"), refs: 0 };
        member.ask("phx_join", json!({ "name": id })).await;
        member
    }

    /// Joins a private realtime topic as its owner, who wants every broadcast acknowledged.
    pub async fn join_topic(&self, id: &str) -> Member {
        let url = format!("ws://{}/socket/websocket?vsn=2.0.0&token={}", self.address, token(id, TokenRole::Student));
        let (socket, _) = connect_async(url).await.expect("a socket");
        let mut member = Member { socket, topic: format!("realtime:{id}"), refs: 0 };
        let replay = json!({ "since": 0, "limit": 25 });
        let config = json!({ "private": true, "broadcast": { "ack": true, "replay": replay } });
        member.ask("phx_join", json!({ "config": config })).await;
        member
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// One connection in one room.
pub struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    topic: String,
    refs: u32,
}

impl Member {
    /// Asks, and waits for the ok.
    pub async fn ask(&mut self, event: &str, payload: Value) {
        self.refs += 1;
        let reference = self.refs.to_string();
        let frame = json!(["1", reference, self.topic, event, payload]).to_string();
        self.socket.send(Message::text(frame)).await.expect("it is open");
        let answer = self.hear(|frame| frame[3] == "phx_reply" && frame[1] == reference.as_str()).await;
        assert_eq!(answer[4]["status"], "ok", "{event}: {answer}");
    }

    /// The next frame that satisfies.
    pub async fn hear(&mut self, enough: impl Fn(&Value) -> bool) -> Value {
        let heard = async {
            while let Some(Ok(message)) = self.socket.next().await {
                let frame: Value =
                    message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                if enough(&frame) {
                    return frame;
                }
            }
            panic!("the socket was closed");
        };
        tokio::time::timeout(super::asking::PATIENCE, heard).await.expect("it is heard in time")
    }
}

fn token(sub: &str, role: TokenRole) -> String {
    install_crypto();
    let config =
        TenantConfig { id: "acme".into(), jwt_secret: Some(SECRET.to_owned().into()), ..TenantConfig::default() };
    let tenant = config.build(std::path::Path::new(".")).expect("a tenant");
    let grant = Grant { sub: Some(sub.to_owned()), role, name: None, room: None, ttl_s: 3_600 };
    let since = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970");
    mint(&tenant, &grant, i64::try_from(since.as_secs()).expect("a time before the end of time")).expect("a token")
}
