//! How a tenant is doing, on all nodes.

use std::{future::Future, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Tenancy, TenancyError,
    calls::{Ask, Reply},
};
use crate::{auth::Limits, room::RoomKey, store::RoomCursor};

const ASKED_WITHIN: Duration = Duration::from_secs(1);
const ROOMS_A_PAGE: usize = 100;
/// Members are counted in so many rooms at most: a question shall not cost what a lesson does.
const ROOMS_COUNTED_MAX: usize = 1_000;

/// Whether something answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    Ok,
    Unreachable,
    /// There is none here.
    Off,
}

/// A tenant on one node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Here {
    connections: u64,
    /// The number of its last change that the node knows; 0: it knows none.
    version: i64,
    suspended: bool,
}

/// The same, for people.
#[derive(Clone, Debug, Serialize)]
pub struct NodeHealth {
    pub node: Arc<str>,
    /// False: it did not answer, and nothing is known.
    pub answers: bool,
    pub connections: u64,
    pub version: i64,
}

/// A tenant on all nodes.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    pub id: Arc<str>,
    pub suspended: bool,
    pub version: Option<i64>,
    pub nodes: Vec<NodeHealth>,
    pub connections: u64,
    /// None: the store does not answer.
    pub rooms: Option<usize>,
    /// In the first 1,000 rooms.
    pub members: Option<usize>,
    pub database: Reach,
    pub redis: Reach,
    pub limits: Limits,
    pub fault: Option<String>,
}

impl Tenancy {
    /// # Errors
    /// There is no such tenant.
    pub async fn health(&self, id: &str) -> Result<Health, TenancyError> {
        let view = self.one(id)?;
        let ask = Ask::Health { tenant: id.into() };
        let (others, rooms, members, database) =
            tokio::join!(self.ask_others(&ask, ASKED_WITHIN), self.rooms(id), self.members(id), self.database());
        let mine = (self.parts.node.clone(), Some(Reply::Health(self.here(id))));
        let mut nodes: Vec<NodeHealth> = std::iter::once(mine).chain(others).map(node_health).collect();
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        let redis = match &self.parts.redis {
            None => Reach::Off,
            Some(redis) if redis.outage().is_some() => Reach::Unreachable,
            Some(_) => Reach::Ok,
        };
        Ok(Health {
            id: view.id,
            suspended: view.suspended,
            version: view.version,
            connections: nodes.iter().map(|node| node.connections).sum(),
            nodes,
            rooms,
            members,
            database,
            redis,
            limits: view.limits,
            fault: view.fault,
        })
    }

    pub(super) fn here(&self, id: &str) -> Here {
        let connections = u64::try_from(self.parts.gateway.registry.count_of(id)).unwrap_or(u64::MAX);
        let version = self.known.lock().get(id).map_or(0, |known| known.kept.change);
        let suspended = self.parts.tenants.get(id).is_some_and(|tenant| tenant.suspended);
        Here { connections, version, suspended }
    }

    async fn rooms(&self, id: &str) -> Option<usize> {
        soon(self.parts.store.live_rooms(id)).await
    }

    async fn members(&self, id: &str) -> Option<usize> {
        let counting = async {
            let (mut members, mut seen, mut cursor): (usize, usize, Option<RoomCursor>) = (0, 0, None);
            loop {
                let (rooms, next) = self.parts.store.list_rooms(id, cursor.as_ref(), ROOMS_A_PAGE).await?;
                let keys: Vec<RoomKey> = rooms.into_iter().map(|room| room.key).collect();
                seen += keys.len();
                members += self.parts.store.occupancies(&keys).await?.into_iter().sum::<usize>();
                match next {
                    Some(next) if seen < ROOMS_COUNTED_MAX => cursor = Some(next),
                    _ => return Ok::<_, crate::store::StoreError>(members),
                }
            }
        };
        soon(counting).await
    }

    async fn database(&self) -> Reach {
        match &self.parts.database {
            None => Reach::Off,
            Some(database) => soon(database.is_reachable()).await.map_or(Reach::Unreachable, |()| Reach::Ok),
        }
    }
}

async fn soon<T, E>(question: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(ASKED_WITHIN, question).await.ok()?.ok()
}

fn node_health((node, reply): (Arc<str>, Option<Reply>)) -> NodeHealth {
    match reply {
        Some(Reply::Health(Here { connections, version, .. })) => {
            NodeHealth { node, answers: true, connections, version }
        }
        _ => NodeHealth { node, answers: false, connections: 0, version: 0 },
    }
}
