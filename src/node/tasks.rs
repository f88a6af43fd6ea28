//! The tasks that run for a node's life.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Node, Work,
    backend::UNCERTAIN_US,
    figures::{Counted, Figures},
};
use crate::{
    channels::realtime::{Realtime, RealtimeWork},
    conductor::{Mirror, RoomService, SWEEP_SLOTS, Wake},
    gateway::Gateway,
    relay::{Body, Calls, Envelope, Gap, Inbound, Inbox, Topic},
    telemetry::{Metrics, count},
    tenancy::TenancyService,
    time::Clock,
};

const SECOND: Duration = Duration::from_secs(1);
/// Presence diffs of realtime topics are coalesced for so long.
const DIFFS_EVERY: Duration = Duration::from_millis(50);

impl Node {
    /// Starts the tasks that run for the node's life.
    pub(super) fn start(&self, work: Work) -> JoinSet<()> {
        let Work { due, wishes, realtime: realtime_work, recording, inbox } = work;
        let mut tasks = JoinSet::new();
        let (subscriptions, errands) = wishes.split();
        let mirror = self.mirror.clone();
        tasks.spawn(async move { mirror.run_subscriptions(subscriptions).await });
        let router = self.router.clone();
        tasks.spawn(async move { router.run_errands(errands).await });
        tasks.spawn(beat(self.mirror.clone(), due));
        let membership = self.membership.clone();
        tasks.spawn(async move { membership.run().await });
        let hub = self.hub.clone();
        tasks.spawn(async move { hub.run().await });
        let mirror = self.mirror.clone();
        let mut turns = (0..SWEEP_SLOTS).cycle();
        tasks.spawn(every(Duration::from_millis(100) / SWEEP_SLOTS as u32, move || {
            turns.next().into_iter().for_each(|turn| mirror.sweep(turn));
        }));
        self.recording.start(recording, &self.http.metrics, &mut tasks);
        self.start_realtime(&mut tasks, realtime_work);
        self.start_conducting(&mut tasks);
        RoomService::offer(self.router.clone(), &self.calls);
        TenancyService::offer(self.tenancy.clone(), &self.calls);
        let listener = Listener {
            mirror: self.mirror.clone(),
            realtime: self.realtime.clone(),
            calls: self.calls.clone(),
            gateway: self.gateway.clone(),
            metrics: self.http.metrics.clone(),
        };
        tasks.spawn(listener.run(inbox));
        self.start_housekeeping(&mut tasks);
        tasks
    }

    fn start_realtime(&self, tasks: &mut JoinSet<()>, work: RealtimeWork) {
        let realtime = self.realtime.clone();
        tasks.spawn(async move { realtime.run(work).await });
        let realtime = self.realtime.clone();
        tasks.spawn(every(DIFFS_EVERY, move || realtime.send_diffs()));
        let realtime = self.realtime.clone();
        tasks.spawn(every(SECOND, move || realtime.tend()));
    }

    fn start_conducting(&self, tasks: &mut JoinSet<()>) {
        let router = self.router.clone();
        self.lookout.tell(move |news| router.hear_news(news));
        let lookout = self.lookout.clone();
        tasks.spawn(async move { lookout.run().await });
        let router = self.router.clone();
        tasks.spawn(async move { router.run().await });
        let router = self.router.clone();
        tasks.spawn(async move { router.run_searches().await });
        let router = self.router.clone();
        tasks.spawn(async move { router.run_departures().await });
        let router = self.router.clone();
        tasks.spawn(async move { router.run_moves().await });
    }

    /// Tells the other nodes what this one's tenants use.
    pub(super) fn usage_teller(&self) -> impl FnMut() + Send + use<> {
        let (gateway, membership, relay) = (self.gateway.clone(), self.membership.clone(), self.relay.clone());
        move || {
            let Some(usage) = gateway.uses.report(gateway.clock.boot_us()) else { return };
            let (origin, incarnation) = (membership.node().clone(), membership.incarnation());
            let _ = relay.publish(&Topic::Nodes, Envelope { origin, incarnation, body: Body::Usage(usage) });
        }
    }

    fn start_housekeeping(&self, tasks: &mut JoinSet<()>) {
        if self.redis.is_some() {
            let (relay, told) = (self.relay.clone(), self.usage_teller());
            tasks.spawn(async move {
                // Heard once the relay can be reached: it remembers the wish.
                if let Err(error) = relay.subscribe(&Topic::Nodes).await {
                    tracing::warn!(%error, "the other nodes' use of limits is not heard yet");
                }
                // The next second's report makes up for one that is lost.
                every(SECOND, told).await;
            });
        } else {
            let clock = self.clock.clone();
            tasks.spawn(every(SECOND, move || clock.discipline()));
        }
        let (tenancy, told) = (self.tenancy.clone(), self.lookout.tenant_changes());
        tasks.spawn(async move { tenancy.run(told).await });
        let gateway = self.gateway.clone();
        let membership = self.membership.clone();
        tasks.spawn(every(SECOND, move || {
            let clock = &gateway.clock;
            gateway.registry.sweep(clock.boot_us(), clock.now_s(), gateway.settings.idle_timeout);
            membership.load().sockets.store(gateway.registry.len() as u64, Ordering::Relaxed);
        }));
        let mut figures = Figures {
            metrics: self.http.metrics.clone(),
            relay: self.relay.clone(),
            redis: self.redis.clone(),
            clock: self.clock.clone(),
            membership: self.membership.clone(),
            readiness: self.http.readiness.clone(),
            counted: Counted::default(),
        };
        tasks.spawn(every(SECOND, move || figures.sample()));
        let (store, relay, redis) = (self.store.clone(), self.relay.clone(), self.redis.clone());
        let (membership, readiness, clock) = (self.membership.clone(), self.http.readiness.clone(), self.clock.clone());
        tasks.spawn(every(SECOND, move || {
            if store.failure().is_some() {
                readiness.poison("store");
            }
            let outage = redis.as_ref().is_some_and(|redis| redis.outage().is_some());
            readiness.hold("redis", outage || !relay.is_reachable());
            readiness.hold("session", membership.standing().is_none());
            readiness.hold("clock", clock.uncertainty_us() > UNCERTAIN_US);
        }));
    }
}

async fn beat(mirror: Arc<Mirror>, mut due: mpsc::UnboundedReceiver<Vec<Wake>>) {
    while let Some(batch) = due.recv().await {
        mirror.beat(batch);
    }
}

/// Whom what other nodes say may concern.
struct Listener {
    mirror: Arc<Mirror>,
    realtime: Arc<Realtime>,
    calls: Arc<Calls>,
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
}

impl Listener {
    /// Hands what comes to whom it concerns. Nothing here waits, so that the relay's inbox never fills.
    async fn run(self, mut inbox: Inbox) {
        while let Some(inbound) = inbox.recv().await {
            if catch_unwind(AssertUnwindSafe(|| self.take_in(inbound))).is_err() {
                count(&self.metrics.panics, "inbox");
            }
        }
    }

    fn take_in(&self, inbound: Inbound) {
        match inbound {
            Inbound::Message { topic: Topic::Room(key), envelope } => self.mirror.hear(&key, envelope),
            Inbound::Message { topic: Topic::Realtime(key), envelope } => self.realtime.hear(&key, envelope),
            Inbound::Message { topic: Topic::Node(_), envelope } => self.calls.take_in(envelope),
            Inbound::Message { topic: Topic::Nodes, envelope } => {
                if let Body::Usage(usage) = &envelope.body {
                    self.gateway.uses.take_in(&envelope.origin, usage, self.gateway.clock.boot_us());
                }
            }
            Inbound::Gap(gap) => {
                count(&self.metrics.relay_messages, "gap");
                let topics = match &gap {
                    Gap::All => None,
                    Gap::Topics(topics) => Some(&**topics),
                };
                self.mirror.note_gap(topics);
                self.realtime.note_gap(topics);
            }
        }
    }
}

async fn every(period: Duration, mut act: impl FnMut() + Send) {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        act();
    }
}
