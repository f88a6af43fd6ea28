//! What operators ask of one tenant, for as many tenants as a node's series may be of.

use std::collections::HashMap;

use parking_lot::RwLock;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Held;

/// Tenants with series of their own, the first that a node meets; all others share one.
pub const TENANTS_MAX: usize = 50;
/// Whom the others are counted under.
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

/// One tenant's series.
#[derive(Clone)]
struct Series {
    connections: Gauge,
    rooms: Gauge,
    refused: Counter,
}

/// The series of all tenants. Looked up when a socket opens, a room is taken up or something is refused: never for a note.
#[derive(Default)]
pub struct Tenants {
    connections: Family<OfTenant, Gauge>,
    rooms: Family<OfTenant, Gauge>,
    refused: Family<OfTenant, Counter>,
    known: RwLock<HashMap<String, Series>>,
}

impl Tenants {
    /// One socket of this tenant, for as long as it is held.
    pub fn connection(&self, tenant: &str) -> Held {
        Held::count(self.of(tenant).connections)
    }

    /// One room of this tenant that this node conducts, likewise.
    pub fn room(&self, tenant: &str) -> Held {
        Held::count(self.of(tenant).rooms)
    }

    /// Counts what a limit of the tenant's has refused.
    pub fn note_refused(&self, tenant: &str) {
        self.of(tenant).refused.inc();
    }

    fn of(&self, tenant: &str) -> Series {
        if let Some(series) = self.known.read().get(tenant) {
            return series.clone();
        }
        let mut known = self.known.write();
        let named = if known.len() < TENANTS_MAX { tenant } else { OTHER };
        if let Some(series) = known.get(named) {
            return series.clone();
        }
        let label = OfTenant { tenant: named.to_owned() };
        let series = Series {
            connections: self.connections.get_or_create(&label).clone(),
            rooms: self.rooms.get_or_create(&label).clone(),
            refused: self.refused.get_or_create(&label).clone(),
        };
        // The one of all others goes beyond the limit.
        known.insert(named.to_owned(), series.clone());
        series
    }

    pub(super) fn register_in(&self, r: &mut Registry) {
        r.register("tenant_connections", "Open sockets by tenant", self.connections.clone());
        r.register("tenant_rooms", "Rooms conducted by this node, by tenant", self.rooms.clone());
        r.register("tenant_refused", "What a tenant's limits refused", self.refused.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn series(metrics: &Metrics) -> Vec<String> {
        let text = metrics.exposition();
        text.lines().filter(|line| line.starts_with("downbeat_tenant_connections{")).map(str::to_owned).collect()
    }

    #[test]
    fn tenants_beyond_the_limit_share_one_series() {
        let metrics = Metrics::new();
        let held: Vec<Held> = (0..1_000).map(|n| metrics.tenants.connection(&format!("school-{n}"))).collect();
        let told = series(&metrics);
        assert_eq!(told.len(), TENANTS_MAX + 1);
        assert!(told.contains(&"downbeat_tenant_connections{tenant=\"school-0\"} 1".to_owned()), "{told:?}");
        assert!(told.contains(&format!("downbeat_tenant_connections{{tenant=\"other\"}} {}", 1_000 - TENANTS_MAX)));
        drop(held);
        assert!(series(&metrics).iter().all(|line| line.ends_with(" 0")), "{:?}", series(&metrics));
    }

    #[test]
    fn what_a_tenant_s_limits_refuse_is_counted_under_its_name() {
        let metrics = Metrics::new();
        metrics.tenants.note_refused("acme");
        let _room = metrics.tenants.room("acme");
        let text = metrics.exposition();
        assert!(text.contains("downbeat_tenant_refused_total{tenant=\"acme\"} 1"), "{text}");
        assert!(text.contains("downbeat_tenant_rooms{tenant=\"acme\"} 1"), "{text}");
    }
}
