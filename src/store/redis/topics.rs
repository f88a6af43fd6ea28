//! Realtime topics: `presence:{tenant:realtime:name}`, a hash of connections in hexadecimal, and
//! `broadcasts:{tenant:realtime:name}`, a stream. A private topic has `realtime-private` there. Which of a tenant's
//! streams are kept is told by `broadcasts:{tenant}`, a sorted set of their keys by last write.
//!
//! That set has another slot in a Redis Cluster. There a stream is first listed, then written, and is first struck off,
//! then removed: an entry whose stream is missing does no harm, and a stream that is not listed ends by itself.
//!
//! Over a link of their own, because everybody's presence on a topic may have megabytes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Cmd, Value as Answer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::{Broadcast, TopicKey, broadcast::Body};
use crate::store::{
    BROADCASTS_KEPT, BROADCASTS_PER_TOPIC, Home, KEPT_BYTES_MAX, KEPT_TOPICS_MAX, PRESENCES_KEPT, PresenceRecord,
    PresenceWrite, StoreError, TopicStore,
};

use super::{
    RedisStore, read,
    record::json,
    script::{Call, ENLIST_STREAM, KEEP_BROADCAST, WRITE_PRESENCES},
};

/// What an answer may take: nothing but a client waits for it, and everybody's presence on a topic may be 16 MiB.
pub const TOPICS_LIMIT: Duration = Duration::from_secs(2);
/// How long a removal is remembered against late writes: longer than any write is under way.
const REMOVALS_KEPT: Duration = Duration::from_secs(60);
/// How many changes one script makes: of 16 KiB each, no more than a large broadcast.
const CHANGES_AT_ONCE: usize = 64;
/// How many broadcasts are read beyond those that are asked for, because they came in from several nodes: one that more
/// newer ones have overtaken may be missing from a short replay.
const OVERTAKEN_MAX: usize = 5;

/// A presence as it stands in its hash. The version comes first: the script reads it there.
#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    node: &'a str,
    process: u64,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<u64>,
    fields: &'a RawValue,
}

#[derive(Deserialize)]
struct Stored {
    version: u64,
    node: Arc<str>,
    process: u64,
    key: Arc<str>,
    replaces: Option<u64>,
    fields: Box<RawValue>,
}

#[async_trait]
impl TopicStore for RedisStore {
    async fn write_presences(&self, key: &TopicKey, changes: &[PresenceWrite]) -> Result<(), StoreError> {
        let mut calls = Vec::new();
        for changes in changes.chunks(CHANGES_AT_ONCE) {
            let mut list = Vec::with_capacity(3 * changes.len());
            for change in changes {
                let record = change.record.as_ref().map(written).transpose()?;
                list.extend([connection(change), change.version.to_string(), record.unwrap_or_default()]);
            }
            let call = WRITE_PRESENCES.on(self.keys.presences(key));
            calls.push(call.arg(PRESENCES_KEPT.as_secs()).arg(REMOVALS_KEPT.as_secs()).list(&list));
        }
        for call in calls {
            self.run_on_topic(call).await?;
        }
        Ok(())
    }

    async fn presences(&self, key: &TopicKey) -> Result<Vec<PresenceRecord>, StoreError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(self.keys.presence(key));
        let stored: HashMap<Vec<u8>, Vec<u8>> = read(self.ask_of_topic(all).await?)?;
        Ok(stored.iter().filter_map(|(connection, stored)| presence(key, connection, stored)).collect())
    }

    async fn keep_broadcast(&self, key: &TopicKey, broadcast: &Broadcast) -> Result<(), StoreError> {
        if broadcast.body.len() > KEPT_BYTES_MAX {
            return Ok(());
        }
        let (mut keys, streams) = (vec![self.keys.broadcasts(key)], self.keys.streams(&key.tenant));
        let mut forgotten: Vec<String> = Vec::new();
        if self.keys.together() {
            keys.push(streams);
        } else {
            let call = ENLIST_STREAM.on(vec![streams]).arg(&keys[0]);
            forgotten = read(self.run_on_topic(call.arg(KEPT_TOPICS_MAX).arg(BROADCASTS_KEPT.as_secs())).await?)?;
        }
        let call = KEEP_BROADCAST.on(keys).arg(KEPT_TOPICS_MAX).arg(BROADCASTS_PER_TOPIC);
        let call = call.arg(BROADCASTS_KEPT.as_secs()).arg(&broadcast.event);
        let call = match &broadcast.body {
            Body::Json(json) => call.arg("payload").arg(json),
            Body::Octets(octets) => call.arg("octets").arg(octets.as_slice()),
        };
        let call = call.optional(broadcast.id.as_ref()).arg(broadcast.at_ms);
        let (kept, ()) = tokio::join!(self.run_on_topic(call), self.remove_streams(&forgotten));
        kept.map(drop)
    }

    async fn broadcasts(&self, key: &TopicKey, since_ms: i64, limit: usize) -> Result<Vec<Broadcast>, StoreError> {
        let count = limit.saturating_add(OVERTAKEN_MAX).min(BROADCASTS_PER_TOPIC);
        let mut range = redis::cmd("XREVRANGE");
        range.arg(self.keys.broadcasts(key)).arg("+").arg("-").arg("COUNT").arg(count);
        let entries: Vec<(String, HashMap<String, Vec<u8>>)> = read(self.ask_of_topic(range).await?)?;
        let understood = entries.into_iter().rev().filter_map(|(entry, fields)| broadcast(key, &entry, fields));
        let mut found: Vec<_> = understood.filter(|broadcast| broadcast.at_ms >= since_ms).collect();
        // They came in from several nodes.
        found.sort_by_key(|broadcast| broadcast.at_ms);
        found.drain(..found.len().saturating_sub(limit));
        Ok(found)
    }

    async fn forget_topics(&self, tenant: &str) -> Result<(), StoreError> {
        let streams = self.keys.streams(tenant);
        let mut listed = redis::cmd("ZRANGE");
        listed.arg(&streams).arg(0).arg(-1);
        let listed: Vec<String> = read(self.ask_of_topic(listed).await?)?;
        // The list goes last: what fails in between is found again.
        let removals = listed.iter().chain([&streams]).map(|key| redis::cmd("DEL").arg(key).to_owned()).collect();
        self.topics.ask(|mut wire| async move { wire.ask_all(removals).await }).await.map(drop)
    }
}

impl RedisStore {
    async fn run_on_topic(&self, call: Call) -> Result<Answer, StoreError> {
        self.topics.ask(|mut wire| async move { wire.run(&call).await }).await
    }

    /// Removes streams that are not listed any more. If that fails, their time is lost.
    async fn remove_streams(&self, streams: &[String]) {
        if streams.is_empty() {
            return;
        }
        let removals = streams.iter().map(|stream| {
            let mut removal = redis::cmd("DEL");
            removal.arg(stream);
            removal
        });
        let removals: Vec<_> = removals.collect();
        if let Err(error) = self.topics.ask(|mut wire| async move { wire.ask_all(removals).await }).await {
            tracing::warn!(
                ?streams, %error,
                "broadcasts beyond a tenant's cap are still stored, for three days at most"
            );
        }
    }

    async fn ask_of_topic(&self, command: Cmd) -> Result<Answer, StoreError> {
        self.topics.ask(|mut wire| async move { wire.ask(&command).await }).await
    }
}

fn connection(change: &PresenceWrite) -> String {
    format!("{:016x}", change.connection)
}

fn written(record: &PresenceRecord) -> Result<String, StoreError> {
    let PresenceRecord { connection: _, version, replaces, home, key, fields } = record;
    let fields = serde_json::from_str(fields).map_err(|error| StoreError::Unavailable {
        reason: format!("a presence whose fields are no JSON cannot be stored ({error}): refuse it before"),
    })?;
    json(&Written { version: *version, node: &home.node, process: home.process, key, replaces: *replaces, fields })
}

/// A presence that cannot be understood is none: the others are there all the same.
fn presence(topic: &TopicKey, connection: &[u8], stored: &[u8]) -> Option<PresenceRecord> {
    let number = str::from_utf8(connection).ok().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let stored = serde_json::from_slice::<Stored>(stored);
    match (number, stored) {
        (Some(connection), Ok(Stored { version, node, process, key, replaces, fields }))
            if fields.get().starts_with('{') =>
        {
            let home = Home { node, process };
            Some(PresenceRecord { connection, version, replaces, home, key, fields: fields.get().into() })
        }
        (_, stored) => {
            let connection = String::from_utf8_lossy(connection);
            let error = stored.err().map_or_else(|| "no connection with an object".to_owned(), |e| e.to_string());
            let (tenant, topic) = (&topic.tenant, &topic.name);
            tracing::warn!(
                tenant.id = %tenant,
                topic.name = %topic,
                %connection,
                %error,
                "a presence in Redis cannot be understood, and is left aside"
            );
            None
        }
    }
}

/// Likewise.
fn broadcast(topic: &TopicKey, entry: &str, mut fields: HashMap<String, Vec<u8>>) -> Option<Broadcast> {
    let mut text = |name: &str| fields.remove(name).and_then(|text| String::from_utf8(text).ok());
    let (event, payload, id) = (text("event"), text("payload"), text("id"));
    let at_ms = text("at").and_then(|at| at.parse().ok());
    let octets = fields.remove("octets");
    let body = match payload.filter(|payload| serde_json::from_str::<&RawValue>(payload).is_ok()) {
        Some(json) => Some(Body::Json(json)),
        None => octets.map(Body::Octets),
    };
    if let (Some(event), Some(body), Some(at_ms)) = (event, body, at_ms) {
        return Some(Broadcast { event, body, id, at_ms });
    }
    let (tenant, topic) = (&topic.tenant, &topic.name);
    tracing::warn!(tenant.id = %tenant, topic.name = %topic, entry, "a broadcast in Redis cannot be understood, and is left aside");
    None
}
