//! The composition root: what a node is made of, in which order it starts, and in which order it stops.

mod advertise;
mod backend;
mod dev;
mod figures;
pub mod log;
mod on_their_way;
mod operating;
mod recording;
mod tasks;

use std::{
    future::Future,
    io::{self, IsTerminal},
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, Weak, atomic::Ordering},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use self::{
    backend::Backend,
    recording::{Ground, Recording, RecordingWork},
};
use crate::{
    channels::{
        Services,
        realtime::{Realtime, RealtimeParts, RealtimeWork},
    },
    cli::{Mode, Settings},
    conductor::{Mirror, MirrorSettings, Parts, Router, RouterSettings, Wake, Wishes},
    gateway::{self, Gateway, GatewaySettings, Hub, Patience, TokenKey, proxies::TrustedProxies},
    http::{self, EventLimit, GuessDelay, HttpState, Readiness, Reception},
    participation::{DatabaseError, JournalError},
    placement::{Lookout, Membership, POINTS_PER_NODE, RING_VERSION, Terms},
    relay::{Calls, Inbox, Relay, RelayError},
    store::{OpenError, RedisStore, SessionInfo, Store, StoreError},
    telemetry::Metrics,
    tenancy::{Tenancy, TenancyParts},
    time::{BeatThread, ClusterClock},
};

/// An embedded node has nobody to hand over to: its clients should come back to the next process soon.
const EMBEDDED_DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long the departures of those who were sent away may take.
const DEPARTURES_TIMEOUT: Duration = Duration::from_secs(2);
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
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error("node_id: another node runs as `{id}`: give each a name of its own, with --node-id")]
    Namesake { id: String },
    #[error("the nodes of this cluster have not agreed on what time it is: see that Redis answers, then start again")]
    Clock,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Key(#[from] operating::KeyError),
    #[error(transparent)]
    Journal(#[from] JournalError),
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
    let data_dir = settings.data_dir.clone();
    let trusted_proxies = settings.trusted_proxies.clone();
    let drain = if settings.redis.is_some() { settings.drain } else { settings.drain.min(EMBEDDED_DRAIN_MAX) };

    let (node, work) = Node::build(settings, mode, address, metrics_address).await?;
    let mut tasks = node.start(work);
    let rooms = node.router.search().await?;

    let (closing, closed) = watch::channel(());
    let app = gateway::routes(node.gateway.clone()).merge(http::router(node.http.clone()));
    let reception = node.reception(trusted_proxies);
    let serving = http::serve(listener, app, reception.clone(), closed.clone());
    let serving_metrics = http::serve(metrics_listener, http::metrics_router(node.http.clone()), reception, closed);
    node.http.readiness.started();
    tracing::info!(
        http.address = %address,
        metrics.address = %metrics_address,
        rooms,
        "listening"
    );
    if let Mode::Dev { lan, browser } = mode {
        dev::greet(address, lan, &data_dir);
        if browser && std::io::stdout().is_terminal() {
            dev::open_browser(address);
        }
    }

    stop.await;
    node.leave(drain, closing, async {
        let _ = serving.await;
        let _ = serving_metrics.await;
    })
    .await;
    tasks.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// The parts of a running node.
struct Node {
    clock: Arc<ClusterClock>,
    redis: Option<Arc<RedisStore>>,
    store: Arc<dyn Store>,
    relay: Arc<dyn Relay>,
    calls: Arc<Calls>,
    lookout: Arc<Lookout>,
    membership: Arc<Membership>,
    hub: Arc<Hub>,
    mirror: Arc<Mirror>,
    router: Arc<Router>,
    realtime: Arc<Realtime>,
    recording: Recording,
    gateway: Arc<Gateway>,
    tenancy: Arc<Tenancy>,
    http: HttpState,
    /// Ends with the node.
    _beat_thread: BeatThread<Wake>,
    /// The relay's own, which end with the node.
    _backend_tasks: JoinSet<()>,
}

/// What the node's tasks work off.
struct Work {
    due: mpsc::UnboundedReceiver<Vec<Wake>>,
    wishes: Wishes,
    realtime: RealtimeWork,
    recording: Option<RecordingWork>,
    inbox: Inbox,
}

impl Node {
    /// How both ports treat whoever comes.
    fn reception(&self, trusted_proxies: TrustedProxies) -> Reception {
        Reception {
            clock: self.clock.clone(),
            metrics: self.http.metrics.clone(),
            addresses: self.gateway.addresses.clone(),
            proxies: Arc::new(trusted_proxies),
            patience: Patience::DEFAULT,
        }
    }

    /// Hands over its rooms, sends its clients elsewhere, and ends its session.
    async fn leave(&self, drain: Duration, closing: watch::Sender<()>, served: impl Future<Output = ()>) {
        let began = Instant::now();
        tracing::info!(sockets = self.gateway.registry.len(), "draining");
        self.http.readiness.drain();
        self.hand_over(drain).await;
        // First nobody new comes in, so that clients which are sent away do not come back to this very process.
        drop(closing);
        self.gateway.uses.leave();
        self.usage_teller()();
        self.gateway.registry.drain(drain.saturating_sub(began.elapsed())).await;
        let ended = async {
            self.gateway.registry.emptied().await;
            served.await;
        };
        // Whoever does not go by itself is cut off.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await;
        // What the sockets' ends have started: departures that others still have to hear of.
        self.router.departed(DEPARTURES_TIMEOUT).await;
        self.realtime.written(DEPARTURES_TIMEOUT).await;
        self.recording.finish().await;
        self.membership.close().await;
    }

    /// The others learn that this node leaves, and take its rooms. What is not handed over in time is taken over.
    async fn hand_over(&self, within: Duration) {
        self.membership.load().draining.store(true, Ordering::Relaxed);
        let handing_over = async {
            if self.membership.renew().await.is_err() || self.lookout.look_and_tell().await.is_err() {
                return 0;
            }
            self.router.hand_over_all().await
        };
        match tokio::time::timeout(within / 2, handing_over).await {
            Ok(rooms) => tracing::info!(rooms, "rooms were handed over"),
            Err(_) => tracing::warn!("not all rooms were handed over in time"),
        }
    }

    /// Makes every part, from the bottom up. Nothing runs yet but the beat thread.
    async fn build(
        mut settings: Settings,
        mode: Mode,
        address: SocketAddr,
        metrics_address: SocketAddr,
    ) -> Result<(Self, Work), NodeError> {
        let is_dev = matches!(mode, Mode::Dev { .. });
        let metrics = Arc::new(Metrics::new());
        let id: Arc<str> = settings.node_id.as_str().into();
        let ttl_ms = u32::try_from(settings.session_ttl.as_millis()).unwrap_or(u32::MAX);
        let terms = Terms::from_ttl_ms(ttl_ms);
        let backend = Backend::open(&settings, terms, metrics.clone()).await?;
        let clock = backend.clock();
        let Backend { store, topics, relay, inbox, tasks, clock: cluster_clock, directory, lookout, redis } = backend;
        let token_key = token_key(&settings, &*store).await?;
        let gateway_settings = GatewaySettings {
            frame_bytes_max: settings.max_frame_bytes,
            queue_bytes_max: settings.max_queue_bytes,
            idle_timeout: settings.idle_timeout,
            address_limits: settings.address_limits,
            dev: is_dev,
        };
        // Before the session begins: a database may take its time, and a session lapses.
        let given = std::mem::take(&mut settings.tenants);
        let is_demo = is_dev && given.all().is_empty();
        let tenants = Arc::new(if is_demo { dev::tenants(&settings.data_dir)? } else { given });
        let ground = Ground {
            settings: &settings,
            tenants: &tenants,
            clock: &clock,
            metrics: &metrics,
            redis: redis.as_ref(),
            directory: &directory,
        };
        let (recording, recording_work) = Recording::open(ground).await?;
        let recorder = recording.recorder.clone();
        let info = session_info(&settings, address, metrics_address).await?;
        let membership =
            Membership::open(id.clone(), clock.clone(), store.clone(), metrics.clone(), terms, info).await?;
        let membership = Arc::new(membership);
        lookout.look().await?;
        let bears = membership.clone();
        let calls = Calls::new(relay.clone(), id.clone(), getrandom::u64()? >> 1, move || bears.incarnation());
        let calls = Arc::new(calls);

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
            relay.clone(),
            recorder.clone(),
            hub.clone(),
            beat_thread.wheel(),
            MirrorSettings { holdover_us: micros(settings.holdover) },
        );
        let mirror = Arc::new(mirror);
        woken.get_or_init(|| Arc::downgrade(&mirror));
        let parts = Parts {
            clock: clock.clone(),
            store: store.clone(),
            mirror: mirror.clone(),
            membership: membership.clone(),
            directory: directory.clone(),
            lookout: lookout.clone(),
            calls: calls.clone(),
            metrics: metrics.clone(),
            recorder: recorder.clone(),
        };
        let settings_of_router = RouterSettings { control_lead_us: micros(settings.control_lead) };
        let router = Arc::new(Router::new(parts, settings_of_router));
        let (directory_of_tenants, topics_of_tenants) = (directory.clone(), topics.clone());
        let (realtime, realtime_work) = Realtime::new(RealtimeParts {
            clock: clock.clone(),
            relay: relay.clone(),
            store: topics,
            membership: membership.clone(),
            directory,
            audiences: hub.clone(),
            mirror: mirror.clone(),
        });
        let realtime = Arc::new(realtime);
        let services = Arc::new(Services {
            clock: clock.clone(),
            mirror: mirror.clone(),
            router: router.clone(),
            recorder,
            realtime: realtime.clone(),
        });
        let gateway = Arc::new(Gateway::new(
            id,
            clock.clone(),
            metrics.clone(),
            tenants.clone(),
            services,
            hub.clone(),
            calls.clone(),
            token_key,
            gateway_settings,
        ));
        let desk = Arc::new(recording.desk(clock.clone()));
        let tenancy = Arc::new(Tenancy::new(TenancyParts {
            node: gateway.node.clone(),
            clock: clock.clone(),
            tenants: tenants.clone(),
            gateway: gateway.clone(),
            router: router.clone(),
            directory: directory_of_tenants,
            calls: calls.clone(),
            store: store.clone(),
            topics: topics_of_tenants,
            database: recording.database.clone(),
            redis: redis.clone(),
            keys: operating::sealing_keys(&settings)?,
        }));
        tenancy.load().await;
        let http = HttpState {
            clock,
            tenants,
            router: router.clone(),
            metrics,
            readiness: Arc::new(Readiness::new()),
            guess_delay: guess_delay(&gateway),
            realtime: realtime.clone(),
            desk,
            tenancy: tenancy.clone(),
            operator: operating::gate(&settings),
            admits_events: event_limit(&gateway),
            dev: dev::mode(mode, address),
        };
        let node = Self {
            clock: cluster_clock,
            redis,
            store,
            relay,
            calls,
            lookout,
            membership,
            hub,
            mirror,
            router,
            realtime,
            recording,
            gateway,
            tenancy,
            http,
            _beat_thread: beat_thread,
            _backend_tasks: tasks,
        };
        Ok((node, Work { due, wishes, realtime: realtime_work, recording: recording_work, inbox }))
    }
}

async fn session_info(
    settings: &Settings,
    address: SocketAddr,
    metrics_address: SocketAddr,
) -> Result<SessionInfo, NodeError> {
    let redis = settings.redis.as_ref();
    Ok(SessionInfo {
        address: advertise::reachable(address, redis).await.to_string(),
        metrics_address: advertise::reachable(metrics_address, redis).await.to_string(),
        ttl_ms: u64::try_from(settings.session_ttl.as_millis()).unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ring_version: RING_VERSION,
        ring_points: POINTS_PER_NODE,
        process: getrandom::u64()? >> 11,
        ..SessionInfo::default()
    })
}

/// The configured key, or one that the nodes share through their store.
async fn token_key(settings: &Settings, store: &dyn Store) -> Result<TokenKey, NodeError> {
    if let Some(key) = &settings.secret_key {
        let former = settings.previous_secret_keys.iter().map(|key| &key.0[..]);
        return Ok(TokenKey::new(&key.0).with_former(former));
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(TokenKey::new(&store.shared_secret(backend::LONG_POLL, &random).await?))
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| NodeError::Listen { setting, address, source })
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

/// The sockets' own count of messages, for REST.
fn event_limit(gateway: &Arc<Gateway>) -> EventLimit {
    let gateway = Arc::downgrade(gateway);
    Arc::new(move |tenant, count| {
        let Some(gateway) = gateway.upgrade() else { return false };
        let boot_us = gateway.clock.boot_us();
        let admits = gateway.uses.admits_events(&tenant.id, count, tenant.limits.max_events_per_second, boot_us);
        if !admits {
            gateway.metrics.tenants.note_refused(&tenant.id);
        }
        admits
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
