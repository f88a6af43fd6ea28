//! Secrets that are kept where others can read: in the database, in Redis. There they are sealed, so that whoever reads
//! a copy of either has none of them, and whoever writes to it cannot give one tenant's to another.
//!
//! A sealed secret is `v1.<key>.<text>`: which key, and in base64 a random nonce with what AES-256-GCM made. Tenant and
//! field are bound into it. The keys are derived (HKDF-SHA-256) from the service's secret keys, which sign other things,
//! too.

use std::{fmt, fmt::Write as _};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest, hkdf,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::Secret;

const VERSION: &str = "v1";
const PURPOSE: &[u8] = b"downbeat tenant secrets v1";
/// A longer text is no sealed secret.
const SEALED_CHARS_MAX: usize = 256 * 1024;
/// Bytes of a key's id.
const ID_BYTES: usize = 4;

/// The key that seals, and those that only open: former ones, until all that they sealed is sealed anew.
pub struct SealingKeys {
    current: SealingKey,
    former: Vec<SealingKey>,
}

struct SealingKey {
    /// Tells it from others; nothing follows from it.
    id: String,
    key: RandomizedNonceKey,
}

/// What a secret belongs to.
#[derive(Clone, Copy, Debug)]
pub struct SealedFor<'a> {
    pub tenant: &'a str,
    pub field: &'a str,
}

/// Why a sealed secret stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    #[error("it is no sealed secret of this or an earlier release")]
    Malformed,
    #[error("it was sealed with another secret key: name that one in `previous_secret_key`")]
    UnknownKey,
    #[error("it was tampered with, or belongs to another tenant or field")]
    Forged,
    #[error("the system's cryptography fails")]
    Broken,
}

impl SealingKeys {
    /// # Errors
    /// When the cryptography fails: no key of 32 bytes is a wrong one.
    pub fn new(current: &[u8; 32], former: &[[u8; 32]]) -> Result<Self, SealError> {
        let former = former.iter().filter(|key| *key != current).map(SealingKey::derive).collect::<Result<_, _>>()?;
        Ok(Self { current: SealingKey::derive(current)?, former })
    }

    /// # Errors
    /// [`SealError::Broken`]: there is no randomness, for one.
    pub fn seal(&self, secret: &Secret, belongs: SealedFor<'_>) -> Result<String, SealError> {
        let mut bytes = secret.expose().as_bytes().to_vec();
        let nonce = self.current.key.seal_in_place_append_tag(belongs.bound(), &mut bytes);
        let mut sealed = nonce.map_err(|_| SealError::Broken)?.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(format!("{VERSION}.{}.{}", self.current.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// # Errors
    /// See [`SealError`]; nothing of the secret is in it.
    pub fn open(&self, sealed: &str, belongs: SealedFor<'_>) -> Result<Secret, SealError> {
        let (id, mut bytes) = parts(sealed)?;
        let mut keys = std::iter::once(&self.current).chain(&self.former);
        let key = keys.find(|key| key.id == id).ok_or(SealError::UnknownKey)?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let opened = key.key.open_in_place(nonce, belongs.bound(), text).map_err(|_| SealError::Forged)?;
        let secret = std::str::from_utf8(opened).map_err(|_| SealError::Malformed)?;
        Ok(Secret::from(secret.to_owned()))
    }

    /// The name of the current key, as it stands in what it seals.
    pub fn current_name(&self) -> &str {
        &self.current.id
    }

    /// Whether what the key of this name has sealed can be opened.
    pub fn has(&self, name: &str) -> bool {
        std::iter::once(&self.current).chain(&self.former).any(|key| key.id == name)
    }

    /// Whether it is the current key that sealed this; if not, it is to be sealed anew before that key is dropped.
    pub fn is_current(&self, sealed: &str) -> bool {
        parts(sealed).is_ok_and(|(id, _)| id == self.current.id)
    }
}

/// Hides the keys.
impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let former: Vec<_> = self.former.iter().map(|key| &key.id).collect();
        f.debug_struct("SealingKeys").field("current", &self.current.id).field("former", &former).finish()
    }
}

impl SealingKey {
    fn derive(secret: &[u8; 32]) -> Result<Self, SealError> {
        let mut key = [0; 32];
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        let filled = derived.expand(&[PURPOSE], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
        filled.map_err(|_| SealError::Broken)?;
        let hash = digest::digest(&digest::SHA256, &key);
        let mut id = String::new();
        for byte in hash.as_ref().iter().take(ID_BYTES) {
            // Writing to a string does not fail.
            let _ = write!(id, "{byte:02x}");
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Broken)?;
        Ok(Self { id, key })
    }
}

impl SealedFor<'_> {
    /// No two pairs have the same bytes: neither name holds a NUL.
    fn bound(self) -> Aad<Vec<u8>> {
        Aad::from([PURPOSE, self.tenant.as_bytes(), self.field.as_bytes()].join(&0))
    }
}

/// The key's id, and the bytes.
fn parts(sealed: &str) -> Result<(&str, Vec<u8>), SealError> {
    if sealed.len() > SEALED_CHARS_MAX {
        return Err(SealError::Malformed);
    }
    let mut parts = sealed.split('.');
    let (Some(VERSION), Some(id), Some(text), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(SealError::Malformed);
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Malformed)?;
    Ok((id, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OF_ACME: SealedFor<'_> = SealedFor { tenant: "acme", field: "jwt_secret" };

    /// It outlives releases, so it is pinned.
    const SEALED_BY_THE_FIRST_RELEASE: &str =
        "v1.1dc21642.e_PnQJNxBn91yBpGBWKHI6PYsWU3BrV1nt4mm8PpwXAObobYYOyafCePUPrE-wY5qeSO9vnygYJmZw8vbYBg5pw0";

    fn keys(current: u8, former: &[u8]) -> SealingKeys {
        let former: Vec<_> = former.iter().map(|byte| [*byte; 32]).collect();
        SealingKeys::new(&[current; 32], &former).expect("sound keys")
    }

    fn secret() -> Secret {
        Secret::from("acme's secret, long enough to be taken".to_owned())
    }

    fn sealed_with(key: u8) -> String {
        keys(key, &[]).seal(&secret(), OF_ACME).expect("sealed")
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let sealed = sealed_with(1);
        assert_eq!(keys(1, &[]).open(&sealed, OF_ACME), Ok(secret()));
        assert!(!sealed.contains("acme") && !format!("{:?}", keys(1, &[2])).contains("\\u{1}"));
        assert_ne!(sealed, sealed_with(1), "each has a nonce of its own");
    }

    #[test]
    fn anothers_secret_in_its_place_stays_closed() {
        let sealed = sealed_with(1);
        for (tenant, field) in [("zeta", "jwt_secret"), ("acme", "previous_jwt_secret"), ("", "acmejwt_secret")] {
            let opened = keys(1, &[]).open(&sealed, SealedFor { tenant, field });
            assert_eq!(opened, Err(SealError::Forged), "{tenant} {field}");
        }
    }

    #[test]
    fn not_one_bit_may_be_changed() {
        let sealed = sealed_with(1);
        let (head, text) = sealed.rsplit_once('.').expect("three parts");
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(keys(1, &[]).open(&changed, OF_ACME), Err(SealError::Forged), "byte {at}");
        }
    }

    #[test]
    fn a_former_key_opens_and_does_not_seal_and_a_dropped_one_says_what_to_do() {
        let old = sealed_with(1);
        let both = keys(2, &[1]);
        assert_eq!(both.open(&old, OF_ACME), Ok(secret()));
        assert!(!both.is_current(&old));
        let new = both.seal(&secret(), OF_ACME).expect("sealed");
        assert!(both.is_current(&new));
        assert_eq!(keys(2, &[]).open(&new, OF_ACME), Ok(secret()));
        let refused = keys(2, &[]).open(&old, OF_ACME).expect_err("the key is gone");
        assert!(refused.to_string().contains("previous_secret_key"), "{refused}");
    }

    #[test]
    fn what_an_earlier_release_has_sealed_still_opens() {
        assert_eq!(keys(1, &[]).open(SEALED_BY_THE_FIRST_RELEASE, OF_ACME), Ok(secret()));
    }

    proptest! {
        #[test]
        fn whatever_text_stands_there_is_refused_and_nothing_breaks(text in ".{0,200}", tail in "[A-Za-z0-9_-]{0,120}") {
            let keys = keys(1, &[2]);
            prop_assert!(keys.open(&text, OF_ACME).is_err());
            let sealed = sealed_with(1);
            let (head, _) = sealed.rsplit_once('.').expect("three parts");
            let forged = format!("{head}.{tail}");
            prop_assert!(keys.open(&forged, OF_ACME).is_err());
        }

        #[test]
        fn any_secret_comes_back_as_it_was(text in "\\PC{0,200}") {
            let keys = keys(7, &[]);
            let sealed = keys.seal(&Secret::from(text.clone()), OF_ACME).expect("sealed");
            let opened = keys.open(&sealed, OF_ACME).expect("opened");
            prop_assert_eq!(opened.expose(), &text);
        }
    }
}
