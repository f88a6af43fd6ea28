//! The flags that are settings. They are taken as plain text here: [`super::Settings::load`] reads them, so that
//! all that is wrong is reported together, wherever it stands.

use std::path::PathBuf;

use clap::Args;

use crate::auth::Secret;

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingFlags {
    /// The TOML file with settings and tenants [env: DOWNBEAT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect [env: DOWNBEAT_LISTEN] [default: 0.0.0.0:4000; dev: 127.0.0.1:4000]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Where Prometheus reads /metrics [env: DOWNBEAT_METRICS_LISTEN] [default: 0.0.0.0:9464; dev: 127.0.0.1:9464]
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_listen: Option<String>,
    /// Where rooms are kept over a restart [env: DOWNBEAT_DATA_DIR] [default: downbeat-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// The Redis that several nodes share their rooms through: redis://[[user]:password@]host[:port][/database],
    /// rediss:// for TLS, redis-sentinel://host,…/service or redis-cluster://host,…; without it the node runs
    /// alone [env: DOWNBEAT_REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<Secret>,
    /// Where it is recorded who took part: sqlite:<file>, or postgres://user:password@host/database for a cluster
    /// [env: DATABASE_URL] [default: sqlite:downbeat.db in the data directory; with Redis none, and nothing is recorded]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,
    /// This node's name, in logs and metrics [env: DOWNBEAT_NODE_ID] [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub node_id: Option<String>,
    /// What to log: error, warn, info, debug, trace, or `info,downbeat::gateway=debug` [env: DOWNBEAT_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to write the log: text or json [env: DOWNBEAT_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// The collector that takes traces of controls, by OTLP over HTTP, such as http://collector:4318; without it there
    /// are none [env: DOWNBEAT_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// How many of them are kept, 0 to 1 [env: DOWNBEAT_OTLP_SAMPLE_RATIO] [default: 1]
    #[arg(long, value_name = "RATIO", help_heading = "Rarely needed")]
    pub otlp_sample_ratio: Option<String>,
    /// 32 random bytes in base64, better given by environment: other users can see flags [env: DOWNBEAT_SECRET_KEY]
    #[arg(long, value_name = "BASE64", help_heading = "Rarely needed")]
    pub secret_key: Option<Secret>,
    /// Former secret keys, separated by commas, while what they have sealed is sealed anew
    /// [env: DOWNBEAT_PREVIOUS_SECRET_KEY]
    #[arg(long, value_name = "BASE64,…", help_heading = "Rarely needed")]
    pub previous_secret_key: Option<Secret>,
    /// How long a silent node keeps its rooms, 500 to 60000 [env: DOWNBEAT_SESSION_TTL_MS] [default: 2000]
    #[arg(long, value_name = "MS", help_heading = "Rarely needed")]
    pub session_ttl_ms: Option<String>,
    /// How long the beat goes on without its conductor, 1 to 3600 [env: DOWNBEAT_HOLDOVER_S] [default: 60]
    #[arg(long, value_name = "S", help_heading = "Rarely needed")]
    pub holdover_s: Option<String>,
    /// How long a stopping node takes to let its clients go, 0 to 600 [env: DOWNBEAT_DRAIN_S] [default: 20]
    #[arg(long, value_name = "S", help_heading = "Rarely needed")]
    pub drain_s: Option<String>,
    /// How far ahead tempo changes are decided, 20 to 2000 [env: DOWNBEAT_CONTROL_LEAD_MS] [default: 150]
    #[arg(long, value_name = "MS", help_heading = "Rarely needed")]
    pub control_lead_ms: Option<String>,
    /// The largest frame a client may send, 4096 to 16777216 [env: DOWNBEAT_MAX_FRAME_BYTES] [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = "Rarely needed")]
    pub max_frame_bytes: Option<String>,
    /// What may wait for a slow client before it is closed, 65536 to 67108864 [env: DOWNBEAT_MAX_QUEUE_BYTES] [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = "Rarely needed")]
    pub max_queue_bytes: Option<String>,
    /// How long a client may be silent, 1 to 3600 [env: DOWNBEAT_IDLE_TIMEOUT_S] [default: 60]
    #[arg(long, value_name = "S", help_heading = "Rarely needed")]
    pub idle_timeout_s: Option<String>,
    /// The networks of proxies whose X-Forwarded-For or Forwarded is believed, as 10.0.0.0/8,fd00::/8
    /// [env: DOWNBEAT_TRUSTED_PROXIES] [default: none]
    #[arg(long, value_name = "CIDRS", help_heading = "Rarely needed")]
    pub trusted_proxies: Option<String>,
    /// Handshakes a second from one address, 0 for no limit [env: DOWNBEAT_ADDRESS_HANDSHAKES_PER_S] [default: 100]
    #[arg(long, value_name = "COUNT", help_heading = "Rarely needed")]
    pub address_handshakes_per_s: Option<String>,
    /// The same at once [env: DOWNBEAT_ADDRESS_HANDSHAKE_BURST] [default: 500]
    #[arg(long, value_name = "COUNT", help_heading = "Rarely needed")]
    pub address_handshake_burst: Option<String>,
    /// Open sockets of one address on this node, 0 for no limit [env: DOWNBEAT_ADDRESS_SOCKETS] [default: 2000]
    #[arg(long, value_name = "COUNT", help_heading = "Rarely needed")]
    pub address_sockets: Option<String>,
    /// Makes the tenant API, /api/tenants, answer whoever shows it: 32 bytes or more, better given by environment: other
    /// users can see flags [env: DOWNBEAT_OPERATOR_KEY] [default: none, and no tenant API]
    #[arg(long, value_name = "KEY", help_heading = "Rarely needed")]
    pub operator_key: Option<Secret>,
}
