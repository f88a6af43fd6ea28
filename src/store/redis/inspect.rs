//! What people ask for who look after a cluster. Plain reads, which change nothing.

use std::sync::Arc;

use redis::{Cmd, Value as Answer};

use crate::room::RoomKey;
use crate::store::StoreError;

use super::{RedisStore, read, record::code};

impl RedisStore {
    /// The nodes of the last day, and when each was last seen, in microseconds since 1970 by the server's clock; in a
    /// Redis Cluster a minute late at most.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn nodes_seen(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let mut seen = redis::cmd("ZRANGE");
        seen.arg(self.keys.nodes()).arg(0).arg(-1).arg("WITHSCORES");
        let seen: Vec<(String, f64)> = read(self.read_one(seen).await?)?;
        // Scores are whole microseconds below 2⁵³.
        Ok(seen.into_iter().map(|(node, score)| (node, score as i64)).collect())
    }

    /// In how many milliseconds the session of each of these nodes runs out, if it is not renewed; none where there is
    /// no session.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn sessions_end_in_ms(&self, nodes: &[&str]) -> Result<Vec<Option<u64>>, StoreError> {
        let asked = nodes.iter().map(|node| {
            let mut ends = redis::cmd("PTTL");
            ends.arg(self.keys.lease(node));
            ends
        });
        let answers = self.read_all(asked.collect()).await?;
        answers.into_iter().map(|answer| Ok(u64::try_from(read::<i64>(answer)?).ok())).collect()
    }

    /// The rooms that are listed, of one tenant or of all, in order. One that is just being made or removed may be
    /// listed without a record.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn listed_rooms(&self, tenant: Option<&str>) -> Result<Vec<RoomKey>, StoreError> {
        let tenants: Vec<String> = match tenant {
            Some(tenant) => vec![tenant.to_owned()],
            None => {
                let mut tenants = redis::cmd("SMEMBERS");
                tenants.arg(self.keys.tenants());
                read(self.read_one(tenants).await?)?
            }
        };
        let asked = tenants.iter().map(|tenant| {
            let mut codes = redis::cmd("ZRANGE");
            codes.arg(self.keys.rooms(tenant)).arg(0).arg(-1);
            codes
        });
        let mut keys = Vec::new();
        for (tenant, answer) in tenants.iter().zip(self.read_all(asked.collect()).await?) {
            let tenant: Arc<str> = tenant.as_str().into();
            let codes = read::<Vec<String>>(answer)?;
            let codes = codes.iter().filter_map(|text| code(text));
            keys.extend(codes.map(|code| RoomKey { tenant: tenant.clone(), code }));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn read_one(&self, command: Cmd) -> Result<Answer, StoreError> {
        Ok(self.read_all(vec![command]).await?.pop().unwrap_or(Answer::Nil))
    }
}
