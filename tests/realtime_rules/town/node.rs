//! One node.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use downbeat::{
    auth::{Claims, Limits, Secret, Tenant, TenantConfig, TopicGrant},
    channels::{
        JoinRequest, Peer,
        realtime::{Post, PostRefused, Realtime, RealtimeParts, RealtimeTopic},
    },
    conductor::{Mirror, MirrorSettings, Wake},
    participation::Recorder,
    placement::{Directory, Lookout, Membership, POINTS_PER_NODE, RING_VERSION, Terms},
    protocol::{TopicKey, broadcast::Body},
    relay::{Gap, INBOX_CAPACITY, Inbound, Inbox, Topic},
    room::TokenRole,
    store::SessionInfo,
    telemetry::Metrics,
    time::{BeatThread, Clock, FakeClock},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    World,
    client::Client,
    gate::Gate,
    hall::{Ear, Hall, Heard, Hearing},
    link::Link,
    settle,
    wire::Wire,
};

const RENEW_EVERY_US: i64 = 500_000;
const LOOK_EVERY_US: i64 = 250_000;
const TEND_EVERY_US: i64 = 1_000_000;

pub struct Node {
    pub world: Arc<World>,
    pub name: String,
    pub realtime: Arc<Realtime>,
    pub link: Arc<Link>,
    pub wire: Arc<Wire>,
    hall: Arc<Hall>,
    membership: Arc<Membership>,
    lookout: Arc<Lookout>,
    gate: Arc<Gate>,
    /// To renew, to look, to tend.
    timers: Mutex<[Timer; 3]>,
    _tasks: JoinSet<()>,
}

/// What is done from time to time.
struct Timer {
    next_us: i64,
    every_us: i64,
}

impl Timer {
    fn is_due(&mut self, now_us: i64) -> bool {
        let is_due = now_us >= self.next_us;
        if is_due {
            self.next_us = now_us + self.every_us;
        }
        is_due
    }
}

impl Node {
    /// A new process under this name.
    pub async fn start(world: &Arc<World>, name: &str) -> Self {
        let clock: Arc<FakeClock> = world.clock.clone();
        let (metrics, terms) = (Arc::new(Metrics::new()), Terms::from_ttl_ms(2_000));
        let process = world.number();
        let info =
            SessionInfo { ring_version: RING_VERSION, ring_points: POINTS_PER_NODE, process, ..SessionInfo::default() };
        let store = world.store.clone();
        let opened = Membership::open(name.into(), clock.clone(), store.clone(), metrics.clone(), terms, info);
        let membership = Arc::new(opened.await.expect("sessions are always answered"));
        let directory = Arc::new(Directory::new(terms));
        let on_clock = Box::new(|_, _, _| {});
        let lookout = Arc::new(Lookout::new(clock.clone(), store, directory.clone(), metrics.clone(), on_clock));
        lookout.look().await.expect("sessions are always answered");
        let (relay, inbox) = world.bus.join(name, INBOX_CAPACITY);
        let wire = Arc::new(Wire::over(relay, clock.clone()));
        let (hall, gate) = (Arc::new(Hall::default()), Arc::new(Gate::default()));
        let link = Arc::new(Link::to(world.store.clone(), gate.clone()));
        let (mirror, _) = Mirror::new(
            clock.clone(),
            metrics.clone(),
            membership.clone(),
            wire.clone(),
            Arc::new(Recorder::off(metrics)),
            hall.clone(),
            beat_thread().wheel(),
            MirrorSettings { holdover_us: 0 },
        );
        let (realtime, work) = Realtime::new(RealtimeParts {
            clock: clock.clone(),
            relay: wire.clone(),
            store: link.clone(),
            membership: membership.clone(),
            directory,
            audiences: hall.clone(),
            mirror: Arc::new(mirror),
        });
        let realtime = Arc::new(realtime);
        let mut tasks = JoinSet::new();
        let running = realtime.clone();
        tasks.spawn(async move { running.run(work).await });
        tasks.spawn(listen(inbox, realtime.clone(), gate.clone()));
        let now_us = clock.boot_us();
        // Not all nodes do everything at the same moment.
        let first_us = now_us + (process as i64 * 350_000) % TEND_EVERY_US;
        let timer = |every_us| Timer { next_us: first_us, every_us };
        let timers = Mutex::new([RENEW_EVERY_US, LOOK_EVERY_US, TEND_EVERY_US].map(timer));
        let (world, name) = (world.clone(), name.to_owned());
        Self { world, name, realtime, link, wire, hall, membership, lookout, gate, timers, _tasks: tasks }
    }

    /// What the node's timers do at this moment.
    pub async fn work(&self) {
        self.wire.deliver();
        let now_us = self.world.clock.boot_us();
        let [renews, looks, tends] = self.timers.lock().each_mut().map(|timer| timer.is_due(now_us));
        // After a freeze the timers are due in any order: the most awkward one is first.
        if tends {
            self.realtime.tend();
        }
        if looks {
            self.lookout.look().await.expect("sessions are always answered");
        }
        if renews {
            self.membership.renew().await.expect("sessions are always answered");
        }
        self.realtime.send_diffs();
    }

    /// Stops everything that this node does; kept so, it is dead to the others.
    pub fn freeze(&self) {
        self.gate.close();
    }

    pub fn thaw(&self) {
        self.gate.open();
    }

    pub fn is_frozen(&self) -> bool {
        self.gate.is_closed()
    }

    /// Freezes for good, and nothing that it has sent arrives any more.
    pub fn die(&self) {
        self.freeze();
        self.wire.loses_all();
    }

    /// ada joins.
    pub async fn join(&self, topic: &str, config: Value) -> Result<Client, String> {
        self.joining(topic, config).await
    }

    /// The same, for a task of its own.
    pub fn joining(&self, topic: &str, config: Value) -> impl Future<Output = Result<Client, String>> + Send + use<> {
        self.joining_as(peer("acme"), topic, config)
    }

    pub fn joining_as(
        &self,
        peer: Peer,
        topic: &str,
        config: Value,
    ) -> impl Future<Output = Result<Client, String>> + Send + use<> {
        let connection = self.world.number();
        let (topic, payload) = (format!("realtime:{topic}"), json!({ "config": config }).to_string());
        let request = JoinRequest { topic, payload, connection };
        let (realtime, hall) = (self.realtime.clone(), self.hall.clone());
        async move {
            let channel = realtime.join(&peer, &request).await.map_err(|refused| refused.to_string())?;
            Ok(attach(&hall, connection, channel))
        }
    }

    /// A script says something.
    pub async fn post(&self, topic: &str, private: bool, event: &str) -> Result<(), PostRefused> {
        let peer = peer("acme");
        let body = Body::Json("{}".into());
        let post = Post { tenant: &peer.tenant, claims: &peer.claims, topic, private, event, body };
        self.realtime.post(Realtime::check(post)?).await
    }

    /// How many presences the store holds of a topic.
    pub async fn stored(&self, key: &TopicKey) -> usize {
        use downbeat::store::TopicStore;
        self.world.store.inner().presences(key).await.expect("it is in memory").len()
    }
}

/// As the gateway does it: under the topic's lock.
fn attach(hall: &Hall, connection: u64, mut channel: RealtimeTopic) -> Client {
    let topic = channel.topic().clone();
    let bench = hall.bench(topic.key()).expect("whoever has joined holds the audience");
    let ear = Arc::new(Ear::default());
    let mut state = topic.lock();
    let presence = match channel.hears_presence().then(|| state.presence_state()) {
        None => Hearing::Off,
        Some(None) => Hearing::Awaits,
        Some(Some(state)) => {
            ear.note(Heard::State(serde_json::from_str(&state).expect("a state is JSON")));
            Hearing::On
        }
    };
    let (missed, newcomer) = channel.retell(&mut state);
    for missed in missed {
        let (event, id) = (missed.event.clone(), missed.id.clone());
        ear.note(Heard::Broadcast { event, id, replayed: true });
    }
    bench.add(connection, channel.hears_itself(), presence, ear.clone());
    drop(state);
    drop(newcomer);
    Client { connection, ear, channel: Box::new(channel), bench }
}

/// ada of this tenant, who may do everything on private topics that begin with `shared`.
pub fn peer(tenant: &str) -> Peer {
    static TENANTS: Mutex<Vec<Arc<Tenant>>> = Mutex::new(Vec::new());
    let mut tenants = TENANTS.lock();
    let known = tenants.iter().find(|known| *known.id == *tenant).cloned();
    let tenant = known.unwrap_or_else(|| {
        let (id, jwt_secret) = (tenant.into(), Some(Secret::from("x".repeat(32))));
        let config = TenantConfig { id, jwt_secret, limits: Limits::default(), ..TenantConfig::default() };
        let tenant = Arc::new(config.build(Path::new(".")).expect("a good tenant"));
        tenants.push(tenant.clone());
        tenant
    });
    let shared = TopicGrant { sub_topic: "shared".into(), any_rest: true, read: true, write: true };
    let claims = Claims {
        tenant: tenant.id.clone(),
        sub: Some("ada".into()),
        role: TokenRole::Student,
        name: None,
        exp_s: i64::MAX,
        room: None,
        topics: vec![shared],
        signed_with: None,
    };
    Peer { tenant, claims: Arc::new(claims), address: [127, 0, 0, 1].into() }
}

/// Hands what other nodes say to the topics.
async fn listen(mut inbox: Inbox, realtime: Arc<Realtime>, gate: Arc<Gate>) {
    while let Some(inbound) = inbox.recv().await {
        gate.pass().await;
        match inbound {
            Inbound::Message { topic: Topic::Realtime(key), envelope } => realtime.hear(&key, envelope),
            Inbound::Message { .. } => {}
            Inbound::Gap(Gap::All) => realtime.note_gap(None),
            Inbound::Gap(Gap::Topics(topics)) => realtime.note_gap(Some(&topics)),
        }
    }
}

/// No beat is ever due here.
fn beat_thread() -> &'static BeatThread<Wake> {
    static THREAD: OnceLock<BeatThread<Wake>> = OnceLock::new();
    THREAD.get_or_init(|| BeatThread::spawn(Arc::new(FakeClock::at(i64::MAX / 2)), |_| {}).expect("a thread"))
}

/// Two or three nodes that know each other.
pub async fn nodes<const N: usize>(world: &Arc<World>) -> [Node; N] {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"].into_iter().take(N) {
        nodes.push(Node::start(world, name).await);
    }
    super::pass(&nodes.iter().collect::<Vec<_>>(), 1_000).await;
    settle().await;
    nodes.try_into().unwrap_or_else(|_| panic!("{N} nodes"))
}
