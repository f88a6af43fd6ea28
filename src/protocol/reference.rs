//! A client's `join_ref` or `ref`: opaque here, and given back exactly as it came.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::encode::push_json_string;
use super::inbound::{FIELD_BYTES_MAX, Malformed};

/// Strings up to this many bytes are kept in place; real clients count upwards from "1".
const SHORT_BYTES_MAX: usize = 22;

/// A `join_ref` or `ref`: a string of at most 255 bytes or an integer. An absent one (JSON
/// `null`) is `None` of an `Option<Ref>`.
///
/// Cloning never copies more than 24 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ref(Form);

// Each text has one form only, by its length, so that derived equality compares texts.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    Integer(i64),
    /// Above `i64::MAX` only.
    Unsigned(u64),
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Long(Arc<str>),
}

impl Ref {
    /// A ref that came as a string.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] above 255 bytes.
    pub fn from_text(text: &str) -> Result<Ref, Malformed> {
        if text.len() > FIELD_BYTES_MAX {
            return Err(Malformed::TooLong { field: "ref", bytes_max: FIELD_BYTES_MAX });
        }
        let mut bytes = [0; SHORT_BYTES_MAX];
        Ok(Ref(match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                let len = text.len() as u8; // at most SHORT_BYTES_MAX
                Form::Short { len, bytes }
            }
            None => Form::Long(Arc::from(text)),
        }))
    }

    /// A ref that came as an integer.
    pub fn from_integer(integer: i64) -> Ref {
        Ref(Form::Integer(integer))
    }

    /// Appends the ref as JSON: a string stays a string, an integer an integer.
    pub fn push_json(&self, out: &mut String) {
        match &self.0 {
            Form::Integer(_) | Form::Unsigned(_) => out.push_str(&self.to_string()),
            Form::Short { .. } | Form::Long(_) => push_json_string(out, self.as_str()),
        }
    }

    /// Whether both name the same thing, be it once as `1` and once as `"1"`: a client that
    /// counts in integers still sends text in binary frames.
    pub fn names_same(&self, other: &Ref) -> bool {
        self == other || (self.is_integer() != other.is_integer() && self.to_string() == other.to_string())
    }

    fn is_integer(&self) -> bool {
        matches!(self.0, Form::Integer(_) | Form::Unsigned(_))
    }

    /// The text of a string ref; empty for an integer.
    fn as_str(&self) -> &str {
        match &self.0 {
            Form::Integer(_) | Form::Unsigned(_) => "",
            Form::Short { len, bytes } => {
                bytes.get(..usize::from(*len)).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
            }
            Form::Long(text) => text,
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Integer(integer) => integer.fmt(f),
            Form::Unsigned(integer) => integer.fmt(f),
            Form::Short { .. } | Form::Long(_) => f.write_str(self.as_str()),
        }
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = String::new();
        self.push_json(&mut json);
        write!(f, "Ref({json})")
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ref, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

struct RefVisitor;

impl Visitor<'_> for RefVisitor {
    type Value = Ref;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an integer or null as join_ref and ref")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Ref, E> {
        Ref::from_text(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Ref, E> {
        Ok(Ref::from_integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Ref, E> {
        Ok(Ref(match i64::try_from(integer) {
            Ok(integer) => Form::Integer(integer),
            Err(_) => Form::Unsigned(integer),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(json: &str) -> String {
        let reference: Ref = serde_json::from_str(json).expect("a ref");
        let mut out = String::new();
        reference.push_json(&mut out);
        out
    }

    #[test]
    fn a_ref_comes_back_as_it_came() {
        for json in ["\"1\"", "1", "0", "-7", "18446744073709551615", "\"\"", "\"ü\""] {
            assert_eq!(echo(json), json);
        }
        let uuid = "\"5f0f5b52-77a1-4f0e-9a8e-5a3bb40b8cd6\"";
        assert_eq!(echo(uuid), uuid);
    }

    #[test]
    fn other_kinds_of_json_are_no_refs() {
        for json in ["1.5", "true", "[]", "{}", "1e3", "18446744073709551616"] {
            assert!(serde_json::from_str::<Ref>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_ref_of_255_bytes_passes_and_one_more_does_not() {
        assert!(Ref::from_text(&"r".repeat(255)).is_ok());
        assert!(Ref::from_text(&"r".repeat(256)).is_err());
    }

    #[test]
    fn an_integer_and_its_text_name_the_same_but_are_not_equal() {
        let text = Ref::from_text("1").expect("short");
        let integer = Ref::from_integer(1);
        assert_ne!(text, integer);
        assert!(text.names_same(&integer));
        assert!(!text.names_same(&Ref::from_integer(2)));
        assert!(!integer.names_same(&Ref::from_integer(2)));
    }

    #[test]
    fn a_ref_takes_no_more_room_than_a_string() {
        assert_eq!(size_of::<Option<Ref>>(), 24);
    }
}
