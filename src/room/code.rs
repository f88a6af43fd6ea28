use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const PREFIX: &str = "MUSIC-";

/// From this many live rooms on a tenant's new codes have six digits, so that a guess seldom hits a room.
const SIX_DIGITS_FROM_ROOMS: usize = 2_000;

/// A room's join code, `MUSIC-` and four or six digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(Arc<str>);

/// How many digits a new code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeLength {
    Four,
    Six,
}

/// A room's identity. Structured, so that no separator inside a tenant's name can make two rooms meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomKey {
    pub tenant: Arc<str>,
    pub code: Code,
}

/// The text is no room code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a room code is MUSIC- followed by four or six digits")]
pub struct InvalidCode;

impl Code {
    /// The code that bears `number`, taken modulo what the length holds: any random number will do.
    #[must_use]
    pub fn from_number(number: u32, length: CodeLength) -> Self {
        let number = number % length.codes();
        Self(match length {
            CodeLength::Four => format!("{PREFIX}{number:04}").into(),
            CodeLength::Six => format!("{PREFIX}{number:06}").into(),
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CodeLength {
    /// The length of the next code of a tenant that has `live_rooms` rooms.
    #[must_use]
    pub fn for_live_rooms(live_rooms: usize) -> Self {
        if live_rooms < SIX_DIGITS_FROM_ROOMS { Self::Four } else { Self::Six }
    }

    /// How many codes of this length there are.
    #[must_use]
    pub fn codes(self) -> u32 {
        match self {
            Self::Four => 10_000,
            Self::Six => 1_000_000,
        }
    }
}

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidCode)?;
        let well_formed = matches!(digits.len(), 4 | 6) && digits.bytes().all(|b| b.is_ascii_digit());
        well_formed.then(|| Self(text.into())).ok_or(InvalidCode)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As logs and operators write it: `acme:MUSIC-1234`.
impl fmt::Display for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tenant, self.code)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_four_or_six_ascii_digits() {
        for good in ["MUSIC-0000", "MUSIC-1234", "MUSIC-123456"] {
            assert_eq!(good.parse::<Code>().map(|code| code.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "MUSIC-",
            "MUSIC-123",
            "MUSIC-12345",
            "MUSIC-1234567",
            "music-1234",
            "MUSIC-12a4",
            "MUSIC-1234 ",
            "MUSIC--123",
            "MUSIC-+123",
            "MUSIC-١٢",
            "1234",
        ] {
            assert_eq!(bad.parse::<Code>(), Err(InvalidCode), "{bad:?}");
        }
    }

    #[test]
    fn codes_grow_to_six_digits_at_two_thousand_live_rooms() {
        let code = |live_rooms| Code::from_number(u32::MAX, CodeLength::for_live_rooms(live_rooms)).to_string();
        assert_eq!(code(1_999), "MUSIC-7295");
        assert_eq!(code(2_000), "MUSIC-967295");
        assert_eq!(Code::from_number(7, CodeLength::Four).as_str(), "MUSIC-0007");
    }

    #[test]
    fn a_room_is_written_with_its_tenant_and_survives_serde() {
        let key = RoomKey { tenant: "acme".into(), code: Code::from_number(1234, CodeLength::Four) };
        assert_eq!(key.to_string(), "acme:MUSIC-1234");
        let text = serde_json::to_string(&key).expect("a key is plain data");
        assert_eq!(serde_json::from_str::<RoomKey>(&text).expect("as written"), key);
        assert!(serde_json::from_str::<Code>("\"MUSIC-12\"").is_err());
    }
}
