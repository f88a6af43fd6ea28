//! Every metric's name, in one place. Names follow Prometheus' conventions: base units, `_total` for counters.

mod tenants;

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use tenants::{TENANTS_MAX, Tenants};

/// A label set of one label. The values come from lists in this program, never from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    pub kind: &'static str,
}

/// What can be lost, or be seen to have been.
const LOSSES: [&str; 5] =
    ["control_lost", "rev_missing", "rev_put_back", "room_given_back", "participation_line_damaged"];
/// Where failures are caught.
const PANICS: [&str; 12] = [
    "beat",
    "channel",
    "conductor",
    "drain",
    "feed",
    "http",
    "inbox",
    "join",
    "longpoll",
    "retention",
    "socket",
    "sweep",
];

type Kinds = Family<Kind, Counter>;

/// The handles of this node's metrics.
pub struct Metrics {
    registry: Registry,
    /// Open sockets, by transport.
    pub connections: Family<Kind, Gauge>,
    /// Sockets opened, by transport.
    pub connections_opened: Kinds,
    /// Sockets that the server closed, by cause.
    pub connections_closed: Kinds,
    /// Refused before they were sockets, by cause.
    pub handshakes_refused: Kinds,
    /// Joins by their outcome.
    pub joins: Kinds,
    /// Client events by name; a name that is not of the contract counts as `unknown`.
    pub events: Kinds,
    /// Error replies to client events, by event.
    pub event_errors: Kinds,
    /// How long clients waited for answers that take time, by event; notes are answered at once, and not among them.
    pub event_seconds: Family<Kind, Histogram>,
    /// Frames put into sockets' queues by fan-out, by class.
    pub fan_out: Kinds,
    /// How long after its due time a beat was handed to the sockets' queues.
    pub beat_lateness_seconds: Histogram,
    /// Beats that were not sent because they were overdue.
    pub beats_skipped: Counter,
    /// Frames dropped from sockets' queues, by cause.
    pub queue_drops: Kinds,
    /// Rooms that this node conducts.
    pub rooms: Gauge,
    /// Rooms with members on this node.
    pub rooms_attended: Gauge,
    /// Rooms that play on from their last plan on this node.
    pub rooms_in_holdover: Gauge,
    /// Messages on the relay, by what became of them: published, not_published, received, lost, fenced; and gaps.
    pub relay_messages: Kinds,
    /// The last probe's way through the relay and back.
    pub relay_probe_seconds: Gauge<f64, AtomicU64>,
    /// Commands that the store has sent to Redis.
    pub redis_commands: Counter,
    /// How far cluster time may be wrong here.
    pub clock_uncertainty_seconds: Gauge<f64, AtomicU64>,
    /// 1 while `/readyz` says ready.
    pub ready: Gauge,
    /// The number of this node's session; another one after each lapse.
    pub session_incarnation: Gauge,
    /// Controls and record writes, by outcome.
    pub store_writes: Kinds,
    /// Failures caught at a task's edge, by part.
    pub panics: Kinds,
    /// Beat plans that this node's conductors have published.
    pub plans_published: Counter,
    /// HTTP requests by status class.
    pub http_requests: Kinds,
    /// How long renewals of the node's session took.
    pub session_renewal_seconds: Histogram,
    /// How much later than planned renewals of the session were sent: a node that is starved, or was stopped.
    pub session_renewal_late_seconds: Histogram,
    /// Sessions of this node that ran out.
    pub sessions_lapsed: Counter,
    /// Looks at the store that were not answered.
    pub looks_failed: Counter,
    /// Rooms that this node has begun to conduct, by how.
    pub reigns: Kinds,
    /// The highest epoch of a reign of this node: epochs begin as the time in ms, so it tells when the last one began.
    pub epoch_highest: Gauge,
    /// Invariants seen violated, or losses announced, by which.
    pub losses: Kinds,
    /// Seconds that rooms have played on without a conductor on this node.
    pub holdover_seconds: Counter<f64, AtomicU64>,
    /// Events of lessons by what became of them: kept, lost, rejected by the database, unreadable on their way; and
    /// `stalled`, how often they had to wait in memory.
    pub participation_recorded: Kinds,
    /// Events of lessons that this node has put into the database.
    pub participation_stored: Counter,
    /// Events of lessons that wait for the database, of all tenants, as this node saw it last.
    pub participation_waiting: Gauge,
    /// How long the oldest of them has waited.
    pub participation_oldest_waiting_seconds: Gauge<f64, AtomicU64>,
    /// Attempts to put events into the database, or to fetch them for it, that failed.
    pub participation_drain_failures: Counter,
    /// How long the database took to take in a batch of events.
    pub database_write_seconds: Histogram,
    /// What the retention job has deleted, by kind of row.
    pub retention_deleted: Kinds,
    /// What operators ask of one tenant.
    pub tenants: Tenants,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("downbeat"),
            connections: Family::default(),
            connections_opened: Kinds::default(),
            connections_closed: Kinds::default(),
            handshakes_refused: Kinds::default(),
            joins: Kinds::default(),
            events: Kinds::default(),
            event_errors: Kinds::default(),
            event_seconds: Family::new_with_constructor(|| Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0])),
            fan_out: Kinds::default(),
            beat_lateness_seconds: Histogram::new([
                0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0,
            ]),
            beats_skipped: Counter::default(),
            queue_drops: Kinds::default(),
            rooms: Gauge::default(),
            rooms_attended: Gauge::default(),
            rooms_in_holdover: Gauge::default(),
            relay_messages: Kinds::default(),
            relay_probe_seconds: Gauge::default(),
            redis_commands: Counter::default(),
            clock_uncertainty_seconds: Gauge::default(),
            ready: Gauge::default(),
            session_incarnation: Gauge::default(),
            store_writes: Kinds::default(),
            panics: Kinds::default(),
            plans_published: Counter::<u64, AtomicU64>::default(),
            http_requests: Kinds::default(),
            session_renewal_seconds: Histogram::new([
                0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            ]),
            session_renewal_late_seconds: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 10.0]),
            sessions_lapsed: Counter::default(),
            looks_failed: Counter::default(),
            reigns: Kinds::default(),
            epoch_highest: Gauge::default(),
            losses: Kinds::default(),
            holdover_seconds: Counter::default(),
            participation_recorded: Kinds::default(),
            participation_stored: Counter::default(),
            participation_waiting: Gauge::default(),
            participation_oldest_waiting_seconds: Gauge::default(),
            participation_drain_failures: Counter::default(),
            database_write_seconds: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0]),
            retention_deleted: Kinds::default(),
            tenants: Tenants::default(),
        };
        metrics.begin_at_zero();
        metrics.registered()
    }

    /// What is rare and matters is there from the start, so that the first one is an increase to whoever watches.
    fn begin_at_zero(&self) {
        let rare: [(&Kinds, &[&'static str]); 6] = [
            (&self.losses, &LOSSES),
            (&self.panics, &PANICS),
            (&self.reigns, &["begun", "handed_over", "taken_over", "taken_back", "re_asserted"]),
            (&self.store_writes, &["stored", "fenced", "unavailable"]),
            (&self.relay_messages, &["published", "not_published", "received", "lost", "fenced", "gap"]),
            (&self.participation_recorded, &["kept", "lost", "rejected", "unreadable", "stalled"]),
        ];
        for (family, kinds) in rare {
            for kind in kinds {
                drop(family.get_or_create(&Kind { kind }));
            }
        }
    }

    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register("connections", "Open sockets by transport", self.connections.clone());
        r.register("connections_opened", "Sockets opened by transport", self.connections_opened.clone());
        r.register("connections_closed", "Sockets the server closed, by cause", self.connections_closed.clone());
        r.register("handshakes_refused", "Sockets refused, by cause", self.handshakes_refused.clone());
        r.register("joins", "Joins by outcome", self.joins.clone());
        r.register("events", "Client events by name", self.events.clone());
        r.register("event_errors", "Error replies by event", self.event_errors.clone());
        r.register("event_seconds", "Time until an event's answer, where it takes any", self.event_seconds.clone());
        r.register("fan_out_frames", "Frames queued to sockets by class", self.fan_out.clone());
        r.register(
            "beat_lateness_seconds",
            "Time from a beat's due time to the sockets' queues",
            self.beat_lateness_seconds.clone(),
        );
        r.register("beats_skipped", "Overdue beats not sent", self.beats_skipped.clone());
        r.register("queue_drops", "Frames dropped from sockets' queues by cause", self.queue_drops.clone());
        r.register("rooms", "Rooms conducted by this node", self.rooms.clone());
        r.register("rooms_attended", "Rooms with members on this node", self.rooms_attended.clone());
        r.register("rooms_in_holdover", "Rooms playing on from their last plan", self.rooms_in_holdover.clone());
        r.register("relay_messages", "Relay messages by what became of them", self.relay_messages.clone());
        r.register("relay_probe_seconds", "Last probe through the relay and back", self.relay_probe_seconds.clone());
        r.register("redis_commands", "Commands the store sent to Redis", self.redis_commands.clone());
        r.register(
            "clock_uncertainty_seconds",
            "How far cluster time may be wrong here",
            self.clock_uncertainty_seconds.clone(),
        );
        r.register("ready", "1 while /readyz says ready", self.ready.clone());
        r.register("session_incarnation", "Number of this node's session", self.session_incarnation.clone());
        r.register("store_writes", "Writes of room records by outcome", self.store_writes.clone());
        r.register("panics", "Failures caught at a task's edge, by part", self.panics.clone());
        r.register("plans_published", "Beat plans published by conductors", self.plans_published.clone());
        r.register(
            "session_renewal_seconds",
            "Time that renewals of the session took",
            self.session_renewal_seconds.clone(),
        );
        r.register(
            "session_renewal_late_seconds",
            "How much later than planned renewals of the session were sent",
            self.session_renewal_late_seconds.clone(),
        );
        r.register("sessions_lapsed", "Sessions of this node that ran out", self.sessions_lapsed.clone());
        r.register("looks_failed", "Looks at the store not answered", self.looks_failed.clone());
        r.register("reigns", "Rooms this node began to conduct, by how", self.reigns.clone());
        r.register("epoch_highest", "Highest epoch of a reign of this node", self.epoch_highest.clone());
        r.register("losses", "Losses seen or announced, by what", self.losses.clone());
        r.register("holdover_seconds", "Seconds rooms played on without a conductor", self.holdover_seconds.clone());
        r.register(
            "participation_recorded",
            "Events of lessons by what became of them",
            self.participation_recorded.clone(),
        );
        r.register(
            "participation_stored",
            "Events of lessons put into the database",
            self.participation_stored.clone(),
        );
        r.register(
            "participation_waiting",
            "Events of lessons waiting for the database",
            self.participation_waiting.clone(),
        );
        r.register(
            "participation_oldest_waiting_seconds",
            "How long the oldest waiting event has waited",
            self.participation_oldest_waiting_seconds.clone(),
        );
        r.register(
            "participation_drain_failures",
            "Failed attempts to bring events to the database",
            self.participation_drain_failures.clone(),
        );
        r.register(
            "database_write_seconds",
            "Time the database took for a batch of events",
            self.database_write_seconds.clone(),
        );
        r.register("retention_deleted", "Rows the retention job deleted, by kind", self.retention_deleted.clone());
        r.register("http_requests", "HTTP requests by status class", self.http_requests.clone());
        self.tenants.register_in(r);
        self
    }

    /// The exposition text that Prometheus scrapes.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// One more in a gauge, for as long as this is held.
pub struct Held(Gauge);

impl Held {
    pub fn count(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One open socket in the gauges, for as long as it lives.
pub struct Open(#[expect(dead_code, reason = "held for its end")] Held);

impl Open {
    pub fn count(metrics: &Metrics, transport: &'static str) -> Self {
        let kind = Kind { kind: transport };
        metrics.connections_opened.get_or_create(&kind).inc();
        Self(Held::count(metrics.connections.get_or_create(&kind).clone()))
    }
}

/// Counts one of `kind`.
pub fn count(family: &Kinds, kind: &'static str) {
    family.get_or_create(&Kind { kind }).inc();
}
