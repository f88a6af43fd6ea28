//! Making connections: to one server, to the one that the Sentinels name, or to a cluster.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, InfoDict, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, Value, aio::MultiplexedConnection,
    cluster::ClusterClientBuilder, cluster_async::ClusterConnection, io::tcp::TcpSettings,
};

use crate::{
    auth::Secret,
    redis_url::{Address, Deployment, RedisUrl},
    store::StoreError,
};

use super::{
    script::ALL,
    wire::{To, Wire},
};

/// The oldest release that has what the scripts use.
const MAJOR_MIN: u64 = 7;
/// How long the kernel keeps a connection whose other end acknowledges nothing.
const DEAD_AFTER: Duration = Duration::from_secs(2);
/// What connecting to one of a cluster's servers may take.
const CLUSTER_CONNECT: Duration = Duration::from_millis(250);

/// Makes the store's connections.
pub struct Dialer {
    url: RedisUrl,
    sent: Arc<AtomicU64>,
    /// What people must put right before any connection is made again.
    refused: Mutex<Option<StoreError>>,
}

impl Dialer {
    pub fn new(url: &RedisUrl) -> Self {
        Self { url: url.clone(), sent: Arc::default(), refused: Mutex::default() }
    }

    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.url.deployment, Deployment::Cluster(_))
    }

    /// Commands sent over all connections.
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Why the server, which is there, turned the last connection away: a wrong password, say. None once one succeeded.
    pub fn refused(&self) -> Option<StoreError> {
        self.refused.lock().clone()
    }

    /// A new connection, to a server that is new enough and has the scripts.
    /// `limit` is what an answer of one of a cluster's servers may take; the whole is the caller's to limit.
    pub async fn dial(&self, limit: Duration) -> Result<Wire, StoreError> {
        let dialled = match &self.url.deployment {
            Deployment::Standalone(address) => self.server(address).await.map(To::Server),
            Deployment::Sentinel { sentinels, service, .. } => self.master(sentinels, service).await.map(To::Server),
            Deployment::Cluster(nodes) => self.cluster(nodes, limit).await.map(To::Cluster),
        };
        let (error, permanent) = match dialled {
            Ok(to) => match self.prepared(Wire::new(to, self.sent())).await {
                Ok(Ok(wire)) => {
                    *self.refused.lock() = None;
                    return Ok(wire);
                }
                Ok(Err(too_old)) => (too_old, true),
                Err(error) => (unavailable(&self.url, &error), is_denial(&error)),
            },
            Err(error) => (unavailable(&self.url, &error), is_denial(&error)),
        };
        if permanent {
            *self.refused.lock() = Some(error.clone());
        }
        Err(error)
    }

    async fn server(&self, address: &Address) -> RedisResult<MultiplexedConnection> {
        let RedisUrl { username, password, .. } = &self.url;
        let access = access(username.as_deref(), password.as_ref()).set_db(i64::from(self.url.database));
        connect(address, self.url.tls, access).await
    }

    /// Asks all Sentinels at once who is master, and takes the first that is one.
    async fn master(&self, sentinels: &[Address], service: &str) -> RedisResult<MultiplexedConnection> {
        let mut asked: FuturesUnordered<_> =
            sentinels.iter().map(|sentinel| self.named_by(sentinel, service)).collect();
        let mut last = RedisError::from((ErrorKind::EmptySentinelList, "no Sentinel was asked"));
        while let Some(found) = asked.next().await {
            match found {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn named_by(&self, sentinel: &Address, service: &str) -> RedisResult<MultiplexedConnection> {
        let (username, password) = match &self.url.deployment {
            Deployment::Sentinel { username, password, .. } => (username.as_deref(), password.as_ref()),
            _ => (None, None),
        };
        let mut asked = connect(sentinel, self.url.tls, access(username, password)).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let named: Option<(String, u16)> = question.query_async(&mut asked).await?;
        let Some((host, port)) = named else {
            return Err((
                ErrorKind::MasterNameNotFoundBySentinel,
                "the Sentinels do not know the service of redis_url",
            )
                .into());
        };
        let mut master = self.server(&Address { host, port }).await?;
        let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut master).await?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(master),
            _ => Err((ErrorKind::Client, "a Sentinel names a master that is none any more").into()),
        }
    }

    async fn cluster(&self, nodes: &[Address], limit: Duration) -> RedisResult<ClusterConnection> {
        let seeds = nodes.iter().map(|node| info(node, self.url.tls, RedisConnectionInfo::default()));
        let mut builder = ClusterClientBuilder::new(seeds.collect::<RedisResult<Vec<_>>>()?)
            .connection_timeout(CLUSTER_CONNECT)
            .response_timeout(limit)
            .tcp_settings(tcp_settings())
            // What a server has redirected, or turned away unread, is sent again; the whole within the call's limit.
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(50);
        if let Some(username) = &self.url.username {
            builder = builder.username(username);
        }
        if let Some(password) = &self.url.password {
            builder = builder.password(password.expose());
        }
        builder.build()?.get_async_connection().await
    }

    /// Sees to it that the server is new enough and has the scripts. A cluster's servers get them as they are called.
    async fn prepared(&self, mut wire: Wire) -> RedisResult<Result<Wire, StoreError>> {
        let info: InfoDict = redis::from_redis_value(wire.ask_any(redis::cmd("INFO").arg("server")).await?)?;
        let version: String = info.get("redis_version").unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
        if major.is_none_or(|major| major < MAJOR_MIN) {
            let reason = format!(
                "Redis at {} is of version {version}: Downbeat needs Redis {MAJOR_MIN}.0 or newer, or Valkey",
                self.url
            );
            return Ok(Err(StoreError::Unavailable { reason }));
        }
        if !self.is_cluster() {
            wire.ask_all(ALL.iter().map(|script| script.load()).collect()).await?;
        }
        Ok(Ok(wire))
    }
}

fn access(username: Option<&str>, password: Option<&Secret>) -> RedisConnectionInfo {
    let mut access = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(username) = username {
        access = access.set_username(username);
    }
    if let Some(password) = password {
        access = access.set_password(password.expose());
    }
    access
}

fn info(address: &Address, tls: bool, access: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
    let Address { host, port } = address.clone();
    let address = match tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    Ok(address.into_connection_info()?.set_redis_settings(access).set_tcp_settings(tcp_settings()))
}

fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(DEAD_AFTER)
}

/// Without limits of its own: who calls limits the whole.
async fn connect(address: &Address, tls: bool, access: RedisConnectionInfo) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    Client::open(info(address, tls, access)?)?.get_multiplexed_async_connection_with_config(&config).await
}

/// The server is there, but does not let this user do it.
fn is_denial(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
}

/// What to tell of an error, and whom to turn to.
pub fn unavailable(url: &RedisUrl, error: &RedisError) -> StoreError {
    let reason = if is_denial(error) {
        format!("Redis at {url} refuses the user or the password ({error}): correct redis_url, or the server's ACL")
    } else {
        format!("Redis at {url} does not answer as it should ({error})")
    };
    StoreError::Unavailable { reason }
}
