//! What the handlers work with.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{OperatorGate, Readiness};
use crate::{
    auth::{Tenant, Tenants},
    channels::realtime::Realtime,
    conductor,
    participation::Desk,
    telemetry::Metrics,
    tenancy::Tenancy,
    time::Clock,
};

/// Notes that somebody at this address tried a room code (known or not) and says how long the answer must wait.
/// It is the sockets' own count of guesses, so that nobody guesses faster over HTTP.
/// None: too many of this address wait already.
pub type GuessDelay = Arc<dyn Fn(IpAddr, bool) -> Option<Duration> + Send + Sync>;

/// Whether a tenant may say so many messages more, all its nodes together: its sockets' own count, so that nobody says
/// more over HTTP. Counts them either way.
pub type EventLimit = Arc<dyn Fn(&Tenant, u32) -> bool + Send + Sync>;

/// Everything that the routes need; a clone is a handful of reference counts.
#[derive(Clone)]
pub struct HttpState {
    pub clock: Arc<dyn Clock>,
    pub tenants: Arc<Tenants>,
    pub router: Arc<conductor::Router>,
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    pub guess_delay: GuessDelay,
    pub realtime: Arc<Realtime>,
    pub desk: Arc<Desk>,
    pub tenancy: Arc<Tenancy>,
    /// None: nobody may make tenants.
    pub operator: Option<Arc<OperatorGate>>,
    pub admits_events: EventLimit,
    /// Some only under `downbeat dev`.
    pub dev: Option<DevMode>,
}

/// What exists for trying things out, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevMode {
    /// The tenant whose tokens `/dev/token` hands out.
    pub tenant: Arc<str>,
    /// Where other devices of the local network find this node; None where it listens to this machine alone.
    pub lan_origin: Option<String>,
}
