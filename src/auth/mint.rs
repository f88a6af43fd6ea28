//! Tokens that Downbeat signs itself: for trying things out, and for guests.

use jsonwebtoken::{Header, encode};
use serde_json::{Map, json};
use thiserror::Error;

use super::{Tenant, is_printable_id};
use crate::room::TokenRole;

/// What a new token shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// 1 to 64 printable characters.
    pub sub: Option<String>,
    pub role: TokenRole,
    /// 1 to 64 printable characters.
    pub name: Option<String>,
    /// The only room that the token opens; None: all of the tenant.
    pub room: Option<String>,
    /// How long the token is good, in seconds, from 1.
    pub ttl_s: i64,
}

/// Why no token was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    #[error(
        "tenant `{tenant}` has no `jwt_secret`: its tokens come from its own identity provider, Downbeat cannot sign any"
    )]
    NoSecret { tenant: String },
    #[error("tenant `{tenant}` does not allow guests: set `guests = true` in its configuration")]
    GuestsOff { tenant: String },
    #[error("`{field}` must be 1 to 64 printable characters")]
    NotPrintable { field: &'static str },
    #[error("the token must be good for at least one second")]
    NoTime,
    #[error("the system gave no randomness for a new id: try again")]
    NoRandomness,
    #[error("the token could not be signed: {reason}")]
    Unsigned { reason: String },
}

impl MintError {
    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSecret { .. } | Self::GuestsOff { .. } => 403,
            Self::NotPrintable { .. } | Self::NoTime => 422,
            Self::NoRandomness | Self::Unsigned { .. } => 500,
        }
    }
}

/// Signs a token of `tenant` at `now_s` (seconds since the epoch), with its secret and its first HS algorithm.
///
/// The role is written where the tenant's tokens have it.
///
/// # Errors
/// When the tenant has no secret, and on claims that no verification would accept.
pub fn mint(tenant: &Tenant, grant: &Grant, now_s: i64) -> Result<String, MintError> {
    let no_secret = || MintError::NoSecret { tenant: tenant.id.to_string() };
    let (key, algorithm) = tenant.keys.signing().ok_or_else(no_secret)?;
    if grant.ttl_s < 1 {
        return Err(MintError::NoTime);
    }
    let mut claims = Map::new();
    claims.insert("tenant".into(), json!(&*tenant.id));
    claims.insert("iat".into(), json!(now_s));
    claims.insert("exp".into(), json!(now_s.saturating_add(grant.ttl_s)));
    for (field, value) in [("sub", &grant.sub), ("name", &grant.name), ("room", &grant.room)] {
        let Some(value) = value else { continue };
        if !is_printable_id(value) {
            return Err(MintError::NotPrintable { field });
        }
        claims.insert(field.into(), json!(value));
    }
    if let Some(path) = tenant.role_paths.first() {
        path.write(&mut claims, grant.role);
    }
    encode(&Header::new(algorithm), &claims, key).map_err(|error| MintError::Unsigned { reason: error.to_string() })
}
