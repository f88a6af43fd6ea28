//! What nodes ask each other about tenants. MessagePack with named fields, so that neighbouring releases understand each
//! other.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Tenancy, health::Here};
use crate::relay::{Calls, Service};

const SERVICE: &str = "tenants";

/// Each may be asked twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// There is a change of this number: answered when it is in force there.
    Follow {
        change: i64,
    },
    Disconnect {
        tenant: Arc<str>,
    },
    Health {
        tenant: Arc<str>,
    },
    /// Whether the key of this name can unseal there.
    HasKey {
        key: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The node has read up to this change.
    At {
        change: i64,
    },
    Disconnected {
        sockets: u64,
    },
    Health(Here),
    HasKey {
        yes: bool,
    },
}

/// Answers the calls about tenants.
pub struct TenancyService(Arc<Tenancy>);

impl TenancyService {
    /// From now on other nodes can ask this one.
    pub fn offer(tenancy: Arc<Tenancy>, calls: &Calls) {
        calls.offer(SERVICE, Arc::new(Self(tenancy)));
    }
}

#[async_trait]
impl Service for TenancyService {
    async fn serve(&self, from: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>> {
        let ask = rmp_serde::from_slice(&payload).ok()?;
        tracing::trace!(node.from = %from, "asked about tenants");
        rmp_serde::to_vec_named(&self.0.answer(ask).await).ok()
    }
}

impl Tenancy {
    async fn answer(&self, ask: Ask) -> Reply {
        match ask {
            Ask::Follow { change } => {
                if self.read_up_to() < change {
                    self.catch_up().await;
                    self.stirred.notify_one();
                }
                Reply::At { change: self.read_up_to() }
            }
            Ask::Disconnect { tenant } => {
                let sockets = self.parts.gateway.registry.disconnect(&tenant);
                Reply::Disconnected { sockets: u64::try_from(sockets).unwrap_or(u64::MAX) }
            }
            Ask::Health { tenant } => Reply::Health(self.here(&tenant)),
            Ask::HasKey { key } => Reply::HasKey { yes: self.parts.keys.as_ref().is_some_and(|keys| keys.has(&key)) },
        }
    }

    pub(super) async fn ask_one(&self, node: &Arc<str>, ask: &Ask, within: Duration) -> Option<Reply> {
        let payload = rmp_serde::to_vec_named(ask).ok()?;
        let answer = self.parts.calls.ask(node, SERVICE, payload, within).await;
        rmp_serde::from_slice(&answer.ok()?).ok()
    }
}
