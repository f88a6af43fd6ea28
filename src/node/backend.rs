//! What a node stands on: alone, a store in a file, a bus with nobody else on it and the machine's clock; in a cluster,
//! Redis for all three.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::NodeError;
use crate::{
    cli::Settings,
    placement::{Directory, Lookout, Terms},
    redis_url::RedisUrl,
    relay::{FredRelay, INBOX_CAPACITY, Inbox, LocalBus, Relay},
    store::{EmbeddedStore, RedisStore, ServerClock, Store, TopicStore},
    telemetry::Metrics,
    time::{Advice, Clock, ClusterClock, Sample},
};

/// The file of the embedded store, in the data directory.
const STORE_FILE: &str = "rooms.redb";
/// How long a node waits for the cluster's clock before it gives up its start.
const CLOCK_PATIENCE: Duration = Duration::from_secs(20);
const CLOCK_LOOK_EVERY: Duration = Duration::from_millis(100);
/// The secrets that all nodes share, by their names in the store.
const TIME_BASE: &str = "time_base";
pub(super) const LONG_POLL: &str = "longpoll";

/// The store, the bus and the clock, and what comes with them.
pub(super) struct Backend {
    pub store: Arc<dyn Store>,
    pub topics: Arc<dyn TopicStore>,
    pub relay: Arc<dyn Relay>,
    pub inbox: Inbox,
    pub tasks: JoinSet<()>,
    pub clock: Arc<ClusterClock>,
    pub directory: Arc<Directory>,
    pub lookout: Arc<Lookout>,
    /// Where there is one.
    pub redis: Option<Arc<RedisStore>>,
}

impl Backend {
    pub async fn open(settings: &Settings, terms: Terms, metrics: Arc<Metrics>) -> Result<Self, NodeError> {
        match &settings.redis {
            Some(url) => Self::of_cluster(url, settings, terms, metrics).await,
            None => Self::embedded(settings, terms, metrics).await,
        }
    }

    async fn embedded(settings: &Settings, terms: Terms, metrics: Arc<Metrics>) -> Result<Self, NodeError> {
        let clock = Arc::new(ClusterClock::start(format!("{:016x}", getrandom::u64()?)));
        let store = Arc::new(EmbeddedStore::open(settings.data_dir.join(STORE_FILE))?);
        // A node alone on its bus: nothing ever comes in, and publishing costs next to nothing.
        let (relay, inbox) = LocalBus::new().join(settings.node_id.as_str(), INBOX_CAPACITY);
        let directory = Arc::new(Directory::new(terms));
        let on_clock = Box::new(|_, _, _| {});
        let lookout = Lookout::new(clock.clone(), store.clone(), directory.clone(), metrics, on_clock);
        let lookout = Arc::new(lookout);
        lookout.look().await?;
        Ok(Self {
            store: store.clone(),
            topics: store,
            relay: Arc::new(relay),
            inbox,
            tasks: JoinSet::new(),
            clock,
            directory,
            lookout,
            redis: None,
        })
    }

    async fn of_cluster(
        url: &RedisUrl,
        settings: &Settings,
        terms: Terms,
        metrics: Arc<Metrics>,
    ) -> Result<Self, NodeError> {
        let store = Arc::new(RedisStore::connect(url, settings.session_ttl).await?);
        let (relay, inbox, tasks) = FredRelay::connect(url, settings.node_id.as_str(), INBOX_CAPACITY).await?;
        let time_base = store.shared_secret(TIME_BASE, &getrandom::u64()?.to_be_bytes()).await?;
        let time_base = time_base.iter().map(|byte| format!("{byte:02x}")).collect();
        let clock = Arc::new(ClusterClock::in_cluster(time_base));
        let directory = Arc::new(Directory::new(terms));
        let keeper = ClockKeeper { clock: clock.clone(), store: store.clone(), directory: directory.clone() };
        let on_clock = Box::new(move |server, asked_us, answered_us| keeper.take_in(server, asked_us, answered_us));
        let lookout = Lookout::new(clock.clone(), store.clone(), directory.clone(), metrics, on_clock);
        let lookout = Arc::new(lookout);
        wait_for_clock(&clock, &lookout).await?;
        refuse_a_namesake(&settings.node_id, &*store, terms).await?;
        Ok(Self {
            store: store.clone(),
            topics: store.clone(),
            relay: Arc::new(relay),
            inbox,
            tasks,
            clock,
            directory,
            lookout,
            redis: Some(store),
        })
    }
}

/// Two processes under one id would take each other's session away for ever.
async fn refuse_a_namesake(id: &str, store: &dyn Store, terms: Terms) -> Result<(), NodeError> {
    let renewals = async || -> Result<Option<(u64, u64)>, NodeError> {
        let sessions = store.look().await?.sessions;
        let namesake = sessions.into_iter().find(|session| session.node == id);
        Ok(namesake.map(|session| (session.incarnation, session.renewals)))
    };
    let Some(before) = renewals().await? else { return Ok(()) };
    // One that was killed a moment ago renews no more.
    tokio::time::sleep(Duration::from_micros(terms.renew_every_us.unsigned_abs()) * 3 / 2).await;
    match renewals().await? {
        Some(after) if after != before => Err(NodeError::Namesake { id: id.to_owned() }),
        _ => Ok(()),
    }
}

/// A node serves nothing before it knows what time it is.
async fn wait_for_clock(clock: &ClusterClock, lookout: &Lookout) -> Result<(), NodeError> {
    let deadline = Instant::now() + CLOCK_PATIENCE;
    loop {
        let looked = lookout.look().await;
        if looked.is_ok() && clock.is_set() {
            return Ok(());
        }
        if Instant::now() > deadline {
            looked?;
            return Err(NodeError::Clock);
        }
        // A replica that has only just joined does not acknowledge yet: that passes.
        if let Err(error) = looked {
            tracing::info!(%error, "waiting for the store");
        }
        tokio::time::sleep(CLOCK_LOOK_EVERY).await;
    }
}

/// Keeps cluster time by the store's clock.
struct ClockKeeper {
    clock: Arc<ClusterClock>,
    store: Arc<RedisStore>,
    directory: Arc<Directory>,
}

impl ClockKeeper {
    fn take_in(&self, server: ServerClock, asked_boot_us: i64, answered_boot_us: i64) {
        let sample = Sample {
            asked_boot_us,
            answered_boot_us,
            run_id: server.run_id.into(),
            server_us: server.time_us,
            offset_us: server.offset_us,
        };
        // Whoever finds a store without any node, and without a life of its own before, need not wait for a time that
        // somebody might defend.
        let is_founder = !self.clock.is_set() && self.directory.is_founder();
        if let Advice::Propose { run_id, expected_us, offset_us } = self.clock.take_in(&sample, is_founder) {
            let (clock, store) = (self.clock.clone(), self.store.clone());
            tokio::spawn(async move {
                match store.agree_clock(&run_id, expected_us, offset_us).await {
                    Ok(in_force_us) => clock.agreed(&run_id, in_force_us),
                    // The next sample repeats the advice as long as it is right.
                    Err(error) => tracing::debug!(%error, "the clock's offset was not agreed on"),
                }
            });
        }
    }
}

/// How sure the node is of the time, for readiness: past this it may have been set wrong.
pub(super) const UNCERTAIN_US: i64 = 1_000_000;

impl Backend {
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}
