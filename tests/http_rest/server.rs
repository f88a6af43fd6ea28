//! The server under test, and how the tests talk to it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use downbeat::{
    auth::{Grant, TenantConfig, install_crypto, mint},
    room::TokenRole,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;

const START_TIME_MAX: Duration = Duration::from_secs(20);
const STARTS_MAX: usize = 5;
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

    /// Another process may take a port between its choice and its use: then the server ends, and is started anew.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        for _ in 0..STARTS_MAX {
            let mut server = Self::launch(name, arguments);
            if server.is_ready_in_time().await {
                return server;
            }
        }
        panic!("the server ended {STARTS_MAX} times before it was ready");
    }

    fn launch(name: &str, arguments: &[&str]) -> Self {
        let directory = format!("downbeat-rest-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("downbeat.toml"), CONFIG).expect("the configuration");
        let (listen, metrics) = (free_address(), free_address());
        let process = Command::new(env!("CARGO_BIN_EXE_downbeat"))
            .args(arguments)
            .args(["--listen", &listen, "--metrics-listen", &metrics])
            .args(["--log", "warn"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        Self {
            process,
            directory,
            base: format!("http://{listen}"),
            metrics: format!("http://{metrics}/metrics"),
            client: Client::builder().no_proxy().build().expect("a client"),
        }
    }

    /// False when the process has ended instead.
    async fn is_ready_in_time(&mut self) -> bool {
        let deadline = Instant::now() + START_TIME_MAX;
        let address = format!("{}/readyz", self.base);
        loop {
            let answer = self.client.get(&address).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return true;
            }
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return false;
            }
            assert!(Instant::now() < deadline, "not ready after {START_TIME_MAX:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
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

/// An address that nobody listens on. Below the ports that the system gives out by itself, and never the same twice
/// in this process, so that it is still free when the server takes it.
fn free_address() -> String {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap_or_default() * 100;
    loop {
        let port = first + TAKEN.fetch_add(1, Ordering::Relaxed);
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
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
