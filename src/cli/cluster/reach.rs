//! The way to the cluster: which Redis, and what stands there about the nodes.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use clap::Args;
use thiserror::Error;

use crate::{
    auth::{Problem, Secret},
    cli::{Env, SettingsError, setting::Reader, settings::config_path, tenant_file},
    placement::{POINTS_PER_NODE, Ring, may_conduct},
    redis_url::RedisUrl,
    relay::RelayError,
    room::{InvalidCode, RoomKey},
    store::{RedisStore, ServerClock, SessionRecord, Store, StoreError},
};

/// Where the cluster is.
#[derive(Clone, Debug, Args)]
pub struct Whereabouts {
    /// The Redis that the nodes share [env: DOWNBEAT_REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<Secret>,
    /// The nodes' TOML file, for its redis_url [env: DOWNBEAT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON document (tail: one a line) instead of text for people
    #[arg(long)]
    pub json: bool,
}

/// Why an operator's question has no answer.
#[derive(Debug, Error)]
pub enum AskError {
    #[error(
        "no Redis is named: give --redis-url, DOWNBEAT_REDIS_URL or a --config file with redis_url, the one that the \
         nodes have. A node without Redis has everything embedded, and is asked itself, over HTTP: \
         GET /api/music/rooms with a teacher's token, /healthz, and /metrics on its metrics address"
    )]
    NoRedis,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(
        "{reason}. The nodes may see it otherwise, and rooms play on without Redis: ask each node's /readyz and \
         /metrics, and see docs/operations.md"
    )]
    Unreachable { reason: String },
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error("{given} is no room's code: {source}, such as MUSIC-1234")]
    BadCode { given: String, source: InvalidCode },
    #[error(
        "no room {} of tenant {} is stored: `downbeat rooms --tenant {}` lists those that are. It was closed, or never \
         was; if Redis has just lost its data, the nodes give their rooms back within seconds: ask again",
        key.code, key.tenant, key.tenant
    )]
    UnknownRoom { key: RoomKey },
    #[error("the answer could not be written: {0}")]
    Output(#[from] io::Error),
}

impl From<StoreError> for AskError {
    fn from(StoreError::Unavailable { reason }: StoreError) -> Self {
        Self::Unreachable { reason }
    }
}

/// A way to the cluster's Redis.
pub struct Cluster {
    pub url: RedisUrl,
    pub store: RedisStore,
}

/// What stands about the nodes.
pub struct Outlook {
    pub server: ServerClock,
    pub generation: Option<String>,
    /// All nodes of the last day.
    pub nodes: BTreeMap<String, Seen>,
    ring: Ring,
}

/// A node.
pub struct Seen {
    /// Microseconds since its session was renewed, or since it was last seen; none where nobody can tell.
    pub renewed_ago_us: Option<i64>,
    /// None: it is gone.
    pub session: Option<SessionRecord>,
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Alive,
    Draining,
    Dead,
}

/// Sessions are not opened here: how long one would live is of no concern.
const NO_SESSION: Duration = Duration::from_secs(2);

impl Cluster {
    /// Connects to the Redis that flags, environment or file name.
    pub async fn reach(place: &Whereabouts, env: Env<'_>) -> Result<Self, AskError> {
        let url = redis_url(place, env)?;
        let store = RedisStore::connect(&url, NO_SESSION).await?;
        Ok(Self { url, store })
    }

    pub async fn look(&self) -> Result<Outlook, AskError> {
        let look = self.store.look().await?;
        let server = look.server.unwrap_or(ServerClock { run_id: String::new(), time_us: 0, offset_us: None });
        let seen = self.store.nodes_seen().await?;
        let names: Vec<&str> = look.sessions.iter().map(|session| session.node.as_str()).collect();
        let ends_in_ms = self.store.sessions_end_in_ms(&names).await?;
        let mut nodes: BTreeMap<String, Seen> = seen
            .into_iter()
            .map(|(node, seen_us)| (node, Seen { renewed_ago_us: Some(server.time_us - seen_us), session: None }))
            .collect();
        for (session, ends_in_ms) in look.sessions.into_iter().zip(ends_in_ms) {
            let ttl_ms = session.info.ttl_ms;
            let ago_ms = ends_in_ms.filter(|_| ttl_ms > 0).map(|ends_in_ms| ttl_ms.saturating_sub(ends_in_ms));
            let renewed_ago_us = ago_ms.map(|ms| i64::try_from(ms * 1_000).unwrap_or(i64::MAX));
            nodes.insert(session.node.clone(), Seen { renewed_ago_us, session: Some(session) });
        }
        let fit = nodes.values().filter_map(|seen| seen.session.as_ref()).filter(|session| may_conduct(&session.info));
        let ring = Ring::new(fit.map(|session| session.node.as_str()), POINTS_PER_NODE);
        Ok(Outlook { server, generation: look.generation, nodes, ring })
    }
}

impl Outlook {
    /// Cluster time, in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.server.time_us + self.server.offset_us.unwrap_or(0)
    }

    /// Whom the ring names for a room.
    pub fn named(&self, key: &RoomKey) -> Option<&str> {
        self.ring.owner(key)
    }

    /// Whether the node lives in this session.
    pub fn fate(&self, node: &str, incarnation: u64) -> Fate {
        let session = self.nodes.get(node).and_then(|seen| seen.session.as_ref());
        match session.filter(|session| session.incarnation == incarnation) {
            None => Fate::Dead,
            Some(session) if session.info.draining => Fate::Draining,
            Some(_) => Fate::Alive,
        }
    }

    /// Whether this very process of the node lives.
    pub fn is_there(&self, node: &str, process: u64) -> bool {
        let session = self.nodes.get(node).and_then(|seen| seen.session.as_ref());
        session.is_some_and(|session| session.info.process == process)
    }
}

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Draining => "draining",
            Self::Dead => "dead",
        }
    }
}

/// The room that was asked for.
pub fn room_key(tenant: &str, code: &str) -> Result<RoomKey, AskError> {
    // People type it as it is spoken.
    let code = code.to_ascii_uppercase();
    let parsed = code.parse().map_err(|source| AskError::BadCode { given: code.clone(), source });
    Ok(RoomKey { tenant: tenant.into(), code: parsed? })
}

fn redis_url(place: &Whereabouts, env: Env<'_>) -> Result<RedisUrl, AskError> {
    let wrong = |problem: Problem| SettingsError(vec![problem]);
    let file = match config_path(place.config.as_deref(), env) {
        Some(path) => tenant_file::read(&path).map_err(wrong)?,
        None => toml::Table::new(),
    };
    let mut reader = Reader::new(env, file);
    let found = reader.find("redis_url", "DOWNBEAT_REDIS_URL", place.redis_url.as_ref().map(Secret::expose));
    if let Some(problem) = reader.problems.pop() {
        return Err(wrong(problem).into());
    }
    let found = found.ok_or(AskError::NoRedis)?;
    RedisUrl::parse(&found.value).map_err(|error| wrong(Problem::hidden(found.name, error.to_string())).into())
}
