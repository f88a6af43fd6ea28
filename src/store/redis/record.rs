//! A room's record as Redis holds it: plain fields that people can read, JSON where a value nests.
//!
//! The fields are those of [`Controls`], whatever these become; a field that a newer node has stored is left alone.
//! Apart from that: the settings' name and lock stand beside `settings` as fields of their own, times lose their `_us`,
//! and who is muted, the assignments and the roles have keys of their own.

use std::collections::HashMap;

use redis::{FromRedisValue, ParsingError, Value as Answer};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::room::{Code, Controls, RoomKey};
use crate::store::{RoomRecord, StoreError};

use super::script::Call;

/// Fields whose value is text as it stands; all others' is JSON.
const TEXTS: [&str; 2] = ["teacher_id", "name"];
/// Parts of `settings` that stand beside it.
const SETTINGS_BESIDE: [&str; 2] = ["name", "locked"];
/// What fields are called here, and in [`Controls`].
const TIMES: [(&str, &str); 2] = [("created_at", "created_at_us"), ("last_active_at", "last_active_at_us")];

/// The four lists by which `scripts/shared.lua` stores a room: each in its order, as `HSET` and `SADD` take them.
#[derive(Default)]
pub struct Lists {
    pub record: Vec<String>,
    pub muted: Vec<String>,
    pub assignments: Vec<String>,
    pub roles: Vec<String>,
}

impl Lists {
    /// A room's controls, without its owner.
    pub fn of(controls: &Controls) -> Result<Self, StoreError> {
        let mut fields = object(controls)?;
        let mut lists = Self::default();
        for key in ["muted", "assignments", "roles"] {
            fields.remove(key);
        }
        lists.muted = controls.muted.iter().cloned().collect();
        for (place, ids) in &controls.assignments {
            lists.assignments.extend([place.to_string(), json(ids)?]);
        }
        for (id, role) in &controls.roles {
            lists.roles.extend([id.clone(), role.to_string()]);
        }
        if let Some(Value::Object(settings)) = fields.get_mut("settings") {
            let beside = SETTINGS_BESIDE.map(|name| settings.remove_entry(name));
            fields.extend(beside.into_iter().flatten());
        }
        for (here, there) in TIMES {
            if let Some(time) = fields.remove(there) {
                fields.insert(here.to_owned(), time);
            }
        }
        for (name, value) in fields {
            lists.record.push(name);
            lists.record.push(match value {
                Value::String(text) => text,
                nested => nested.to_string(),
            });
        }
        Ok(lists)
    }

    /// All of a record.
    pub fn whole(record: &RoomRecord) -> Result<Self, StoreError> {
        let mut lists = Self::of(&record.controls)?;
        let mut field = |name: &str, value: String| lists.record.extend([name.to_owned(), value]);
        field("tenant", record.key.tenant.to_string());
        field("code", record.key.code.to_string());
        field("owner", record.owner.clone());
        field("incarnation", record.incarnation.to_string());
        field("epoch", record.epoch.to_string());
        field("nonce", record.nonce.to_string());
        field("since_ms", record.since_ms.to_string());
        field("taken_from", record.taken_from.clone());
        field("members_rev", record.members_rev.to_string());
        field("lineage", record.lineage.to_string());
        if let Some(beat) = record.from_beat {
            field("from_beat", beat.to_string());
        }
        Ok(lists)
    }

    /// Adds the lists to a call, as `store_room` reads them.
    pub fn add_to(&self, call: Call) -> Call {
        call.list(&self.record).list(&self.muted).list(&self.assignments).list(&self.roles)
    }
}

/// The four lists as `read_room` answers them.
pub struct Answered {
    record: HashMap<String, String>,
    muted: Vec<String>,
    assignments: HashMap<u32, String>,
    roles: HashMap<String, String>,
}

impl FromRedisValue for Answered {
    fn from_redis_value(answer: Answer) -> Result<Self, ParsingError> {
        let (record, muted, assignments, roles) = redis::from_redis_value(answer)?;
        Ok(Self { record, muted, assignments, roles })
    }
}

impl Answered {
    /// The record of the room `key`; none where no such room lives.
    pub fn into_record(self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError> {
        if self.record.is_empty() {
            return Ok(None);
        }
        let Self { mut record, muted, assignments, roles } = self;
        let mut text = |name: &str| record.remove(name).ok_or_else(|| damaged(key, name));
        let (owner, taken_from) = (text("owner")?, text("taken_from")?);
        let lineage = text("lineage").unwrap_or_default();
        let lineage = lineage.parse().map_err(|_| damaged(key, "lineage"))?;
        let from_beat = text("from_beat").ok().map(|beat| parsed(key, "from_beat", &beat)).transpose()?;
        let mut number = |name: &str| text(name).and_then(|text| parsed::<u64>(key, name, &text));
        let (incarnation, epoch, nonce) = (number("incarnation")?, number("epoch")?, number("nonce")?);
        let (since_ms, members_rev) = (number("since_ms")?, number("members_rev")?);

        let mut fields = Map::new();
        for (name, value) in record {
            let value = match TEXTS.contains(&name.as_str()) {
                true => Value::String(value),
                // What a newer node means by a field that this one does not know is no error of the record.
                false => serde_json::from_str(&value).unwrap_or(Value::String(value)),
            };
            let there = TIMES.iter().find(|(here, _)| *here == name).map_or(name.as_str(), |(_, there)| there);
            fields.insert(there.to_owned(), value);
        }
        let beside = SETTINGS_BESIDE.map(|name| fields.remove_entry(name));
        if let Some(Value::Object(settings)) = fields.get_mut("settings") {
            settings.extend(beside.into_iter().flatten());
        }
        fields.insert("muted".to_owned(), Value::from(muted));
        fields.insert("roles".to_owned(), roles.into_iter().map(|(id, role)| (id, Value::from(role))).collect());
        let place = |(place, ids): (u32, String)| Ok((place.to_string(), parsed(key, "assignments", &ids)?));
        let assignments: Result<Map<_, _>, StoreError> = assignments.into_iter().map(place).collect();
        fields.insert("assignments".to_owned(), Value::Object(assignments?));
        let controls =
            serde_json::from_value(Value::Object(fields)).map_err(|error| damaged(key, &error.to_string()))?;
        let key = key.clone();
        Ok(Some(RoomRecord {
            key,
            owner,
            incarnation,
            epoch,
            nonce,
            since_ms,
            taken_from,
            from_beat,
            members_rev,
            lineage,
            controls,
        }))
    }
}

/// A value as JSON.
pub fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unwritable(&error))
}

fn object(value: &impl Serialize) -> Result<Map<String, Value>, StoreError> {
    match serde_json::to_value(value).map_err(|error| unwritable(&error))? {
        Value::Object(fields) => Ok(fields),
        other => Ok([("value".to_owned(), other)].into_iter().collect()),
    }
}

fn unwritable(error: &serde_json::Error) -> StoreError {
    StoreError::Unavailable { reason: format!("a record cannot be written as JSON: {error}") }
}

/// Reads a number or JSON.
pub fn parsed<T: DeserializeOwned>(key: &RoomKey, name: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged(key, name))
}

/// A room's code as it stands in the list of a tenant's.
pub fn code(text: &str) -> Option<Code> {
    text.parse().ok()
}

fn damaged(key: &RoomKey, what: &str) -> StoreError {
    StoreError::Unavailable {
        reason: format!(
            "the record of {key} in Redis cannot be understood ({what}): correct it, or delete the room's keys"
        ),
    }
}
