//! A token taken apart. Nothing that is read here is proven yet.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AuthError, algorithms, is_opaque_key};

/// Longer tokens are refused unread.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What `alg` says. The tenant decides whether it is allowed; the token never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedAlgorithm {
    None,
    Known(Algorithm),
    Unknown,
}

/// `header.payload.signature`, decoded but unproven.
pub struct Token<'a> {
    pub algorithm: NamedAlgorithm,
    /// The key that the token says it was signed with.
    pub kid: Option<String>,
    pub claims: Map<String, Value>,
    /// The bytes that the signature covers: `header.payload`.
    pub signed: &'a str,
    /// In base64url.
    pub signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart; fails on any form but three base64url parts, the first two of them JSON objects.
    pub fn parse(token: &'a str) -> Result<Self, AuthError> {
        if token.is_empty() {
            return Err(AuthError::TokenMissing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TokenTooLong { max: TOKEN_BYTES_MAX });
        }
        let malformed = |what| AuthError::TokenMalformed { what };
        if is_opaque_key(token) {
            return Err(malformed("Supabase's publishable keys are opaque: pass a JWT of the tenant as the key"));
        }
        let three = malformed("it must have three parts with a dot between them");
        let (signed, signature) = token.rsplit_once('.').ok_or(three.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(three.clone())?;
        if payload.contains('.') {
            return Err(three);
        }
        let header: Header = decode(header)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(malformed("its header must be a JSON object with `alg`, in base64url"))?;
        // RFC 7515, 4.1.11: whoever does not know a critical extension must refuse. Downbeat knows none.
        if header.crit.is_some() {
            return Err(malformed("its header `crit` asks for an extension that is not supported"));
        }
        let claims = decode(payload)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(malformed("its claims must be a JSON object, in base64url"))?;
        let algorithm = match algorithms::by_name(&header.alg) {
            Some(algorithm) => NamedAlgorithm::Known(algorithm),
            None if header.alg.eq_ignore_ascii_case("none") => NamedAlgorithm::None,
            None => NamedAlgorithm::Unknown,
        };
        Ok(Self { algorithm, kid: header.kid, claims, signed, signature })
    }

    /// The unproven `tenant` claim: good for choosing the key, and for nothing else.
    pub fn tenant(&self) -> Result<Option<&str>, AuthError> {
        match self.claims.get("tenant") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(tenant)) => Ok(Some(tenant)),
            Some(_) => Err(AuthError::ClaimInvalid { claim: "tenant", must: "a string" }),
        }
    }
}

/// The `tenant` claim of a token that is not proven yet; see [`super::Tenants::choose`].
pub fn peek_tenant(token: &str) -> Result<Option<String>, AuthError> {
    let token = Token::parse(token)?;
    Ok(token.tenant()?.map(str::to_owned))
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
