//! What `fred` is told: where the servers are, and how little it may do by itself.

use std::time::Duration;

use fred::types::{
    RespVersion,
    config::{
        ClusterDiscoveryPolicy, Config, ConnectionConfig, PerformanceConfig, Server, ServerConfig, TcpConfig,
        TlsConfig, TlsConnector, TlsHostMapping,
    },
};

use super::RelayError;
use crate::{
    auth::Secret,
    redis_url::{Address, Deployment, RedisUrl},
};

/// How long one server may take to accept a connection, or to answer a command of its set-up.
const SERVER_PATIENCE: Duration = Duration::from_secs(1);
const REDIRECTIONS_MAX: u32 = 2;

/// The servers of `url`. RESP3, because then a connection with subscriptions answers commands too.
pub fn servers(url: &RedisUrl) -> Result<Config, RelayError> {
    let server = |address: &Address| server(address, url.tls);
    let servers = |addresses: &[Address]| addresses.iter().map(server).collect::<Vec<_>>();
    let expose = |secret: &Secret| secret.expose().to_owned();
    let deployment = match &url.deployment {
        Deployment::Standalone(address) => ServerConfig::Centralized { server: server(address) },
        Deployment::Sentinel { sentinels, service, username, password } => ServerConfig::Sentinel {
            hosts: servers(sentinels),
            service_name: service.clone(),
            username: username.clone(),
            password: password.as_ref().map(expose),
        },
        Deployment::Cluster(nodes) => {
            ServerConfig::Clustered { hosts: servers(nodes), policy: ClusterDiscoveryPolicy::ConfigEndpoint }
        }
    };
    Ok(Config {
        server: deployment,
        username: url.username.clone(),
        password: url.password.as_ref().map(expose),
        database: (url.database != 0).then_some(url.database),
        version: RespVersion::RESP3,
        tls: if url.tls { Some(tls()?) } else { None },
        ..Config::default()
    })
}

/// How long a whole connection may take: each of the servers that the URL names may be the one that is away.
pub fn open_patience(url: &RedisUrl) -> Duration {
    let named = match &url.deployment {
        Deployment::Standalone(_) => 1,
        Deployment::Sentinel { sentinels: addresses, .. } | Deployment::Cluster(addresses) => addresses.len(),
    };
    SERVER_PATIENCE * u32::try_from(named + 1).unwrap_or(u32::MAX)
}

/// Nothing is tried twice: without a policy to reconnect, a second attempt only follows the redirection of a cluster
/// whose slots have moved.
pub fn connection() -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: SERVER_PATIENCE,
        internal_command_timeout: SERVER_PATIENCE,
        max_command_attempts: 1 + REDIRECTIONS_MAX,
        max_redirections: REDIRECTIONS_MAX,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    }
}

/// `messages`: how many may wait to be taken from the connection before the oldest are lost.
pub fn performance(messages: usize) -> PerformanceConfig {
    PerformanceConfig { broadcast_channel_capacity: messages, ..PerformanceConfig::default() }
}

fn server(address: &Address, tls: bool) -> Server {
    let Address { host, port } = address;
    if !host.contains(':') {
        return Server::new(host.as_str(), *port);
    }
    let mut server = Server::new(format!("[{host}]"), *port);
    server.tls_server_name = tls.then(|| host.as_str().into());
    server
}

fn tls() -> Result<TlsConfig, RelayError> {
    let connector = TlsConnector::default_rustls()
        .map_err(|error| RelayError::Certificates { reason: error.details().to_owned() })?;
    // A cluster names its servers by address, and a certificate mostly by name: the name in the URL.
    Ok(TlsConfig { connector, hostnames: TlsHostMapping::DefaultHost })
}
