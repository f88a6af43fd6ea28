//! The server under test, and how the tests talk to it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    room::TokenRole,
};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;

pub const ROOMS: &str = "/api/music/rooms";
const CONFIG: &str = r#"
default_tenant = "acme"
[[tenants]]
id = "acme"
jwt_secret = "acme's secret, long enough to be taken"
origins = ["https://*.acme.org"]
guests = true
[tenants.limits]
max_rooms_per_tenant = 5
[[tenants]]
id = "zeta"
jwt_secret = "zeta's secret, long enough to be taken"
origins = ["https://zeta.org"]
[[tenants]]
id = "tiny"
jwt_secret = "tiny's secret, long enough to be taken"
[tenants.limits]
max_events_per_second = 5
max_payload_bytes = 1024
[[tenants]]
id = "gone"
jwt_secret = "gone's secret, long enough to be taken"
suspended = true
"#;

/// A running server that ends with its test.
pub struct Server {
    process: Child,
    directory: PathBuf,
    base: String,
    /// The address of its metrics.
    pub metrics: String,
    pub client: Client,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The status, code and field of a failure, whose shape it checks.
    pub fn failure(&self) -> (u16, String, Option<String>) {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
        let code = error["code"].as_str().expect("a code").to_owned();
        (self.status, code, error["field"].as_str().map(str::to_owned))
    }
}

impl Server {
    pub async fn serve(name: &str) -> Self {
        Self::start(name, &["serve", "--config", "downbeat.toml"]).await
    }

    /// On ports of the system's choice, which the server's log then names.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        let directory = format!("downbeat-rest-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("downbeat.toml"), CONFIG).expect("the configuration");
        let mut process = Command::new(env!("CARGO_BIN_EXE_downbeat"))
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let listening = log.by_ref().map_while(Result::ok).find_map(|line| listening(&line));
        let (listen, metrics) = listening.expect("the server says where it listens");
        // What it logs from now on is of no interest, but must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            process,
            directory,
            base: format!("http://{listen}"),
            metrics: format!("http://{metrics}/metrics"),
            client: Client::builder().no_proxy().build().expect("a client"),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Its address, for sockets.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub async fn get(&self, path: &str) -> Answer {
        sent(self.request(Method::GET, path)).await
    }

    /// As acme's teacher.
    pub async fn teacher(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        sent(self.request(method, path).bearer_auth(token("acme", TokenRole::Teacher)).body(body)).await
    }

    pub async fn new_room(&self) -> String {
        let answer = self.teacher(Method::POST, ROOMS, &Value::Null).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["room_id"].as_str().expect("a code").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where either fails, the process or directory is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub async fn sent(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, text: answer.text().await.expect("a body of text") }
}

/// A token of ada, for ten minutes.
pub fn token(tenant: &str, role: TokenRole) -> String {
    signed(tenant, &format!("{tenant}'s secret, long enough to be taken"), role)
}

/// The same, signed with any secret.
pub fn signed(tenant: &str, secret: &str, role: TokenRole) -> String {
    install_crypto();
    let config = TenantConfig { id: tenant.into(), jwt_secret: Some(secret.to_owned().into()), ..Default::default() };
    let tenant = config.build(Path::new(".")).expect("a sound tenant");
    let since = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970");
    let now_s = i64::try_from(since.as_secs()).expect("a time before the end of time");
    let grant = Grant { sub: Some("ada".into()), role, name: None, room: None, ttl_s: 600 };
    mint(&tenant, &grant, now_s).expect("a token")
}

/// The addresses of the log line that tells them.
fn listening(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").filter(|fields| fields["message"] == "listening")?;
    let address = |name| fields[name].as_str().map(str::to_owned);
    Some((address("http.address")?, address("metrics.address")?))
}
