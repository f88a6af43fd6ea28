//! Participation events on their way to the database: `sel:{tenant}`, a stream with one group, and
//! `sel:{tenant}:waiting`, how many events it holds. Only the scripts change that number.
//!
//! Over a link of their own: an entry may have a megabyte, and rooms must not wait behind it.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value as Answer;

use crate::store::{AddRefused, EventStream, StoreError, StreamEntry, TAKEN_BYTES_MAX, Waiting};

use super::{
    RedisStore, odd, read,
    script::{ADD_EVENTS, Call, RECLAIM_EVENTS, SETTLE_EVENTS, TAKE_EVENTS, TIDY_EVENTS, WAITING_EVENTS},
};

/// What taking entries may need, or a megabyte's way there: nothing but the database waits for it.
pub const EVENTS_LIMIT: Duration = Duration::from_secs(2);
/// The one group, whose consumers are the nodes.
const GROUP: &str = "database";

#[async_trait]
impl EventStream for RedisStore {
    async fn add_events(&self, tenant: &str, events: &str, count: u32, events_max: u64) -> Result<(), AddRefused> {
        if count == 0 {
            return Ok(());
        }
        let call = ADD_EVENTS.on(self.keys.events(tenant)).arg(events).arg(count).arg(events_max);
        // Whoever played a note waits for this one.
        let ask = self.events.ask_within(self.answer_limit, |mut wire| async move { wire.run(&call).await });
        match read::<Vec<String>>(ask.await?)?.first().map(String::as_str) {
            Some("added") => Ok(()),
            Some("full") => Err(AddRefused::Full { events_max }),
            _ => Err(odd(&Answer::Nil).into()),
        }
    }

    async fn take_events(
        &self,
        tenant: &str,
        consumer: &str,
        entries_max: usize,
    ) -> Result<Vec<StreamEntry>, StoreError> {
        let call = TAKE_EVENTS.on(self.keys.events(tenant)).arg(GROUP).arg(consumer);
        entries(tenant, self.run_on_events(call.arg(entries_max).arg(TAKEN_BYTES_MAX)).await?)
    }

    async fn reclaim_events(
        &self,
        tenant: &str,
        consumer: &str,
        idle: Duration,
        entries_max: usize,
    ) -> Result<Vec<StreamEntry>, StoreError> {
        let call = RECLAIM_EVENTS.on(self.keys.events(tenant)).arg(GROUP).arg(consumer).arg(millis(idle));
        entries(tenant, self.run_on_events(call.arg(entries_max).arg(TAKEN_BYTES_MAX)).await?)
    }

    async fn settle_events(&self, tenant: &str, entries: &[StreamEntry]) -> Result<(), StoreError> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.clone()).collect();
        let counts: Vec<_> = entries.iter().map(|entry| entry.count.to_string()).collect();
        let call = SETTLE_EVENTS.on(self.keys.events(tenant)).arg(GROUP).list(&ids).list(&counts);
        self.run_on_events(call).await.map(drop)
    }

    async fn waiting_events(&self, tenant: &str) -> Result<Waiting, StoreError> {
        let answer = self.run_on_events(WAITING_EVENTS.on(self.keys.events(tenant))).await?;
        if let Ok((events, entries)) = read(answer.clone()) {
            return Ok(Waiting { events, entries, ..Waiting::default() });
        }
        let (events, entries, first, last, now_ms): (u64, u64, String, String, u64) = read(answer)?;
        let since_ms = first.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(now_ms);
        let oldest = Duration::from_millis(now_ms.saturating_sub(since_ms));
        Ok(Waiting { events, entries, ends: Some((first, last)), oldest })
    }

    async fn forget_events(&self, tenant: &str) -> Result<(), StoreError> {
        let mut removal = redis::cmd("DEL");
        removal.arg(self.keys.events(tenant));
        self.events.ask(|mut wire| async move { wire.ask(&removal).await }).await.map(drop)
    }

    async fn tidy_consumers(&self, tenant: &str, idle: Duration) -> Result<usize, StoreError> {
        let call = TIDY_EVENTS.on(self.keys.events(tenant)).arg(GROUP).arg(millis(idle));
        read(self.run_on_events(call).await?)
    }
}

impl RedisStore {
    async fn run_on_events(&self, call: Call) -> Result<Answer, StoreError> {
        self.events.ask(|mut wire| async move { wire.run(&call).await }).await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Entries as a stream's commands answer them: each its id, then its fields and their values in turn. The texts are
/// moved, not copied.
fn entries(tenant: &str, answer: Answer) -> Result<Vec<StreamEntry>, StoreError> {
    let Answer::Array(answers) = answer else {
        return Err(odd(&answer));
    };
    answers.into_iter().map(|answer| entry(tenant, answer)).collect()
}

fn entry(tenant: &str, answer: Answer) -> Result<StreamEntry, StoreError> {
    let (id, fields) = match answer {
        Answer::Array(parts) => match <[Answer; 2]>::try_from(parts) {
            Ok([id, Answer::Array(fields)]) => (read(id)?, fields),
            _ => return Err(odd(&Answer::Nil)),
        },
        other => return Err(odd(&other)),
    };
    let mut entry = StreamEntry { id, events: String::new(), count: 1 };
    let mut fields = fields.into_iter();
    while let (Some(Answer::BulkString(name)), Some(Answer::BulkString(value))) = (fields.next(), fields.next()) {
        match name.as_slice() {
            b"events" => entry.events = in_words(tenant, &entry.id, value),
            b"count" => entry.count = str::from_utf8(&value).ok().and_then(|count| count.parse().ok()).unwrap_or(1),
            _ => {}
        }
    }
    Ok(entry)
}

/// What is no text cannot be read by whoever takes it either, and is then removed like everything that is damaged.
fn in_words(tenant: &str, id: &str, value: Vec<u8>) -> String {
    String::from_utf8(value).unwrap_or_else(|damaged| {
        tracing::warn!(tenant.id = tenant, id, "events in Redis are no text");
        String::from_utf8_lossy(damaged.as_bytes()).into_owned()
    })
}
