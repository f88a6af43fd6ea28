//! Everything that can be set, read from flags, environment and file into one struct.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use super::{
    SettingFlags,
    setting::{Env, Reader},
    tenant_file,
};
use crate::{
    auth::{Problem, Secret, Tenants},
    gateway::{AddressLimits, proxies::TrustedProxies},
    participation::DatabaseUrl,
    redis_url::RedisUrl,
    traces::{BadCollector, Export},
};

/// What the settings are for: the two have different defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `lan`: on the local network too. `browser`: shows the teacher's page to whoever sits at the terminal.
    Dev {
        lan: bool,
        browser: bool,
    },
    Serve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The key for what a node signs or encrypts itself. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretKey(pub [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// The settings of one node, checked.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    /// Where rooms are journalled.
    pub data_dir: PathBuf,
    /// 1 to 63 letters, digits, `.`, `-`, `_`.
    pub node_id: String,
    /// A filter in the form of tracing's `EnvFilter`, known to parse.
    pub log: String,
    pub log_format: LogFormat,
    /// Where traces go. None: there are none.
    pub otlp: Option<Export>,
    /// None: the nodes make one for what they sign, and a node alone one for what it seals.
    pub secret_key: Option<SecretKey>,
    /// They open what they have sealed, and nothing else.
    pub previous_secret_keys: Vec<SecretKey>,
    /// Whoever shows it may make and change tenants. None: nobody may.
    pub operator_key: Option<Secret>,
    /// 500 ms to 60 s.
    pub session_ttl: Duration,
    /// 1 s to 1 h.
    pub holdover: Duration,
    /// 0 to 10 minutes.
    pub drain: Duration,
    /// 20 ms to 2 s.
    pub control_lead: Duration,
    /// 4 KiB to 16 MiB.
    pub max_frame_bytes: usize,
    /// 64 KiB to 64 MiB.
    pub max_queue_bytes: usize,
    /// 1 s to 1 h.
    pub idle_timeout: Duration,
    /// Whose word about their clients is believed.
    pub trusted_proxies: TrustedProxies,
    /// What one address may do to this node.
    pub address_limits: AddressLimits,
    /// What the nodes share their rooms through. None: this node runs alone, with everything embedded.
    pub redis: Option<RedisUrl>,
    /// Where it is recorded who took part. None: nothing is.
    pub database: Option<DatabaseUrl>,
    /// Those of the file; in production at least one, unless an operator can make some.
    pub tenants: Tenants,
}

/// All that is wrong with the settings.
#[derive(Debug, Error)]
pub struct SettingsError(pub Vec<Problem>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "one setting is wrong:")?,
            many => write!(f, "{many} settings are wrong:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

const OPERATOR_KEY_BYTES_MIN: usize = 32;
/// In the data directory.
const DATABASE_FILE: &str = "downbeat.db";
const ADDRESS: &str = "must be an IP address and a port, such as 0.0.0.0:4000 or [::]:4000";

impl Settings {
    /// Reads all settings: `flags` win, then `env`, then the file, then the defaults of `mode`.
    ///
    /// # Errors
    /// Every wrong setting at once.
    pub fn load(flags: &SettingFlags, env: Env<'_>, mode: Mode) -> Result<Self, SettingsError> {
        let config = config_path(flags.config.as_deref(), env);
        let mut problems = Vec::new();
        let mut file = match config.as_deref().map(tenant_file::read) {
            Some(Ok(file)) => file,
            Some(Err(problem)) => {
                problems.push(problem);
                toml::Table::new()
            }
            None => toml::Table::new(),
        };
        let unread = !problems.is_empty();
        let base = config.as_deref().map_or(Path::new("."), tenant_file::folder);
        let tenants = tenant_file::take_tenants(&mut file, base, &mut problems);
        let mut reader = Reader::new(env, file);
        let settings = Self::read(flags, &mut reader, mode);
        problems.extend(reader.finish());
        let none = tenants.as_ref().is_some_and(|tenants| tenants.all().is_empty());
        if mode == Mode::Serve && none && settings.operator_key.is_none() && !unread {
            let must = "at least one is needed, or nobody could join: `downbeat help serve` shows a complete file. Or set \
                        `operator_key`, and make tenants while the node runs";
            problems.push(Problem::hidden("tenants", must));
        }
        match tenants {
            Some(tenants) if problems.is_empty() => Ok(Self { tenants, ..settings }),
            _ => Err(SettingsError(problems)),
        }
    }

    /// All settings but the tenants.
    fn read(flags: &SettingFlags, reader: &mut Reader<'_>, mode: Mode) -> Self {
        let address = |port| SocketAddr::from((default_ip(mode), port));
        let listen = reader.read("listen", flags.listen.as_deref(), address(4000), ADDRESS, parse);
        let metrics_listen =
            reader.read("metrics_listen", flags.metrics_listen.as_deref(), address(9464), ADDRESS, parse);
        if collide(listen, metrics_listen) {
            let must = "must not be the address of listen: the metrics have a port of their own";
            reader.problems.push(Problem::value("metrics_listen", metrics_listen, must));
        }
        let data_dir = reader.read(
            "data_dir",
            flags.data_dir.as_deref(),
            PathBuf::from("downbeat-data"),
            "must be a folder",
            |text| (!text.is_empty()).then(|| PathBuf::from(text)),
        );
        let node_id = reader.read(
            "node_id",
            flags.node_id.as_deref(),
            host_name(),
            "must be 1 to 63 letters, digits, dots, hyphens or underscores",
            node_id,
        );
        let log = reader.read(
            "log",
            flags.log.as_deref(),
            "info".to_owned(),
            "must be error, warn, info, debug, trace, off, or a filter such as info,downbeat::gateway=debug",
            |text| EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
        );
        let log_format =
            reader.read("log_format", flags.log_format.as_deref(), LogFormat::Text, "must be text or json", log_format);
        let otlp = otlp(flags, reader);
        let secret_key = reader.secret(
            "secret_key",
            flags.secret_key.as_ref(),
            "must be 32 bytes in base64: `openssl rand -base64 32` makes one",
            secret_key,
        );
        let trusted_proxies = reader.read(
            "trusted_proxies",
            flags.trusted_proxies.as_deref(),
            TrustedProxies::default(),
            "must be networks such as 10.0.0.0/8,fd00::/8, with commas between",
            |text| text.parse().ok(),
        );
        let previous_secret_keys = reader
            .secret(
                "previous_secret_key",
                flags.previous_secret_key.as_ref(),
                "must be former secret keys, each of 32 bytes in base64, separated by commas",
                secret_keys,
            )
            .unwrap_or_default();
        let operator_key = reader.secret(
            "operator_key",
            flags.operator_key.as_ref(),
            "must be 32 visible characters or more: `openssl rand -base64 48` makes one",
            operator_key,
        );
        let redis = redis(flags.redis_url.as_ref(), reader, mode);
        if redis.is_some() && operator_key.is_some() && secret_key.is_none() {
            let must = "is needed with `operator_key` where nodes share a Redis, the same on all of them: it seals the \
                        tenants' secrets. `openssl rand -base64 32` makes one";
            reader.problems.push(Problem::hidden("secret_key", must));
        }
        let database = database(flags.database_url.as_ref(), reader, mode, &data_dir, redis.is_some());
        let mut number =
            |key, flag: &Option<String>, default, range| reader.number(key, flag.as_deref(), default, range);
        let session_ttl_ms = number("session_ttl_ms", &flags.session_ttl_ms, 2_000, (500, 60_000));
        let holdover_s = number("holdover_s", &flags.holdover_s, 60, (1, 3_600));
        let drain_s = number("drain_s", &flags.drain_s, 20, (0, 600));
        let control_lead_ms = number("control_lead_ms", &flags.control_lead_ms, 150, (20, 2_000));
        let frame = number("max_frame_bytes", &flags.max_frame_bytes, 1 << 20, (1 << 12, 1 << 24));
        let queue = number("max_queue_bytes", &flags.max_queue_bytes, 1 << 20, (1 << 16, 1 << 26));
        let idle_timeout_s = number("idle_timeout_s", &flags.idle_timeout_s, 60, (1, 3_600));
        // All of them fit 32 bits.
        let mut count = |key, flag, default: u32| number(key, flag, default.into(), (0, 1_000_000)) as u32;
        let default = AddressLimits::DEFAULT;
        let address_limits = AddressLimits {
            handshakes_per_s: count(
                "address_handshakes_per_s",
                &flags.address_handshakes_per_s,
                default.handshakes_per_s,
            ),
            handshake_burst: count("address_handshake_burst", &flags.address_handshake_burst, default.handshake_burst),
            sockets: count("address_sockets", &flags.address_sockets, default.sockets),
        };
        Self {
            listen: with_lan(listen, mode),
            metrics_listen,
            data_dir,
            node_id,
            log,
            log_format,
            otlp,
            secret_key,
            previous_secret_keys,
            operator_key,
            session_ttl: Duration::from_millis(session_ttl_ms),
            holdover: Duration::from_secs(holdover_s),
            drain: Duration::from_secs(drain_s),
            control_lead: Duration::from_millis(control_lead_ms),
            // Both ranges end far below 2³², so nothing is cut.
            max_frame_bytes: frame as usize,
            max_queue_bytes: queue as usize,
            idle_timeout: Duration::from_secs(idle_timeout_s),
            trusted_proxies,
            address_limits,
            redis,
            database,
            tenants: Tenants::default(),
        }
    }
}

/// The file that `--config` or `DOWNBEAT_CONFIG` names.
pub fn config_path(flag: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    let from_env = || env("DOWNBEAT_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    flag.map(Path::to_path_buf).or_else(from_env)
}

/// Where Redis is. `dev` embeds everything, and never joins a cluster by accident.
fn redis(flag: Option<&Secret>, reader: &mut Reader<'_>, mode: Mode) -> Option<RedisUrl> {
    let found = reader.find("redis_url", "DOWNBEAT_REDIS_URL", flag.map(Secret::expose))?;
    if mode != Mode::Serve {
        // A developer's shell often has this for other programs.
        if !found.from_environment {
            let must = "must not be set for `downbeat dev`, which embeds everything: use `downbeat serve`";
            reader.problems.push(Problem::hidden(found.name, must));
        }
        return None;
    }
    match RedisUrl::parse(&found.value) {
        Ok(url) => Some(url),
        Err(error) => {
            reader.problems.push(Problem::hidden(found.name, error.to_string()));
            None
        }
    }
}

/// The database that is named, else a file in the data directory; in a cluster none.
fn database(
    flag: Option<&Secret>,
    reader: &mut Reader<'_>,
    mode: Mode,
    data_dir: &Path,
    is_cluster: bool,
) -> Option<DatabaseUrl> {
    let default = || (!is_cluster).then(|| DatabaseUrl::Sqlite(data_dir.join(DATABASE_FILE)));
    if reader.is_in_environment("DOWNBEAT_DATABASE_URL") && mode == Mode::Serve {
        let must = "is not looked at: this setting's variable is DATABASE_URL";
        reader.problems.push(Problem::hidden("DOWNBEAT_DATABASE_URL", must));
    }
    let Some(found) = reader.find("database_url", "DATABASE_URL", flag.map(Secret::expose)) else {
        return default();
    };
    if found.from_environment && mode != Mode::Serve {
        // A developer's shell often has this for other programs.
        return default();
    }
    match found.value.parse() {
        Ok(url) => Some(url),
        Err(error) => {
            reader.problems.push(Problem::hidden(found.name, error.to_string()));
            None
        }
    }
}

/// Where traces go, if anywhere.
fn otlp(flags: &SettingFlags, reader: &mut Reader<'_>) -> Option<Export> {
    let ratio = |text: &str| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    let flag = flags.otlp_sample_ratio.as_deref();
    let sample_ratio = reader.read("otlp_sample_ratio", flag, 1.0, "must be a number from 0 to 1", ratio);
    let found = reader.find("otlp_endpoint", "DOWNBEAT_OTLP_ENDPOINT", flags.otlp_endpoint.as_deref())?;
    match found.value.parse() {
        Ok(collector) => Some(Export { collector, sample_ratio }),
        Err(error) => {
            let error: BadCollector = error;
            // It may be a secret that makes it bad.
            reader.problems.push(Problem::hidden(found.name, error.to_string()));
            None
        }
    }
}

fn default_ip(mode: Mode) -> IpAddr {
    match mode {
        Mode::Dev { .. } => Ipv4Addr::LOCALHOST.into(),
        Mode::Serve => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// Two listeners cannot share a port, unless each has an address of its own or the system chooses (port 0).
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    overlap && a.port() == b.port() && a.port() != 0
}

/// `dev --lan` keeps the port and listens everywhere, unless an address of the network was named.
fn with_lan(listen: SocketAddr, mode: Mode) -> SocketAddr {
    match mode {
        Mode::Dev { lan: true, .. } if listen.ip().is_loopback() => {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, listen.port()))
        }
        _ => listen,
    }
}

fn parse(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn node_id(text: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    ((1..=63).contains(&text.len()) && text.chars().all(good)).then(|| text.to_owned())
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

fn secret_key(text: &str) -> Option<SecretKey> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    Some(SecretKey(bytes.try_into().ok()?))
}

fn secret_keys(text: &str) -> Option<Vec<SecretKey>> {
    text.split(',').map(secret_key).collect()
}

/// It travels in a header.
fn operator_key(text: &str) -> Option<Secret> {
    let is_sound = text.len() >= OPERATOR_KEY_BYTES_MIN && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_sound.then(|| Secret::from(text.to_owned()))
}

/// The host's name as far as it fits a node id, else `downbeat`.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    node_id(name.trim()).unwrap_or_else(|| "downbeat".to_owned())
}
