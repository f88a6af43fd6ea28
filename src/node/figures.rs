//! Figures that no part counts into the metrics by itself: sampled each second.

use std::sync::Arc;

use crate::{
    http::Readiness,
    placement::Membership,
    relay::{Relay, RelayFigures},
    store::RedisStore,
    telemetry::{Kind, Metrics},
    time::{Clock, ClusterClock},
};

/// Where the figures come from, and what the counters hold of them already.
pub(super) struct Figures {
    pub metrics: Arc<Metrics>,
    pub relay: Arc<dyn Relay>,
    pub redis: Option<Arc<RedisStore>>,
    pub clock: Arc<ClusterClock>,
    pub membership: Arc<Membership>,
    pub readiness: Arc<Readiness>,
    pub counted: Counted,
}

#[derive(Default)]
pub(super) struct Counted {
    relay: RelayFigures,
    commands: u64,
}

impl Figures {
    pub fn sample(&mut self) {
        let metrics = &self.metrics;
        let now = self.relay.figures();
        let before = std::mem::replace(&mut self.counted.relay, now);
        let kinds = [
            ("published", now.published, before.published),
            ("not_published", now.not_published, before.not_published),
            ("received", now.received, before.received),
            ("lost", now.lost, before.lost),
        ];
        for (kind, now, before) in kinds {
            metrics.relay_messages.get_or_create(&Kind { kind }).inc_by(now.saturating_sub(before));
        }
        metrics.relay_probe_seconds.set(now.probe_us as f64 / 1e6);
        let commands = self.redis.as_ref().map_or(0, |redis| redis.commands_sent());
        metrics.redis_commands.inc_by(commands.saturating_sub(self.counted.commands));
        self.counted.commands = commands;
        metrics.clock_uncertainty_seconds.set(self.clock.uncertainty_us() as f64 / 1e6);
        metrics.session_incarnation.set(i64::try_from(self.membership.incarnation()).unwrap_or(i64::MAX));
        metrics.ready.set(i64::from(self.readiness.causes().is_empty()));
    }
}
