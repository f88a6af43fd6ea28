//! Where sockets end: handshakes, the socket's loop, long poll, fan-out, limits.

mod accept;
mod addresses;
mod connection;
mod credentials;
mod expiry;
mod flusher;
mod frame;
mod guesses;
mod handshake;
mod http_stream;
mod hub;
mod limits;
pub mod longpoll;
mod longpoll_token;
mod outbox;
pub mod proxies;
mod redelivery;
mod registry;
pub mod session;
pub mod shares;
mod websocket;

use std::{sync::Arc, time::Duration};

pub use accept::routes;
pub use addresses::{AddressLimits, Addresses, Held};
pub use guesses::Guesses;
pub use http_stream::{Answering, HttpStream, Patience, UnderWay};
pub use hub::Hub;
pub use limits::{TenantUse, UserPlace, Uses};
pub use longpoll::LongPolls;
use longpoll::Serving;
pub use longpoll_token::{SessionToken, TokenKey};
pub use registry::Registry;

use crate::{auth::Tenants, channels::Services, relay::Calls, telemetry::Metrics, time::Clock};

/// How this node treats its sockets.
#[derive(Clone, Copy, Debug)]
pub struct GatewaySettings {
    /// A longer frame closes its socket with 1009.
    pub frame_bytes_max: usize,
    /// What may wait for one socket.
    pub queue_bytes_max: usize,
    /// A socket that has not been heard for so long is closed with 1002.
    pub idle_timeout: Duration,
    /// What one address may do.
    pub address_limits: AddressLimits,
    /// Any origin may connect.
    pub dev: bool,
}

/// Everything that the sockets of this node share.
pub struct Gateway {
    /// This node's id.
    pub node: Arc<str>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub tenants: Arc<Tenants>,
    pub services: Arc<Services>,
    pub hub: Arc<Hub>,
    pub guesses: Arc<Guesses>,
    pub addresses: Arc<Addresses>,
    pub registry: Arc<Registry>,
    pub long_polls: Arc<LongPolls>,
    /// Signs the tokens of long-poll sessions; the same on all nodes, so that each reads every other's.
    pub token_key: TokenKey,
    /// The way to the other nodes' long-poll sessions.
    pub calls: Arc<Calls>,
    pub uses: Uses,
    pub settings: GatewaySettings,
}

impl Gateway {
    #[expect(clippy::too_many_arguments, reason = "called once, by the composition root")]
    pub fn new(
        node: Arc<str>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        tenants: Arc<Tenants>,
        services: Arc<Services>,
        hub: Arc<Hub>,
        calls: Arc<Calls>,
        token_key: TokenKey,
        settings: GatewaySettings,
    ) -> Self {
        let long_polls = Arc::new(LongPolls::default());
        calls.offer(longpoll::SERVICE, Arc::new(Serving::new(long_polls.clone())));
        Self {
            node,
            clock,
            metrics,
            tenants,
            services,
            hub,
            guesses: Arc::default(),
            addresses: Arc::new(Addresses::new(settings.address_limits)),
            registry: Arc::default(),
            long_polls,
            token_key,
            calls,
            uses: Uses::default(),
            settings,
        }
    }
}
