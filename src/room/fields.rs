//! Reading the fields of a payload that anybody may have written.
//!
//! JavaScript cannot tell 60 from 60.0, so a number without a fraction is an integer however it is spelt.
//! A field that is null is a field that is missing; fields that nobody asked for are ignored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

pub(super) const STUDENT_ID_CHARS_MAX: usize = 64;

/// A field that is missing or wrong; the sentence names it and says what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct BadField {
    pub field: Cow<'static, str>,
    pub message: Cow<'static, str>,
}

impl BadField {
    pub(crate) const fn new(field: &'static str, message: &'static str) -> Self {
        Self { field: Cow::Borrowed(field), message: Cow::Borrowed(message) }
    }
}

/// Not even JSON: no field can be named.
const BROKEN: BadField = BadField::new("payload", "payload must be a JSON object");

const STUDENT_ID_REQUIRED: BadField = BadField::new("student_id", "student_id required");
const STUDENT_ID_WRONG: BadField =
    BadField::new("student_id", "student_id must be a string of 1 to 64 printable characters");

/// Whether `text` has 1 to `chars_max` characters, none of which is a control, a line separator or a reversal of
/// the writing direction, and is not blank.
pub(super) fn is_printable(text: &str, chars_max: usize) -> bool {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    // Bytes first: a megabyte of text is not walked to learn that it is too long.
    text.len() <= chars_max * 4
        && !text.trim().is_empty()
        && text.chars().count() <= chars_max
        && !text.chars().any(hidden)
}

/// Whether `text` can name a student: 1 to 64 printable characters. Also for the `sub` of a token.
#[must_use]
pub fn is_student_id(text: &str) -> bool {
    is_printable(text, STUDENT_ID_CHARS_MAX)
}

/// What a field that should hold an integer holds.
pub(super) enum Integer {
    Missing,
    /// Within i64.
    Is(i64),
    /// An integer, beyond i64.
    Huge,
    /// A string, a fraction, …
    Wrong,
}

/// A number as an integer, if it is one.
pub(super) fn integer_of(value: Option<&Value>) -> Integer {
    let number = match value {
        None | Some(Value::Null) => return Integer::Missing,
        Some(Value::Number(number)) => number,
        Some(_) => return Integer::Wrong,
    };
    if let Some(integer) = number.as_i64() {
        return Integer::Is(integer);
    }
    // 2^53: above it every float is an integer, and none of ours is in range.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if float.abs() >= EXACT => Integer::Huge,
        Some(float) if float.fract() == 0.0 => Integer::Is(float as i64),
        _ => Integer::Wrong,
    }
}

/// The fields of one payload.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a payload's JSON. Nothing, and JSON that is no object (Phoenix clients push null and lists too), has no
    /// fields.
    pub(super) fn read(payload: &str) -> Result<Self, BadField> {
        if payload.trim().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_str(payload) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Ok(Self(Map::new())),
            Err(_) => Err(BROKEN),
        }
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn integer(&self, field: &str) -> Integer {
        integer_of(self.get(field))
    }

    /// An integer within `range`, None when it is missing.
    pub(super) fn optional_u32(
        &self,
        field: &'static str,
        range: std::ops::RangeInclusive<u32>,
        message: &'static str,
    ) -> Result<Option<u32>, BadField> {
        match self.integer(field) {
            Integer::Missing => Ok(None),
            Integer::Is(integer) => match u32::try_from(integer) {
                Ok(integer) if range.contains(&integer) => Ok(Some(integer)),
                _ => Err(BadField::new(field, message)),
            },
            Integer::Huge | Integer::Wrong => Err(BadField::new(field, message)),
        }
    }

    pub(super) fn required_u32(
        &self,
        field: &'static str,
        range: std::ops::RangeInclusive<u32>,
        message: &'static str,
    ) -> Result<u32, BadField> {
        self.optional_u32(field, range, message)?.ok_or(BadField::new(field, message))
    }

    pub(super) fn optional_bool(&self, field: &'static str, message: &'static str) -> Result<Option<bool>, BadField> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(BadField::new(field, message)),
        }
    }

    pub(super) fn number(&self, field: &'static str, message: &'static str) -> Result<Number, BadField> {
        match self.get(field) {
            Some(Value::Number(number)) => Ok(number.clone()),
            _ => Err(BadField::new(field, message)),
        }
    }

    pub(super) fn student_id(&self) -> Result<String, BadField> {
        self.optional_student_id()?.ok_or(STUDENT_ID_REQUIRED)
    }

    /// An empty id is a missing one.
    pub(super) fn optional_student_id(&self) -> Result<Option<String>, BadField> {
        match self.get("student_id") {
            None => Ok(None),
            Some(Value::String(id)) if id.is_empty() => Ok(None),
            Some(Value::String(id)) if is_student_id(id) => Ok(Some(id.clone())),
            Some(_) => Err(STUDENT_ID_WRONG),
        }
    }

    /// A printable text without the blanks around it; blank is missing.
    pub(super) fn optional_name(
        &self,
        field: &'static str,
        chars_max: usize,
        message: &'static str,
    ) -> Result<Option<String>, BadField> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) if is_printable(text.trim(), chars_max) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(BadField::new(field, message)),
        }
    }

    /// One of an enum's words, None when it is missing.
    pub(super) fn optional_word<T: for<'de> Deserialize<'de>>(
        &self,
        field: &'static str,
        message: &'static str,
    ) -> Result<Option<T>, BadField> {
        match self.get(field) {
            None => Ok(None),
            Some(word @ Value::String(_)) => T::deserialize(word).map(Some).map_err(|_| BadField::new(field, message)),
            Some(_) => Err(BadField::new(field, message)),
        }
    }
}
