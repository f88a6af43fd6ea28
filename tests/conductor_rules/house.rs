//! A node without sockets: its router, mirror and session, on a clock that moves when the test says so.

use std::{
    cell::Cell,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use downbeat::{
    auth::{Limits, Secret, Tenant, TenantConfig},
    conductor::{
        ControlRefused, Mirror, MirrorSettings, Parts, RequestId, RoomMirror, RoomService, Router, RouterSettings,
        Seat, Wake,
    },
    participation::Recorder,
    placement::{Directory, Lookout, Membership, POINTS_PER_NODE, RING_VERSION, Terms},
    relay::{Calls, Gap, INBOX_CAPACITY, Inbound, Inbox, LocalBus, Topic},
    room::{Actor, Control, CreateRoom, Join, RoomKey, TokenRole},
    store::{RoomRecord, SessionInfo, Store},
    telemetry::Metrics,
    time::{BeatThread, Clock, FakeClock},
};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};

use super::{
    book::Book,
    ears::{Ears, Heard},
    faulty_store::FaultyStore,
    gate::Gate,
    house_clock::HouseClock,
    lossy_relay::LossyRelay,
    town::pass_all,
};

pub const START_US: i64 = 1_700_000_000_000_000;
pub const HOLDOVER_US: i64 = 20_000_000;
pub const LEAD_US: i64 = 150_000;
/// How far time moves at once: the interval between two of the router's twenty ticks a second.
pub const STEP_MS: i64 = 50;

/// The parts of the world that outlive a node, or that two nodes share.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<FakeClock>,
    pub store: Arc<FaultyStore>,
    pub bus: LocalBus,
    processes: Arc<AtomicU64>,
    book: Option<Arc<Book>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            clock: Arc::new(FakeClock::at(START_US)),
            store: Arc::default(),
            bus: LocalBus::new(),
            processes: Arc::new(AtomicU64::new(1)),
            book: None,
        }
    }
}

impl World {
    /// One in which it is recorded what happens.
    pub fn recorded() -> Self {
        Self { book: Some(Arc::default()), ..Self::default() }
    }

    pub fn book(&self) -> &Arc<Book> {
        self.book.as_ref().expect("a world that is recorded")
    }
}

pub struct House {
    pub world: World,
    pub router: Arc<Router>,
    pub mirror: Arc<Mirror>,
    pub membership: Arc<Membership>,
    pub directory: Arc<Directory>,
    pub lookout: Arc<Lookout>,
    pub calls: Arc<Calls>,
    pub ears: Arc<Ears>,
    pub relay: Arc<LossyRelay>,
    pub metrics: Arc<Metrics>,
    pub recorder: Arc<Recorder>,
    pub tenant: Arc<Tenant>,
    /// Whether the session is renewed as time passes.
    pub renews: Cell<bool>,
    /// Whether the conductors are ticked as time passes: without, no plan comes.
    pub ticks: Cell<bool>,
    gate: Gate,
    clock: Arc<HouseClock>,
    handed_over: Receiver<Vec<Wake>>,
    wakes_taken: Cell<usize>,
    wakes: Cell<Vec<Wake>>,
    /// Both end with the house.
    _beat_thread: BeatThread<Wake>,
    _tasks: JoinSet<()>,
}

impl House {
    pub async fn new() -> Self {
        Self::on("a", World::default()).await
    }

    /// A node called `name`.
    pub async fn on(name: &str, world: World) -> Self {
        let clock = Arc::new(HouseClock::over(world.clock.clone()));
        let metrics = Arc::new(Metrics::new());
        let terms = Terms::from_ttl_ms(2_000);
        let process = world.processes.fetch_add(1, Ordering::Relaxed);
        let info =
            SessionInfo { ring_version: RING_VERSION, ring_points: POINTS_PER_NODE, process, ..SessionInfo::default() };
        let store = world.store.clone();
        let membership = Membership::open(name.into(), clock.clone(), store.clone(), metrics.clone(), terms, info)
            .await
            .expect("the store answers");
        let membership = Arc::new(membership);
        let directory = Arc::new(Directory::new(terms));
        let on_clock = Box::new(|_, _, _| {});
        let lookout = Lookout::new(clock.clone(), store, directory.clone(), metrics.clone(), on_clock);
        let lookout = Arc::new(lookout);
        lookout.look().await.expect("the store answers");
        let (relay, inbox) = world.bus.join(name, INBOX_CAPACITY);
        let relay = Arc::new(LossyRelay::over(relay));
        let bears = membership.clone();
        let calls = Arc::new(Calls::new(relay.clone(), name.into(), process << 32, move || bears.incarnation()));
        let ears = Arc::new(Ears::new(clock.clone()));
        let (hand_over, handed_over) = channel();
        // To this thread everything is due: the house itself waits, in its own time.
        let at_once = Arc::new(FakeClock::at(i64::MAX / 2));
        let beat_thread = BeatThread::spawn(at_once, move |batch| {
            let _ = hand_over.send(batch);
        })
        .expect("a thread");
        let settings = MirrorSettings { holdover_us: HOLDOVER_US };
        let recorder = match &world.book {
            Some(book) => book.recorder(process, metrics.clone()),
            None => Arc::new(Recorder::off(metrics.clone())),
        };
        let (mirror, wishes) = Mirror::new(
            clock.clone(),
            metrics.clone(),
            membership.clone(),
            relay.clone(),
            recorder.clone(),
            ears.clone(),
            beat_thread.wheel(),
            settings,
        );
        let mirror = Arc::new(mirror);
        let parts = Parts {
            clock: clock.clone(),
            store: world.store.clone(),
            mirror: mirror.clone(),
            membership: membership.clone(),
            directory: directory.clone(),
            lookout: lookout.clone(),
            calls: calls.clone(),
            metrics: metrics.clone(),
            recorder: recorder.clone(),
        };
        let router = Arc::new(Router::new(parts, RouterSettings { control_lead_us: LEAD_US }));
        let (mut tasks, gate) = (JoinSet::new(), Gate::default());
        let (subscriptions, errands) = wishes.split();
        let (subscribing, ticking) = (mirror.clone(), router.clone());
        tasks.spawn(gate.before(async move { subscribing.run_subscriptions(subscriptions).await }));
        tasks.spawn(gate.before(async move { ticking.run().await }));
        let running = router.clone();
        tasks.spawn(gate.before(async move { running.run_errands(errands).await }));
        let searching = router.clone();
        tasks.spawn(gate.before(async move { searching.run_searches().await }));
        let departing = router.clone();
        tasks.spawn(gate.before(async move { departing.run_departures().await }));
        let moving = router.clone();
        tasks.spawn(gate.before(async move { moving.run_moves().await }));
        let hearing = router.clone();
        lookout.tell(move |news| hearing.hear_news(news));
        let looking = lookout.clone();
        tasks.spawn(gate.before(async move { looking.run().await }));
        RoomService::offer(router.clone(), &calls);
        tasks.spawn(gate.before(listen(inbox, mirror.clone(), calls.clone())));
        let house = Self {
            world,
            router,
            mirror,
            membership,
            directory,
            lookout,
            calls,
            ears,
            relay,
            metrics,
            recorder,
            tenant: tenant("acme", Limits::default()),
            renews: Cell::new(true),
            ticks: Cell::new(true),
            gate,
            clock,
            _beat_thread: beat_thread,
            handed_over,
            wakes_taken: Cell::new(0),
            wakes: Cell::default(),
            _tasks: tasks,
        };
        house.settle().await;
        house
    }

    pub fn store(&self) -> &FaultyStore {
        &self.world.store
    }

    pub fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.ears.take()
    }

    /// Another way to the rooms of this very node, which knows nothing of the first.
    pub fn another_router(&self) -> Router {
        let parts = Parts {
            clock: self.clock.clone(),
            store: self.world.store.clone(),
            mirror: self.mirror.clone(),
            membership: self.membership.clone(),
            directory: self.directory.clone(),
            lookout: self.lookout.clone(),
            calls: self.calls.clone(),
            metrics: self.metrics.clone(),
            recorder: self.recorder.clone(),
        };
        Router::new(parts, RouterSettings { control_lead_us: LEAD_US })
    }

    /// Lets every task do what it can do at this moment.
    pub async fn settle(&self) {
        for _ in 0..24 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass, with all that a node does meanwhile.
    pub async fn pass(&self, ms: i64) {
        pass_all(&[self], ms).await;
    }

    /// Stops everything that this node does, as SIGSTOP does; kept so, it is dead to the others.
    pub fn freeze(&self) {
        self.gate.close();
    }

    pub fn thaw(&self) {
        self.gate.open();
    }

    pub fn is_frozen(&self) -> bool {
        self.gate.is_closed()
    }

    /// Lets seconds pass in which nothing is done but to renew the session.
    pub async fn doze(&self, seconds: i64) {
        for _ in 0..seconds {
            self.world.clock.advance(1_000_000);
            self.renew().await;
        }
    }

    pub async fn renew(&self) {
        if self.renews.get() {
            self.membership.renew().await.expect("sessions are always answered");
        }
    }

    /// Wakes the mirror when the time has come for which it asked to be woken.
    pub fn beat(&self) {
        let mut wakes = self.wakes.take();
        while self.wakes_taken.get() < self.clock.waits() {
            let batch = self
                .handed_over
                .recv_timeout(Duration::from_secs(20))
                .expect("the beat thread hands over whatever is waited for");
            self.wakes_taken.set(self.wakes_taken.get() + batch.len());
            wakes.extend(batch);
        }
        let is_due = self.clock.waited_for.lock().iter().any(|due| *due <= self.now_us());
        if is_due {
            self.clock.waited_for.lock().clear();
            self.mirror.beat(wakes);
        } else {
            self.wakes.set(wakes);
        }
    }

    pub async fn open_room(&self) -> RoomKey {
        self.open_room_with(CreateRoom::default()).await
    }

    pub async fn open_room_with(&self, request: CreateRoom) -> RoomKey {
        let standing = self.router.create(&self.tenant, request, "ms-ray").await.expect("there is space");
        RoomKey { tenant: self.tenant.id.clone(), code: standing.room_id }
    }

    /// A room in which ms-ray (connection 1), ada (2) and bob (3) are.
    pub async fn class(&self) -> (RoomKey, [Guest; 3]) {
        let key = self.open_room().await;
        let guests =
            [self.join(&key, "ms-ray", 1).await, self.join(&key, "ada", 2).await, self.join(&key, "bob", 3).await];
        (key, guests)
    }

    pub async fn join(&self, key: &RoomKey, student_id: &str, connection: u64) -> Guest {
        self.try_join(key, student_id, connection).await.expect("let in")
    }

    /// ms-ray teaches; everybody else learns.
    pub async fn try_join(&self, key: &RoomKey, student_id: &str, connection: u64) -> Result<Guest, ControlRefused> {
        let mut seat = self.mirror.enter(key);
        seat.heard().await;
        let join = Join {
            student_id: student_id.into(),
            name: student_id.to_uppercase(),
            role: role_of(student_id),
            connection,
        };
        self.router.admit(key, join.clone()).await?;
        let room = seat.room().expect("an admitted member finds the room");
        room.lock().settle(join);
        Ok(Guest { room, connection, seat, router: self.router.clone() })
    }

    /// The teacher's control.
    pub async fn ask(&self, key: &RoomKey, event: &str, payload: Value) -> Result<Value, ControlRefused> {
        let control = control(event, &payload);
        self.router.control(key, actor("ms-ray", 1), control, None).await
    }

    /// The teacher's control under a request id.
    pub async fn ask_again(
        &self,
        key: &RoomKey,
        request: &str,
        event: &str,
        payload: Value,
    ) -> Result<Value, ControlRefused> {
        let request = RequestId { connection: 1, request: request.into() };
        let control = control(event, &payload);
        self.router.control(key, actor("ms-ray", 1), control, Some(request)).await
    }

    /// The teacher's control, whose answer is not waited for yet.
    pub fn begin(&self, key: &RoomKey, event: &str, payload: Value) -> JoinHandle<Result<Value, ControlRefused>> {
        let (router, key, control) = (self.router.clone(), key.clone(), control(event, &payload));
        tokio::spawn(async move { router.control(&key, actor("ms-ray", 1), control, None).await })
    }

    /// Makes the room's conductor fail, with nobody there who would ask again.
    pub async fn kill_conductor(&self, key: &RoomKey) {
        self.store().panic_before_the_next_write();
        self.order_and_go(key, "reset_clock", serde_json::json!({})).await;
    }

    /// The same, and until the store is healed nobody can take the room up.
    pub async fn kill_conductor_and_store(&self, key: &RoomKey) {
        self.store().panic_before_the_next_write_and_go_away();
        self.order_and_go(key, "reset_clock", serde_json::json!({})).await;
        assert_eq!(self.metrics.rooms.get(), 0, "the only conductor has failed");
    }

    /// Sends the conductor a control, and is no longer there when it looks at it.
    pub async fn order_and_go(&self, key: &RoomKey, event: &str, payload: Value) {
        {
            let asked = std::pin::pin!(self.ask(key, event, payload));
            tokio::select! {
                biased;
                answer = asked => panic!("the conductor has not run yet, and answers {answer:?}"),
                () = std::future::ready(()) => {}
            }
        }
        self.settle().await;
    }

    pub async fn record(&self, key: &RoomKey) -> RoomRecord {
        self.stored(key).await.expect("the room lives")
    }

    pub async fn stored(&self, key: &RoomKey) -> Option<RoomRecord> {
        self.store().inner().load_room(key).await.expect("it is in memory")
    }

    pub async fn members(&self, key: &RoomKey) -> usize {
        self.router.standing(key).await.expect("the room lives").members
    }
}

/// Hands what other nodes say to whom it concerns.
async fn listen(mut inbox: Inbox, mirror: Arc<Mirror>, calls: Arc<Calls>) {
    while let Some(inbound) = inbox.recv().await {
        match inbound {
            Inbound::Message { topic: Topic::Room(key), envelope } => mirror.hear(&key, envelope),
            Inbound::Message { topic: Topic::Node(_), envelope } => calls.take_in(envelope),
            Inbound::Message { topic: Topic::Nodes | Topic::Realtime(_), .. } => {}
            Inbound::Gap(Gap::All) => mirror.note_gap(None),
            Inbound::Gap(Gap::Topics(topics)) => mirror.note_gap(Some(&topics)),
        }
    }
}

/// Somebody in a room.
pub struct Guest {
    pub room: Arc<RoomMirror>,
    pub connection: u64,
    pub seat: Seat,
    router: Arc<Router>,
}

impl Guest {
    /// Gives up the seat, then says goodbye: as a channel does when it is dropped.
    pub async fn leave(self) {
        let key = self.room.key().clone();
        self.room.lock().unsettle(self.connection);
        drop(self.seat);
        self.router.depart(&key, self.connection).await;
    }
}

pub fn role_of(student_id: &str) -> TokenRole {
    match student_id {
        "ms-ray" => TokenRole::Teacher,
        _ => TokenRole::Student,
    }
}

pub fn actor(student_id: &str, connection: u64) -> Actor {
    Actor { student_id: student_id.into(), role: role_of(student_id), connection }
}

pub fn control(event: &str, payload: &Value) -> Control {
    Control::parse(event, &payload.to_string()).expect("well formed").expect("a control")
}

pub fn tenant(id: &str, limits: Limits) -> Arc<Tenant> {
    let config = TenantConfig {
        id: id.into(),
        jwt_secret: Some(Secret::from("x".repeat(32))),
        limits,
        ..TenantConfig::default()
    };
    Arc::new(config.build(Path::new(".")).expect("a good tenant"))
}
