//! The composition root: what a node is made of, in which order it starts, and in which order it stops.

mod dev;
pub mod log;

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::serve::ListenerExt;
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
    conductor::{Mirror, MirrorSettings, Router, RouterSettings},
    gateway::{self, Gateway, GatewaySettings, Hub, TokenKey},
    http::{self, DevMode, GuessDelay, HttpState, Readiness},
    placement::{Membership, POINTS_PER_NODE, RING_VERSION, Terms},
    relay::{INBOX_CAPACITY, LocalBus, Relay},
    store::{EmbeddedStore, OpenError, SessionInfo, StoreError},
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
    Listen {
        setting: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
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
    let is_dev = matches!(mode, Mode::Dev { .. });
    let listener = bind("listen", settings.listen).await?;
    let metrics_listener = bind("metrics_listen", settings.metrics_listen).await?;
    let address = listener.local_addr().unwrap_or(settings.listen);
    let metrics_address = metrics_listener.local_addr().unwrap_or(settings.metrics_listen);

    let time_base = format!("{:016x}", getrandom::u64()?);
    let cluster_clock = Arc::new(ClusterClock::start(time_base));
    let clock: Arc<dyn Clock> = cluster_clock.clone();
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::new());
    let node: Arc<str> = settings.node_id.as_str().into();
    let store = Arc::new(EmbeddedStore::open(settings.data_dir.join(STORE_FILE))?);
    let tenants = Arc::new(if is_dev && settings.tenants.all().is_empty() {
        dev::tenants(&settings.data_dir)?
    } else {
        settings.tenants
    });

    let info = SessionInfo {
        address: address.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ring_version: RING_VERSION,
        ring_points: POINTS_PER_NODE,
        ..SessionInfo::default()
    };
    let ttl_ms = u32::try_from(settings.session_ttl.as_millis()).unwrap_or(u32::MAX);
    let membership = Membership::open(
        node.clone(),
        clock.clone(),
        store.clone(),
        Terms::from_ttl_ms(ttl_ms),
        info,
    );
    let membership = Arc::new(membership.await?);
    // A node alone on its bus: nothing ever comes in, and publishing costs next to nothing.
    let (relay, _inbox) = LocalBus::new().join(node.clone(), INBOX_CAPACITY);
    let relay: Arc<dyn Relay> = Arc::new(relay);

    let hub = Arc::new(Hub::new(clock.clone(), &metrics));
    let (due, mut due_batches) = mpsc::unbounded_channel();
    let beat_thread = BeatThread::spawn(clock.clone(), move |batch| {
        // Nobody takes batches any more only when the node is going down.
        let _ = due.send(batch);
    })
    .map_err(NodeError::BeatThread)?;
    let (mirror, wishes) = Mirror::new(
        clock.clone(),
        metrics.clone(),
        membership.clone(),
        relay,
        hub.clone(),
        beat_thread.wheel(),
        MirrorSettings {
            holdover_us: micros(settings.holdover),
        },
    );
    let mirror = Arc::new(mirror);
    let router = Arc::new(Router::new(
        clock.clone(),
        store.clone(),
        mirror.clone(),
        membership.clone(),
        metrics.clone(),
        RouterSettings {
            control_lead_us: micros(settings.control_lead),
        },
    ));
    let services = Arc::new(Services {
        clock: clock.clone(),
        mirror: mirror.clone(),
        router: router.clone(),
        reflections: store.clone(),
    });
    let token_key = match &settings.secret_key {
        Some(key) => TokenKey::new(&key.0),
        None => TokenKey::new(&getrandom::u64()?.to_le_bytes().repeat(4)),
    };
    let gateway = Arc::new(Gateway::new(
        node.clone(),
        clock.clone(),
        metrics.clone(),
        tenants.clone(),
        services,
        hub.clone(),
        token_key,
        GatewaySettings {
            frame_bytes_max: settings.max_frame_bytes,
            queue_bytes_max: settings.max_queue_bytes,
            idle_timeout: settings.idle_timeout,
            dev: is_dev,
        },
    ));
    let state = HttpState {
        clock: clock.clone(),
        tenants,
        router: router.clone(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        guess_delay: guess_delay(&gateway),
        dev: is_dev.then(|| DevMode {
            tenant: dev::TENANT.into(),
        }),
    };

    let mut parts = JoinSet::new();
    {
        let mirror = mirror.clone();
        parts.spawn(async move { mirror.run_subscriptions(wishes).await });
    }
    {
        let mirror = mirror.clone();
        parts.spawn(async move {
            while let Some(batch) = due_batches.recv().await {
                mirror.beat(batch);
            }
        });
    }
    {
        let membership = membership.clone();
        parts.spawn(async move { membership.run().await });
    }
    {
        let hub = hub.clone();
        parts.spawn(async move { hub.run().await });
    }
    parts.spawn(every(Duration::from_millis(100), move || mirror.sweep()));
    parts.spawn(every(Duration::from_secs(1), move || cluster_clock.discipline()));
    {
        let (gateway, readiness, store) = (gateway.clone(), readiness.clone(), store.clone());
        parts.spawn(every(Duration::from_secs(1), move || {
            use crate::store::Store;
            let clock = &gateway.clock;
            gateway
                .registry
                .sweep(clock.boot_us(), clock.now_us(), gateway.settings.idle_timeout);
            if store.failure().is_some() {
                readiness.poison("store");
            }
        }));
    }

    let rooms = router.resume_all().await?;
    {
        let router = router.clone();
        parts.spawn(async move { router.run().await });
    }
    let (closing, closed) = watch::channel(());
    let app = gateway::routes(gateway.clone()).merge(http::router(state.clone()));
    let serving = serve(listener, app, closed.clone());
    let serving_metrics = serve(metrics_listener, http::metrics_router(state), closed);
    readiness.started();
    tracing::info!(
        http.address = %address,
        metrics.address = %metrics_address,
        node.id = %node,
        rooms,
        "listening"
    );
    if let Mode::Dev { lan } = mode {
        dev::greet(address, lan, &settings.data_dir);
    }

    stop.await;
    tracing::info!(node.id = %node, sockets = gateway.registry.len(), "draining");
    readiness.drain();
    // First nobody new comes in, so that clients which are sent away do not come back to this very process.
    drop(closing);
    gateway.registry.drain(settings.drain.min(EMBEDDED_DRAIN_MAX)).await;
    let ended = async {
        let _ = serving.await;
        let _ = serving_metrics.await;
    };
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await;
    membership.close().await;
    parts.shutdown().await;
    drop(beat_thread);
    tracing::info!(node.id = %node, "stopped");
    Ok(())
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| NodeError::Listen {
        setting,
        address,
        source,
    })
}

fn serve(
    listener: TcpListener,
    app: axum::Router,
    mut closed: watch::Receiver<()>,
) -> tokio::task::JoinHandle<io::Result<()>> {
    let listener = listener.tap_io(|stream| {
        // A beat must not wait for the kernel to fill a packet. Where it is refused, it is slower, not wrong.
        let _ = stream.set_nodelay(true);
    });
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let until_closed = async move {
        // An error is what closing looks like: the sender has gone.
        let _ = closed.changed().await;
    };
    tokio::spawn(async move {
        axum::serve(listener, service)
            .with_graceful_shutdown(until_closed)
            .await
    })
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
