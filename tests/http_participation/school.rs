//! The server under test, its database, and how the tests talk to it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    participation::{Batch, Database, DatabaseUrl},
    room::TokenRole,
};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;

/// How long anything may take that happens by itself.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const MUSIC: &str = "/api/music";
const CONFIG: &str = r#"
default_tenant = "acme"
[[tenants]]
id = "acme"
jwt_secret = "acme's secret, long enough to be taken"
guests = true
[[tenants]]
id = "zeta"
jwt_secret = "zeta's secret, long enough to be taken"
[[tenants]]
id = "silent"
jwt_secret = "silent's secret, long enough to be taken"
participation = false
"#;

/// A running server that ends with its test.
pub struct School {
    process: Child,
    directory: PathBuf,
    pub address: String,
    pub database: Database,
    client: Client,
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
        let code = error["code"].as_str().expect("a code").to_owned();
        (self.status, code, error["field"].as_str().map(str::to_owned))
    }
}

impl School {
    /// With a database file of its own.
    pub async fn open(name: &str) -> Self {
        Self::with_database(name, "sqlite:data/downbeat.db").await
    }

    pub async fn with_database(name: &str, database_url: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("downbeat-participation-{}-{name}", std::process::id()));
        std::fs::create_dir_all(directory.join("data")).expect("a directory");
        std::fs::write(directory.join("downbeat.toml"), CONFIG).expect("the configuration");
        let mut process = Command::new(env!("CARGO_BIN_EXE_downbeat"))
            .args(["serve", "--config", "downbeat.toml", "--data-dir", "data", "--database-url", database_url])
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let mut lines = Vec::new();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let address = listening(&line);
            lines.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("the server says where it listens: {lines:?}"));
        // What it logs from now on is of no interest, but must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        let file = directory.join("data/downbeat.db");
        let database = Database::new(&DatabaseUrl::Sqlite(file));
        Self { process, directory, address, database, client: Client::builder().no_proxy().build().expect("a client") }
    }

    /// Puts a lesson into the database, as if it had come the whole way.
    pub async fn remember(&self, batch: &Batch) {
        let inserted = self.database.insert(batch).await.expect("a database");
        assert_eq!((inserted.events, inserted.rejected.len()), (batch.events.len(), 0));
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{MUSIC}{path}", self.address)).bearer_auth(token)
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        sent(self.request(Method::GET, path, token)).await
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        sent(self.request(method, path, token).body(body.to_string())).await
    }

    pub async fn new_room(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "bpm": 120 });
        let answer = self.send(Method::POST, "/rooms", &teacher("acme"), &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["room_id"].as_str().expect("a code").to_owned()
    }

    /// Asks again until the answer is as wanted: what is recorded takes a moment to the database.
    pub async fn until(&self, path: &str, token: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get(path, token).await;
            let is_there = answer.status == 200 && enough(&answer.json());
            assert!(is_there || began.elapsed() < PATIENCE, "{path}: {} {}", answer.status, answer.text);
            if is_there {
                return answer.json();
            }
        }
    }
}

impl Drop for School {
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

pub fn teacher(tenant: &str) -> String {
    token(tenant, TokenRole::Teacher, Some("mrs-lee"), None)
}

pub fn student(id: &str) -> String {
    token("acme", TokenRole::Student, Some(id), None)
}

/// For ten minutes.
pub fn token(tenant: &str, role: TokenRole, sub: Option<&str>, room: Option<&str>) -> String {
    install_crypto();
    let secret = format!("{tenant}'s secret, long enough to be taken");
    let config = TenantConfig { id: tenant.into(), jwt_secret: Some(secret.into()), ..Default::default() };
    let tenant = config.build(Path::new(".")).expect("a sound tenant");
    let room = room.map(str::to_owned);
    let grant = Grant { sub: sub.map(str::to_owned), role, name: None, room, ttl_s: 600 };
    mint(&tenant, &grant, now_us() / 1_000_000).expect("a token")
}

pub fn now_us() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970");
    i64::try_from(since.as_micros()).expect("a time before the end of time")
}

/// The address of the log line that tells it.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").filter(|fields| fields["message"] == "listening")?;
    Some(fields["http.address"].as_str()?.to_owned())
}
