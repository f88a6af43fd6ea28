//! The composition root: what a node is made of, in which order it starts, and in which order it stops.

mod dev;
pub mod log;

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    channels::Services,
    cli::{Mode, Settings},
    conductor::{Mirror, MirrorSettings, Router, RouterSettings, SWEEP_SLOTS, Wake, Wishes},
    gateway::{self, Gateway, GatewaySettings, Hub, TokenKey},
    http::{self, DevMode, GuessDelay, HttpState, Readiness},
    placement::{Membership, POINTS_PER_NODE, RING_VERSION, Terms},
    relay::{Calls, INBOX_CAPACITY, LocalBus},
    store::{EmbeddedStore, OpenError, SessionInfo, Store, StoreError},
    telemetry::Metrics,
    time::{BeatThread, Clock, ClusterClock},
};

/// The file of the embedded store, in the data directory.
const STORE_FILE: &str = "rooms.redb";
/// An embedded node has nobody to hand over to: its clients should come back to the next process soon.
const EMBEDDED_DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long open requests and sockets have to end after the drain.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a node did not start, or had to stop.
#[derive(Debug, Error)]
pub enum NodeError {
    #[error(transparent)]
    Dev(#[from] dev::DevError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Session(#[from] StoreError),
    #[error("{setting}: cannot listen on {address} ({source}): stop what listens there, or choose another address")]
    Listen { setting: &'static str, address: SocketAddr, source: io::Error },
    #[error("the beat thread could not be started: {0}")]
    BeatThread(io::Error),
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Resolves when the process is asked to stop: SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Runs a node until `stop` resolves and its drain has ended.
pub async fn run(settings: Settings, mode: Mode, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
    let listener = bind("listen", settings.listen).await?;
    let metrics_listener = bind("metrics_listen", settings.metrics_listen).await?;
    let address = listener.local_addr().unwrap_or(settings.listen);
    let metrics_address = metrics_listener.local_addr().unwrap_or(settings.metrics_listen);
    let (data_dir, drain) = (settings.data_dir.clone(), settings.drain.min(EMBEDDED_DRAIN_MAX));

    let (node, work) = Node::build(settings, mode, address).await?;
    let mut tasks = node.start(work);
    let rooms = node.router.resume_all().await?;
    let router = node.router.clone();
    tasks.spawn(async move { router.run().await });

    let (closing, closed) = watch::channel(());
    let app = gateway::routes(node.gateway.clone()).merge(http::router(node.http.clone()));
    let serving = http::serve(listener, app, closed.clone());
    let serving_metrics = http::serve(metrics_listener, http::metrics_router(node.http.clone()), closed);
    node.http.readiness.started();
    tracing::info!(
        http.address = %address,
        metrics.address = %metrics_address,
        node.id = %node.gateway.node,
        rooms,
        "listening"
    );
    if let Mode::Dev { lan } = mode {
        dev::greet(address, lan, &data_dir);
    }

    stop.await;
    tracing::info!(node.id = %node.gateway.node, sockets = node.gateway.registry.len(), "draining");
    node.http.readiness.drain();
    // First nobody new comes in, so that clients which are sent away do not come back to this very process.
    drop(closing);
    node.gateway.registry.drain(drain).await;
    let ended = async {
        node.gateway.registry.emptied().await;
        let _ = serving.await;
        let _ = serving_metrics.await;
    };
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await;
    node.membership.close().await;
    tasks.shutdown().await;
    tracing::info!(node.id = %node.gateway.node, "stopped");
    Ok(())
}

/// The parts of a running node.
struct Node {
    clock: Arc<ClusterClock>,
    store: Arc<EmbeddedStore>,
    membership: Arc<Membership>,
    hub: Arc<Hub>,
    mirror: Arc<Mirror>,
    router: Arc<Router>,
    gateway: Arc<Gateway>,
    http: HttpState,
    /// Ends with the node.
    _beat_thread: BeatThread<Wake>,
}

/// What the node's tasks work off.
struct Work {
    due: mpsc::UnboundedReceiver<Vec<Wake>>,
    wishes: Wishes,
}

impl Node {
    /// Makes every part, from the bottom up. Nothing runs yet but the beat thread.
    async fn build(settings: Settings, mode: Mode, address: SocketAddr) -> Result<(Self, Work), NodeError> {
        let is_dev = matches!(mode, Mode::Dev { .. });
        let cluster_clock = Arc::new(ClusterClock::start(format!("{:016x}", getrandom::u64()?)));
        let clock: Arc<dyn Clock> = cluster_clock.clone();
        let metrics = Arc::new(Metrics::new());
        let id: Arc<str> = settings.node_id.as_str().into();
        let store = Arc::new(EmbeddedStore::open(settings.data_dir.join(STORE_FILE))?);
        let token_key = token_key(&settings)?;
        let gateway_settings = GatewaySettings {
            frame_bytes_max: settings.max_frame_bytes,
            queue_bytes_max: settings.max_queue_bytes,
            idle_timeout: settings.idle_timeout,
            dev: is_dev,
        };
        let ttl_ms = u32::try_from(settings.session_ttl.as_millis()).unwrap_or(u32::MAX);
        let terms = Terms::from_ttl_ms(ttl_ms);
        let membership =
            Membership::open(id.clone(), clock.clone(), store.clone(), terms, session_info(address)).await?;
        let membership = Arc::new(membership);
        // A node alone on its bus: nothing ever comes in, and publishing costs next to nothing.
        let (relay, _inbox) = LocalBus::new().join(id.clone(), INBOX_CAPACITY);
        let relay = Arc::new(relay);
        let calls = Arc::new(Calls::new(relay.clone(), id.clone(), getrandom::u64()?, || 0));

        let hub = Arc::new(Hub::new(clock.clone(), &metrics));
        let (due_sender, due) = mpsc::unbounded_channel();
        // The mirror schedules on the thread, and the thread wakes the mirror.
        let woken: Arc<OnceLock<Weak<Mirror>>> = Arc::default();
        let to_wake = woken.clone();
        let beat_thread = BeatThread::spawn(clock.clone(), move |batch| {
            let Some(mirror) = to_wake.get().and_then(Weak::upgrade) else { return };
            let large = mirror.beat_what_is_small(batch);
            if !large.is_empty() {
                // Nobody takes batches any more only when the node is going down.
                let _ = due_sender.send(large);
            }
        })
        .map_err(NodeError::BeatThread)?;
        let (mirror, wishes) = Mirror::new(
            clock.clone(),
            metrics.clone(),
            membership.clone(),
            relay,
            hub.clone(),
            beat_thread.wheel(),
            MirrorSettings { holdover_us: micros(settings.holdover) },
        );
        let mirror = Arc::new(mirror);
        woken.get_or_init(|| Arc::downgrade(&mirror));
        let router = Arc::new(Router::new(
            clock.clone(),
            store.clone(),
            mirror.clone(),
            membership.clone(),
            metrics.clone(),
            RouterSettings { control_lead_us: micros(settings.control_lead) },
        ));
        let services = Arc::new(Services {
            clock: clock.clone(),
            mirror: mirror.clone(),
            router: router.clone(),
            reflections: store.clone(),
        });
        let tenants = Arc::new(if is_dev && settings.tenants.all().is_empty() {
            dev::tenants(&settings.data_dir)?
        } else {
            settings.tenants
        });
        let gateway = Arc::new(Gateway::new(
            id,
            clock.clone(),
            metrics.clone(),
            tenants.clone(),
            services,
            hub.clone(),
            calls,
            token_key,
            gateway_settings,
        ));
        let http = HttpState {
            clock,
            tenants,
            router: router.clone(),
            metrics,
            readiness: Arc::new(Readiness::new()),
            guess_delay: guess_delay(&gateway),
            dev: is_dev.then(|| DevMode { tenant: dev::TENANT.into() }),
        };
        let node = Self {
            clock: cluster_clock,
            store,
            membership,
            hub,
            mirror,
            router,
            gateway,
            http,
            _beat_thread: beat_thread,
        };
        Ok((node, Work { due, wishes }))
    }

    /// Starts the tasks that run for the node's life.
    fn start(&self, work: Work) -> JoinSet<()> {
        let Work { mut due, wishes } = work;
        let mut tasks = JoinSet::new();
        let mirror = self.mirror.clone();
        tasks.spawn(async move { mirror.run_subscriptions(wishes).await });
        let mirror = self.mirror.clone();
        tasks.spawn(async move {
            while let Some(batch) = due.recv().await {
                mirror.beat(batch);
            }
        });
        let membership = self.membership.clone();
        tasks.spawn(async move { membership.run().await });
        let hub = self.hub.clone();
        tasks.spawn(async move { hub.run().await });
        let mirror = self.mirror.clone();
        let mut turns = (0..SWEEP_SLOTS).cycle();
        tasks.spawn(every(Duration::from_millis(100) / SWEEP_SLOTS as u32, move || {
            turns.next().into_iter().for_each(|turn| mirror.sweep(turn));
        }));
        let clock = self.clock.clone();
        tasks.spawn(every(Duration::from_secs(1), move || clock.discipline()));
        let (gateway, readiness, store) = (self.gateway.clone(), self.http.readiness.clone(), self.store.clone());
        tasks.spawn(every(Duration::from_secs(1), move || {
            let clock = &gateway.clock;
            gateway.registry.sweep(clock.boot_us(), clock.now_s(), gateway.settings.idle_timeout);
            if store.failure().is_some() {
                readiness.poison("store");
            }
        }));
        tasks
    }
}

fn session_info(address: SocketAddr) -> SessionInfo {
    SessionInfo {
        address: address.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ring_version: RING_VERSION,
        ring_points: POINTS_PER_NODE,
        ..SessionInfo::default()
    }
}

/// The configured key, or one of this process: then its long-poll sessions end with it, as they do anyway.
fn token_key(settings: &Settings) -> Result<TokenKey, NodeError> {
    if let Some(key) = &settings.secret_key {
        return Ok(TokenKey::new(&key.0));
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(TokenKey::new(&random))
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| NodeError::Listen { setting, address, source })
}

async fn every(period: Duration, mut act: impl FnMut() + Send) {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        act();
    }
}

/// The sockets' own count of guesses, for REST.
fn guess_delay(gateway: &Arc<Gateway>) -> GuessDelay {
    let (guesses, clock) = (gateway.guesses.clone(), gateway.clock.clone());
    Arc::new(move |address: IpAddr, known: bool| {
        if !known {
            guesses.note_unknown(address, clock.boot_us());
        }
        guesses.delay(address, clock.boot_us())
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
