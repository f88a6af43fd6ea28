//! A node under test, and how an operator and the tenants' people talk to it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    room::TokenRole,
};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// How long anything may take that happens by itself.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const OPERATOR_KEY: &str = "the operator's key-of-at-least-32-characters";
pub const TENANTS: &str = "/api/tenants";
pub const ONE: &str = "acme's first secret, long enough to be taken";
pub const TWO: &str = "acme's second secret, long enough to be taken";
const FILE: &str = r#"
[[tenants]]
id = "filed"
jwt_secret = "filed's secret, long enough to be taken"
hosts = ["music.filed.org"]
"#;

/// A folder that ends with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-tenants-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).expect("a folder");
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running node that ends with its test.
pub struct Node {
    process: Child,
    pub address: String,
    client: Client,
    /// Ends with the process, and gives the line that has a secret in it.
    log: Option<JoinHandle<Option<String>>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The status, code and field of a failure.
    pub fn failure(&self) -> (u16, String, Option<String>) {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        let code = error["code"].as_str().expect("a code").to_owned();
        (self.status, code, error["field"].as_str().map(str::to_owned))
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().expect("a message").to_owned()
    }
}

impl Node {
    /// Alone, with a database file in the folder, and an operator key.
    pub fn alone(folder: &Folder) -> Self {
        Self::start(folder, &[("DOWNBEAT_OPERATOR_KEY", &operator_key())])
    }

    /// With nothing but these settings of the environment.
    pub fn start(folder: &Folder, environment: &[(&str, &str)]) -> Self {
        Self::try_start(folder, environment).unwrap_or_else(|log| panic!("the node does not start: {log:?}"))
    }

    /// Or what it says instead.
    pub fn try_start(folder: &Folder, environment: &[(&str, &str)]) -> Result<Self, Vec<String>> {
        std::fs::write(folder.0.join("downbeat.toml"), FILE).expect("the configuration");
        let mut process = Command::new(env!("CARGO_BIN_EXE_downbeat"))
            .args(["serve", "--config", "downbeat.toml", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--drain-s", "0"])
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let mut log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let mut lines = Vec::new();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let address = listening(&line);
            lines.push(line);
            address
        });
        let Some(address) = address else {
            let _ = process.wait();
            return Err(lines);
        };
        let tells = |line: &String| line.contains(ONE) || line.contains(TWO) || line.contains(&operator_key());
        let before = lines.into_iter().find(tells);
        // Reads to the end: what it logs must not fill the pipe.
        let log = std::thread::spawn(move || log.map_while(Result::ok).filter(tells).last().or(before));
        let client = Client::builder().no_proxy().build().expect("a client");
        Ok(Self { process, address, client, log: Some(log) })
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// As the operator; `path` is below /api/tenants.
    pub async fn operate(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        sent(self.request(method, &format!("{TENANTS}{path}")).bearer_auth(operator_key()).body(body)).await
    }

    /// Makes acme, or replaces it, with its first secret.
    pub async fn put_acme(&self) -> Answer {
        self.operate(Method::PUT, "/acme", &json!({"jwt_secret": ONE})).await
    }

    pub async fn patch_acme(&self, patch: &Value) -> Value {
        let answer = self.operate(Method::PATCH, "/acme", patch).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The rooms, as a token's bearer sees them.
    pub async fn rooms(&self, token: &str) -> Answer {
        sent(self.request(Method::GET, "/api/music/rooms").bearer_auth(token)).await
    }

    pub async fn new_room(&self, token: &str) -> Answer {
        sent(self.request(Method::POST, "/api/music/rooms").bearer_auth(token)).await
    }

    /// The code of a new room of acme's.
    pub async fn room_of_acme(&self) -> String {
        let answer = self.new_room(&teacher(ONE)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["room_id"].as_str().expect("a code").to_owned()
    }

    /// Asks until the answer is as wanted; says how long that took.
    pub async fn until(&self, token: &str, status: u16) -> Duration {
        let began = Instant::now();
        loop {
            let answer = self.rooms(token).await;
            if answer.status == status {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{}: {}", answer.status, answer.text);
        }
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let told = self.log.take().and_then(|log| log.join().ok().flatten());
        assert!(told.is_none() || std::thread::panicking(), "a secret is in the log: {told:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn sent(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("a body of text");
    assert!(!text.contains(ONE) && !text.contains(TWO), "a secret came back: {text}");
    Answer { status, headers, text }
}

/// It travels in a header.
pub fn operator_key() -> String {
    OPERATOR_KEY.replace(' ', "-")
}

/// A token of acme's teacher, signed with this secret.
pub fn teacher(secret: &str) -> String {
    signed("acme", secret, TokenRole::Teacher)
}

pub fn student(secret: &str) -> String {
    signed("acme", secret, TokenRole::Student)
}

/// A token of ada's, for ten minutes.
pub fn signed(tenant: &str, secret: &str, role: TokenRole) -> String {
    install_crypto();
    let config = TenantConfig { id: tenant.into(), jwt_secret: Some(secret.to_owned().into()), ..Default::default() };
    let tenant = config.build(Path::new(".")).expect("a sound tenant");
    let since = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970");
    let now_s = i64::try_from(since.as_secs()).expect("a time before the end of time");
    let grant = Grant { sub: Some("ada".into()), role, name: None, room: None, ttl_s: 600 };
    mint(&tenant, &grant, now_s).expect("a token")
}

fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").filter(|fields| fields["message"] == "listening")?;
    fields["http.address"].as_str().map(str::to_owned)
}
