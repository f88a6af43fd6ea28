//! The lists of rooms: `rooms:{tenant}`, codes by last activity (in a Redis Cluster: by the time they were made), and
//! `rooms`, the tenants that have any (in a Cluster: ever had).

use std::time::Duration;

use redis::{Cmd, Value as Answer};

use crate::room::RoomKey;
use crate::store::{Owned, Owner, RoomCursor, RoomRecord, StoreError};

use super::{
    RedisStore,
    keys::MEMBERS,
    read,
    record::{Answered, code},
    script::{Call, LOAD_ROOM, STRIKE},
};

/// What reading everything may take.
const LONG: Duration = Duration::from_secs(5);
/// An entry without its room is half made, or half removed, for no longer.
const HALF_MADE_US: u64 = 60_000_000;
/// How many rooms are read at once, for a page of a list.
const READ_AT_ONCE: usize = 100;

impl RedisStore {
    pub(super) async fn count_rooms(&self, tenant: &str) -> Result<usize, StoreError> {
        let mut count = redis::cmd("ZCARD");
        count.arg(self.keys.rooms(tenant));
        read(self.rooms.ask(|mut wire| async move { wire.ask(&count).await }).await?)
    }

    /// Sorts all of the tenant's codes for each page: the list is the only one that there is, so none can disagree.
    pub(super) async fn page_of_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> Result<(Vec<RoomRecord>, Option<RoomCursor>), StoreError> {
        // A page of nothing would never come to the list's end.
        let limit = limit.max(1);
        let mut range = redis::cmd("ZRANGE");
        range.arg(self.keys.rooms(tenant)).arg(0).arg(-1);
        let codes: Vec<String> = read(self.read_all(vec![range]).await?.pop().unwrap_or(Answer::Nil))?;
        let mut codes: Vec<_> = codes.iter().filter_map(|text| code(text)).collect();
        codes.retain(|code| cursor.is_none_or(|cursor| code > cursor.code()));
        codes.sort_unstable();
        let mut page = Vec::new();
        for codes in codes.chunks(READ_AT_ONCE.min(limit + 1)) {
            let keys: Vec<_> = codes.iter().map(|code| RoomKey { tenant: tenant.into(), code: code.clone() }).collect();
            let loads = keys.iter().map(|key| LOAD_ROOM.on(self.keys.room(key))).collect();
            for (key, answer) in keys.iter().zip(self.run_all(loads).await?) {
                page.extend(read::<Answered>(answer)?.into_record(key)?);
            }
            if page.len() > limit {
                page.truncate(limit);
                let next = page.last().map(|last| RoomCursor::after(last.key.code.clone()));
                return Ok((page, next));
            }
        }
        Ok((page, None))
    }

    /// Strikes off, beside, the entries that have had no room for a minute.
    pub(super) async fn all_owners(&self) -> Result<Vec<Owned>, StoreError> {
        let mut tenants = redis::cmd("SMEMBERS");
        tenants.arg(self.keys.tenants());
        let tenants: Vec<String> = read(self.read_all(vec![tenants]).await?.pop().unwrap_or(Answer::Nil))?;
        let ranges = tenants.iter().map(|tenant| {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.keys.rooms(tenant)).arg(0).arg(-1).arg("WITHSCORES");
            range
        });
        let mut entries = Vec::new();
        for (tenant, answer) in tenants.iter().zip(self.read_all(ranges.collect()).await?) {
            let tenant: std::sync::Arc<str> = tenant.as_str().into();
            for (text, score) in read::<Vec<(String, f64)>>(answer)? {
                let key = code(&text).map(|code| RoomKey { tenant: tenant.clone(), code });
                entries.extend(key.map(|key| (key, score)));
            }
        }
        let asked = entries.iter().map(|(key, _)| {
            let mut owner = redis::cmd("HMGET");
            owner.arg(self.keys.record(key)).arg(&["owner", "incarnation", "epoch", "nonce"]);
            owner
        });
        let answers = self.read_all(asked.collect()).await?;
        let mut owners = Vec::with_capacity(entries.len());
        let mut empty = Vec::new();
        for ((key, score), answer) in entries.into_iter().zip(answers) {
            type Fields = (Option<String>, Option<u64>, Option<u64>, Option<u64>);
            match read::<Fields>(answer)? {
                (Some(node), Some(incarnation), Some(epoch), Some(nonce)) => {
                    owners.push(Owned { key, owner: Owner { node, incarnation }, epoch, nonce });
                }
                _ => empty.push(self.strike_off(&key, score, HALF_MADE_US)),
            }
        }
        self.run_all(empty).await?;
        Ok(owners)
    }

    pub(super) async fn count_members(&self, keys: &[RoomKey]) -> Result<Vec<usize>, StoreError> {
        let counts = keys.iter().map(|key| {
            let mut count = redis::cmd("HLEN");
            count.arg(&self.keys.room(key)[MEMBERS]);
            count
        });
        self.read_all(counts.collect()).await?.into_iter().map(read).collect()
    }

    /// In a Cluster, the entry of a room that is about to be removed; elsewhere the removal sees to it.
    pub(super) async fn listed_since(&self, key: &RoomKey) -> Result<Option<f64>, StoreError> {
        if self.keys.together() {
            return Ok(None);
        }
        let mut score = redis::cmd("ZSCORE");
        score.arg(self.keys.rooms(&key.tenant)).arg(key.code.as_str());
        read(self.rooms.ask(|mut wire| async move { wire.ask(&score).await }).await?)
    }

    /// Strikes off the entry of a removed room, unless the code was given out again. If that fails, a minute is lost.
    pub(super) async fn strike(&self, key: &RoomKey, listed: Option<f64>) {
        if let Some(score) = listed
            && let Err(error) = self.run(self.strike_off(key, score, 0)).await
        {
            tracing::warn!(
                tenant.id = %key.tenant, room.code = %key.code, %error,
                "a room that was removed is still listed, for a minute"
            );
        }
    }

    fn strike_off(&self, key: &RoomKey, score: f64, age_us: u64) -> Call {
        let call = STRIKE.on(vec![self.keys.rooms(&key.tenant)]).arg(key.code.as_str());
        // Scores are whole microseconds below 2⁵³.
        call.arg(format!("{score:.0}")).arg(age_us)
    }

    pub(super) async fn read_all(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, StoreError> {
        self.lists.ask_within(LONG, |mut wire| async move { wire.ask_all(commands).await }).await
    }

    pub(super) async fn run_all(&self, calls: Vec<Call>) -> Result<Vec<Answer>, StoreError> {
        self.lists.ask_within(LONG, |wire| async move { wire.run_all(calls).await }).await
    }
}
