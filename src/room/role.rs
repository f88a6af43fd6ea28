//! The roles of people: what a token proves, and what a teacher hands out inside a room.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fields::is_printable;

const SECTION_PREFIX: &str = "section:";
const SECTION_CHARS_MAX: usize = 32;

/// The role that a token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    Teacher,
    Student,
}

/// The role that a teacher gives a member inside a room; written `co_teacher`, `soloist`, `listener`, `section:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomRole {
    CoTeacher,
    Soloist,
    Listener,
    /// 1 to 32 printable characters.
    Section(String),
}

/// The text names no role of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("role must be co_teacher, soloist, listener, section:<name> or none")]
pub struct UnknownRole;

impl FromStr for RoomRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "co_teacher" => Ok(Self::CoTeacher),
            "soloist" => Ok(Self::Soloist),
            "listener" => Ok(Self::Listener),
            _ => text
                .strip_prefix(SECTION_PREFIX)
                .filter(|name| is_printable(name, SECTION_CHARS_MAX))
                .map(|name| Self::Section(name.to_owned()))
                .ok_or(UnknownRole),
        }
    }
}

impl fmt::Display for RoomRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoTeacher => f.write_str("co_teacher"),
            Self::Soloist => f.write_str("soloist"),
            Self::Listener => f.write_str("listener"),
            Self::Section(name) => write!(f, "{SECTION_PREFIX}{name}"),
        }
    }
}

impl Serialize for RoomRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RoomRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_as_it_is_read() {
        for text in ["co_teacher", "soloist", "listener", "section:alto 2", "section:section:x"] {
            let role: RoomRole = serde_json::from_value(text.into()).expect("a role");
            assert_eq!(serde_json::to_value(&role).expect("plain data"), text);
        }
        for text in ["", "teacher", "Soloist", "section:", "section: ", "section:a\nb"] {
            assert_eq!(text.parse::<RoomRole>(), Err(UnknownRole), "{text:?}");
        }
        assert!(format!("section:{}", "é".repeat(32)).parse::<RoomRole>().is_ok());
        assert!(format!("section:{}", "é".repeat(33)).parse::<RoomRole>().is_err());
    }
}
