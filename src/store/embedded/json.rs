//! The journal's records, as JSON, so that people can read the file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::room::{Code, Controls, RoomKey};
use crate::store::{Done, Lineage, RoomRecord, StoreError};

/// The tables of the file. Keys are JSON arrays, `["acme","MUSIC-1234",…]`; values are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `"format"` and `"incarnation"` → a number.
    Meta,
    /// `[tenant, code]` → [`RoomJson`].
    Rooms,
    /// `[tenant, code, number]` → [`Done`].
    Done,
}

/// A record's new value, or its removal.
pub struct Put {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Collects what one change puts into the journal; nothing at all where there is none.
pub struct Changes(Option<Vec<Put>>);

impl Changes {
    pub fn wanted() -> Self {
        Self(Some(Vec::new()))
    }

    pub fn unwanted() -> Self {
        Self(None)
    }

    pub fn into_puts(self) -> Vec<Put> {
        self.0.unwrap_or_default()
    }

    pub fn room(&mut self, record: &RoomRecord) -> Result<(), StoreError> {
        self.put(Table::Rooms, || room_key(&record.key), || RoomJson::from(record))
    }

    pub fn done(&mut self, room: &RoomKey, number: u64, done: &Done) -> Result<(), StoreError> {
        self.put(Table::Done, || done_key(room, number), || done)
    }

    pub fn incarnation(&mut self, last: u64) -> Result<(), StoreError> {
        self.put(Table::Meta, || Value::from(INCARNATION), || last)
    }

    pub fn remove_room(&mut self, room: &RoomKey) -> Result<(), StoreError> {
        self.remove(Table::Rooms, || room_key(room))
    }

    pub fn remove_done(&mut self, room: &RoomKey, number: u64) -> Result<(), StoreError> {
        self.remove(Table::Done, || done_key(room, number))
    }

    fn put<V: Serialize>(
        &mut self,
        table: Table,
        key: impl FnOnce() -> Value,
        value: impl FnOnce() -> V,
    ) -> Result<(), StoreError> {
        if let Some(puts) = &mut self.0 {
            puts.push(Put { table, key: encode(&key())?, value: Some(encode(&value())?) });
        }
        Ok(())
    }

    fn remove(&mut self, table: Table, key: impl FnOnce() -> Value) -> Result<(), StoreError> {
        if let Some(puts) = &mut self.0 {
            puts.push(Put { table, key: encode(&key())?, value: None });
        }
        Ok(())
    }
}

/// The key of the file's format number in [`Table::Meta`].
pub const FORMAT: &str = "format";
/// The key of the last incarnation given out in [`Table::Meta`].
pub const INCARNATION: &str = "incarnation";

pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Unavailable { reason: format!("a record cannot be written as JSON: {error}") })
}

pub fn room_key(room: &RoomKey) -> Value {
    Value::from(vec![room.tenant.to_string(), room.code.to_string()])
}

fn done_key(room: &RoomKey, number: u64) -> Value {
    serde_json::json!([&*room.tenant, room.code.to_string(), number])
}

/// Reads the key of an answer: its room, and its number there.
pub fn parse_done_key(key: &[u8]) -> Option<(RoomKey, u64)> {
    let (tenant, code, number): (String, String, u64) = serde_json::from_slice(key).ok()?;
    Some((parse_room(&tenant, &code)?, number))
}

fn parse_room(tenant: &str, code: &str) -> Option<RoomKey> {
    Some(RoomKey { tenant: tenant.into(), code: code.parse::<Code>().ok()? })
}

/// A room's record. It names its room too, so that each value can be understood by itself.
#[derive(Serialize, Deserialize)]
pub struct RoomJson<'a> {
    tenant: Cow<'a, str>,
    code: String,
    owner: Cow<'a, str>,
    incarnation: u64,
    epoch: u64,
    nonce: u64,
    #[serde(default)]
    since_ms: u64,
    #[serde(default)]
    taken_from: Cow<'a, str>,
    #[serde(default)]
    from_beat: Option<i64>,
    #[serde(default)]
    lineage: Cow<'a, Lineage>,
    controls: Cow<'a, Controls>,
}

impl<'a> From<&'a RoomRecord> for RoomJson<'a> {
    fn from(record: &'a RoomRecord) -> Self {
        Self {
            tenant: Cow::Borrowed(&record.key.tenant),
            code: record.key.code.to_string(),
            owner: Cow::Borrowed(&record.owner),
            incarnation: record.incarnation,
            epoch: record.epoch,
            nonce: record.nonce,
            since_ms: record.since_ms,
            taken_from: Cow::Borrowed(&record.taken_from),
            from_beat: record.from_beat,
            lineage: Cow::Borrowed(&record.lineage),
            controls: Cow::Borrowed(&record.controls),
        }
    }
}

impl RoomJson<'_> {
    /// The record, unless its code is none.
    pub fn into_record(self) -> Option<RoomRecord> {
        Some(RoomRecord {
            key: parse_room(&self.tenant, &self.code)?,
            owner: self.owner.into_owned(),
            incarnation: self.incarnation,
            epoch: self.epoch,
            nonce: self.nonce,
            since_ms: self.since_ms,
            taken_from: self.taken_from.into_owned(),
            from_beat: self.from_beat,
            // The members of a node that runs alone end with it.
            members_rev: 0,
            lineage: self.lineage.into_owned(),
            controls: self.controls.into_owned(),
        })
    }
}
