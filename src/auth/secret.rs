//! A value that must not be shown.

use std::{convert::Infallible, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::Error as _, de::IgnoredAny};

/// A secret string. `Debug` hides it, it has no `Display`, and it is never serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret of 32 random bytes, in base64.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secret itself: name what you do with it where you call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(secret: &str) -> Result<Self, Infallible> {
        Ok(Self(secret.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// serde's own "invalid type" error would quote the value, so a wrong type is caught first.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(IgnoredAny),
        }
        match Given::deserialize(deserializer)? {
            Given::Text(secret) => Ok(Self(secret)),
            Given::Other(_) => Err(D::Error::custom("must be a string in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_secret() {
        let secret = Secret::from("open sesame".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_refused_without_repeating_it() {
        let error = serde_json::from_str::<Secret>("424242").unwrap_err().to_string();
        assert!(error.contains("must be a string") && !error.contains("424242"), "{error}");
    }

    #[test]
    fn two_random_secrets_differ_and_are_long_enough_to_sign_with() {
        let (a, b) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(a, b);
        assert!(a.expose().len() >= 32);
    }
}
