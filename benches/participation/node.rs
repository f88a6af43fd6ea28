//! A real node on the filled database, asked over HTTP.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::Failure;

const SECRET: &str = "participation-bench-secret-of-32-bytes-and-more";
const START_LIMIT: Duration = Duration::from_secs(20);

/// It ends when this is dropped.
pub struct Node {
    process: Child,
    address: String,
    folder: PathBuf,
    client: reqwest::Client,
}

impl Node {
    /// Starts it with these tenants, and waits until it listens.
    pub fn start(tenants: &[String], database_url: &str, folder: &Path) -> Result<Self, Failure> {
        let folder = folder.join("node");
        fs::create_dir_all(&folder)?;
        let config = folder.join("node.toml");
        let tenants = tenants.iter().map(|id| format!("[[tenants]]\nid = \"{id}\"\njwt_secret = \"{SECRET}\"\n"));
        fs::write(&config, tenants.collect::<String>())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_downbeat"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(["--log", "info", "--database-url", database_url, "--config"]).arg(config);
        command.arg("--data-dir").arg(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.current_dir(&folder).spawn()?;
        let log = process.stderr.take().ok_or("the node has no log")?;
        let client = reqwest::Client::builder().build()?;
        // It is owned from here on, so an error ends it.
        let mut node = Self { process, address: String::new(), folder, client };
        let (found, address) = mpsc::channel();
        thread::spawn(move || {
            // To the end, even when nobody listens: a full pipe would stop the node.
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let _ = found.send(line);
            }
        });
        while node.address.is_empty() {
            let line = address.recv_timeout(START_LIMIT)?;
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            node.address = said.pointer("/fields/http.address").and_then(Value::as_str).unwrap_or("").to_owned();
        }
        Ok(node)
    }

    /// What it answers to a tenant's teacher.
    pub async fn get(&self, tenant: &str, path: &str) -> Result<Vec<u8>, Failure> {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(token(tenant)?);
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            return Err(format!("{status} to {path}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body.to_vec())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn token(tenant: &str) -> Result<String, Failure> {
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let claims = json!({ "tenant": tenant, "role": "teacher", "sub": "teacher-00", "exp": now_s + 3_600 });
    // The error only says that it is installed already.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}
