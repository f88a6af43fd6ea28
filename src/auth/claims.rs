//! What a proven token says.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    AuthError, SecretMark, Tenant,
    role::role_of,
    topic_grant::{TopicGrant, topic_grants},
};
use crate::room::TokenRole;

/// How far `exp` and `nbf` may be off, because clocks are, in seconds.
pub const LEEWAY_S: i64 = 5;
/// The year 2200: whoever says later has counted milliseconds, and the token would never end.
const EXP_S_MAX: i64 = 7_258_118_400;
/// The longest student or teacher id and the longest name, in characters.
pub const ID_CHARS_MAX: usize = 64;

/// The claims of a token that was proven with its tenant's key and was in force at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub tenant: Arc<str>,
    /// The student's or teacher's id: 1 to 64 printable characters.
    pub sub: Option<String>,
    pub role: TokenRole,
    /// At most 64 printable characters.
    pub name: Option<String>,
    /// When the token ends, in seconds since the epoch; the leeway is not part of it.
    pub exp_s: i64,
    /// A guest's token is good for this room code alone.
    pub room: Option<String>,
    /// Private topics that the token opens besides those under its own `sub`.
    pub topics: Vec<TopicGrant>,
    /// Which of the tenant's secrets signed it; None: a public key proves it.
    pub signed_with: Option<SecretMark>,
}

impl Claims {
    /// Reads claims whose signature has been proven, and checks them against the time and the tenant's rules.
    pub(super) fn read(
        claims: &Map<String, Value>,
        tenant: &Tenant,
        signed_with: Option<SecretMark>,
        now_s: i64,
    ) -> Result<Self, AuthError> {
        let exp_s = seconds(claims, "exp")?.ok_or(AuthError::ClaimMissing { claim: "exp" })?;
        if exp_s > EXP_S_MAX {
            return Err(AuthError::ClaimInvalid {
                claim: "exp",
                must: "in seconds since 1970: this looks like milliseconds",
            });
        }
        if now_s.saturating_sub(LEEWAY_S) > exp_s {
            return Err(AuthError::Expired { ago_s: now_s.saturating_sub(exp_s) });
        }
        if let Some(nbf_s) = seconds(claims, "nbf")?
            && nbf_s > now_s.saturating_add(LEEWAY_S)
        {
            return Err(AuthError::NotYetValid { ahead_s: nbf_s.saturating_sub(now_s) });
        }
        let sub = printable(claims, "sub")?;
        if sub.is_none() && tenant.require_sub {
            return Err(AuthError::ClaimMissing { claim: "sub" });
        }
        Ok(Self {
            tenant: Arc::clone(&tenant.id),
            sub,
            role: role_of(claims, &tenant.role_paths),
            name: claims.get("name").and_then(Value::as_str).and_then(tidy_name),
            exp_s,
            room: printable(claims, "room")?,
            topics: topic_grants(claims)?,
            signed_with,
        })
    }
}

/// Whether `id` may name a student or teacher: 1 to 64 characters, all visible (spaces inside are fine).
///
/// Invisible and direction-changing characters are refused, because two ids that look alike must be alike.
pub fn is_printable_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.chars().count())
        && id.chars().all(is_printable)
        && !id.starts_with(char::is_whitespace)
        && !id.ends_with(char::is_whitespace)
}

pub(super) fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !invisible
}

/// A name is for show and proves nothing, so a strange one is tidied rather than refused.
fn tidy_name(name: &str) -> Option<String> {
    let tidy: String = name.trim().chars().filter(|c| is_printable(*c)).take(ID_CHARS_MAX).collect();
    let tidy = tidy.trim();
    (!tidy.is_empty()).then(|| tidy.to_owned())
}

/// A NumericDate (RFC 7519): seconds since the epoch, whole or with a fraction, which is cut off.
fn seconds(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, AuthError> {
    let invalid = AuthError::ClaimInvalid { claim, must: "a number of seconds since 1970" };
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Some(whole)),
            // `as` saturates, so 1e300 is the end of time and not a panic or a wrap.
            (None, Some(fraction)) => Ok(Some(fraction.floor() as i64)),
            (None, None) => Err(invalid),
        },
        Some(_) => Err(invalid),
    }
}

fn printable(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, AuthError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_printable_id(text) => Ok(Some(text.clone())),
        Some(_) => Err(AuthError::ClaimInvalid { claim, must: "a string of 1 to 64 printable characters" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_to_sixty_four_visible_characters() {
        for good in ["a", "ada lovelace", "ünï-çødé", "auth0|12", &"x".repeat(64), &"é".repeat(64)] {
            assert!(is_printable_id(good), "{good}");
        }
        for bad in ["", " ", " a", "a ", "a\nb", "a\u{0}b", "a\u{202e}b", "a\u{200b}", &"x".repeat(65)] {
            assert!(!is_printable_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_strange_name_is_tidied_and_an_empty_one_is_none() {
        assert_eq!(tidy_name("  A\u{202e}da\n "), Some("Ada".into()));
        assert_eq!(tidy_name(&"n".repeat(500)).map(|name| name.len()), Some(64));
        assert_eq!(tidy_name(" \u{200b} "), None);
    }
}
