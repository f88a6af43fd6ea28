//! Sessions, and what nodes watch and agree on. All of it goes over a connection of its own, so that a renewal never
//! waits behind rooms.
//!
//! Commands: a renewal 1, a look 1, and opening a session 3. In a Redis Cluster, whose servers share out the keys:
//! a renewal 1 (and each hundredth 2), a look 3 and one more for each node.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{Cmd, Value as Answer};
use serde::Deserialize;

use crate::store::{Look, ServerClock, SessionInfo, SessionRecord, StoreError};

use super::{
    RedisStore, odd, read,
    record::json,
    script::{AGREE_CLOCK, Call, END_SESSION, LOOK, OPEN_INCARNATION, RENEW_SESSION, SEEN_NODE, SET_ONCE, STRIKE},
};

/// How long a node is remembered that has no session.
const REMEMBERED_US: i64 = 86_400_000_000;
/// Incarnations are up to 2¹⁶ apart.
const STEP_SHIFT: u32 = 16;
/// In a Cluster every so many renewals say that the node was seen.
const SEEN_EVERY: i64 = 100;

/// What stands under a session's key.
#[derive(Deserialize)]
struct Stored {
    incarnation: u64,
    renewals: u64,
    #[serde(flatten)]
    info: SessionInfo,
}

impl RedisStore {
    /// Three steps: a number, the node's place among all nodes, the session. Whoever fails in between has no session.
    pub(super) async fn begin_session(&self, node: &str, info: &SessionInfo, at_least: u64) -> Result<u64, StoreError> {
        // So that a number which a lost write had given out is not given out again.
        let step = getrandom::u32().unwrap_or_default() >> STEP_SHIFT;
        let call = OPEN_INCARNATION.on(vec![self.keys.incarnation()]).arg(at_least).arg(step);
        let incarnation: u64 = read(self.run_session(call).await?)?;
        self.seen(node).await?;
        let mut open = redis::cmd("SET");
        let session = format!("{{\"incarnation\":{incarnation},\"renewals\":0,{}", rest(info)?);
        open.arg(self.keys.lease(node)).arg(session).arg("PX").arg(self.ttl_ms);
        self.sessions.ask(|mut wire| async move { wire.ask(&open).await }).await?;
        Ok(incarnation)
    }

    pub(super) async fn renew(&self, node: &str, incarnation: u64, info: &SessionInfo) -> Result<bool, StoreError> {
        let mut keys = vec![self.keys.lease(node)];
        keys.extend(self.keys.together().then(|| self.keys.nodes()));
        let call = RENEW_SESSION.on(keys).arg(node).arg(incarnation).arg(self.ttl_ms).arg(rest(info)?);
        let renewals: i64 = read(self.run_session(call).await?)?;
        if renewals > 0 && renewals % SEEN_EVERY == 0 && !self.keys.together() {
            self.seen(node).await?;
        }
        Ok(renewals >= 0)
    }

    /// Ends a session; with `renewals`, only while it stands at that many.
    pub(super) async fn end(&self, node: &str, incarnation: u64, renewals: Option<u64>) -> Result<bool, StoreError> {
        let call = END_SESSION.on(vec![self.keys.lease(node)]).arg(incarnation).optional(renewals);
        Ok(read::<u64>(self.run_session(call).await?)? == 1)
    }

    async fn seen(&self, node: &str) -> Result<(), StoreError> {
        self.run_session(SEEN_NODE.on(vec![self.keys.nodes()]).arg(node)).await.map(drop)
    }

    pub(super) async fn look_around(&self) -> Result<Look, StoreError> {
        let mut keys = vec![self.keys.generation(), self.keys.tenant_changes()];
        keys.extend(self.keys.together().then(|| self.keys.nodes()));
        let call = LOOK.on(keys).arg(self.keys.leases()).arg(self.keys.clocks()).arg(REMEMBERED_US);
        let answer = self.run_session(call).await?;
        let mut texts = read::<Vec<String>>(answer)?.into_iter();
        let mut next = || texts.next().ok_or_else(|| odd(&Answer::Nil));
        let (time, run_id, generation, mut offset, changed) = (next()?, next()?, next()?, next()?, next()?);
        let mut sessions: Vec<(String, String)> = Vec::new();
        while let Some(node) = texts.next() {
            sessions.extend(texts.next().map(|session| (node, session)));
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| odd(&Answer::SimpleString(text.to_owned())));
        let time_us = number(&time)?;
        if !self.keys.together() {
            (offset, sessions) = self.look_elsewhere(&run_id, time_us).await?;
        }
        let offset_us = if offset.is_empty() { None } else { Some(number(&offset)?) };
        let tenant_change = if changed.is_empty() { 0 } else { number(&changed)? };
        Ok(Look {
            sessions: sessions.into_iter().filter_map(|(node, session)| understood(node, &session)).collect(),
            generation: Some(generation).filter(|name| !name.is_empty()),
            server: Some(ServerClock { run_id, time_us, offset_us }),
            tenant_change,
        })
    }

    /// The offset of a server's clock, and the sessions: in a Cluster, where they have slots of their own.
    async fn look_elsewhere(&self, run_id: &str, now_us: i64) -> Result<(String, Vec<(String, String)>), StoreError> {
        let clock = get(self.keys.clock(run_id));
        let mut nodes = redis::cmd("ZRANGE");
        nodes.arg(self.keys.nodes()).arg(0).arg(-1).arg("WITHSCORES");
        let both = vec![clock, nodes];
        let answers = self.sessions.ask(|mut wire| async move { wire.ask_all(both).await }).await?;
        let (offset, nodes): (Option<String>, Vec<(String, f64)>) = read(Answer::Array(answers))?;
        let leases = nodes.iter().map(|(node, _)| get(self.keys.lease(node))).collect();
        let answers = self.sessions.ask(|mut wire| async move { wire.ask_all(leases).await }).await?;
        let mut sessions = Vec::new();
        for ((node, score), session) in nodes.into_iter().zip(read::<Vec<Option<String>>>(Answer::Array(answers))?) {
            match session {
                Some(session) => sessions.push((node, session)),
                None if score < (now_us - REMEMBERED_US) as f64 => {
                    let call = STRIKE.on(vec![self.keys.nodes()]).arg(node).arg(format!("{score:.0}"));
                    self.run_session(call.arg(REMEMBERED_US)).await?;
                }
                None => {}
            }
        }
        Ok((offset.unwrap_or_default(), sessions))
    }

    pub(super) async fn name_life(&self, proposal: &str) -> Result<String, StoreError> {
        read(self.run_replicated(SET_ONCE.on(vec![self.keys.generation()]).arg(proposal)).await?)
    }

    pub(super) async fn agree(&self, run_id: &str, expected: Option<i64>, offset_us: i64) -> Result<i64, StoreError> {
        let call = AGREE_CLOCK.on(vec![self.keys.clock(run_id)]).optional(expected).arg(offset_us);
        read(self.run_session(call).await?)
    }

    /// Written in base64.
    pub(super) async fn secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        let call = SET_ONCE.on(vec![self.keys.secret(name)]).arg(URL_SAFE_NO_PAD.encode(proposal));
        let stored: String = read(self.run_session(call).await?)?;
        URL_SAFE_NO_PAD.decode(stored).map_err(|_| StoreError::Unavailable {
            reason: format!("the secret {name} in Redis is no base64: delete it, and restart all nodes"),
        })
    }

    async fn run_session(&self, call: Call) -> Result<Answer, StoreError> {
        self.sessions.ask(|mut wire| async move { wire.run(&call).await }).await
    }
}

fn get(key: String) -> Cmd {
    let mut get = redis::cmd("GET");
    get.arg(key);
    get
}

/// A node's own words as the JSON of its session ends with them.
fn rest(info: &SessionInfo) -> Result<String, StoreError> {
    Ok(json(info)?.split_off(1))
}

/// A session that this node cannot read is none to it: better that it is taken for dead than that nobody is seen.
fn understood(node: String, session: &str) -> Option<SessionRecord> {
    match serde_json::from_str::<Stored>(session) {
        Ok(Stored { incarnation, renewals, info }) => Some(SessionRecord { node, incarnation, renewals, info }),
        Err(error) => {
            tracing::warn!(node.of = node, %error, "a session in Redis cannot be understood");
            None
        }
    }
}
