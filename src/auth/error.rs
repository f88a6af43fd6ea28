//! Why somebody is not let in.

use std::sync::Arc;

use thiserror::Error;

use super::Named;

/// A refusal. Its `Display` is a sentence for people that names the failing claim or header, and repeats nothing that
/// the token holds but its `tenant` claim.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    #[error("no token was sent: pass one as the query value `token`, or in the header `Authorization: Bearer`")]
    TokenMissing,
    #[error("the token is longer than {max} bytes")]
    TokenTooLong { max: usize },
    #[error("the token is not a JSON Web Token: {what}")]
    TokenMalformed { what: &'static str },
    #[error("the token's header says `alg: none`: a token must be signed")]
    AlgorithmNone,
    #[error("the token's header `alg` is not an algorithm that tenant `{tenant}` accepts for this key")]
    AlgorithmRefused { tenant: Arc<str> },
    #[error("the token's header `kid` names no key of tenant `{tenant}`")]
    KeyUnknown { tenant: Arc<str> },
    #[error("the keys of tenant `{tenant}` could not be fetched from its `jwks_url` yet: try again in a moment")]
    KeysUnavailable { tenant: Arc<str> },
    #[error("the token's signature does not fit tenant `{tenant}`'s key: it was signed with another one")]
    SignatureInvalid { tenant: Arc<str> },
    #[error("the token has no `{claim}` claim, which is required")]
    ClaimMissing { claim: &'static str },
    #[error("the token's `{claim}` claim must be {must}")]
    ClaimInvalid { claim: &'static str, must: &'static str },
    #[error("the token has expired: its `exp` claim lies {ago_s} s in the past")]
    Expired { ago_s: i64 },
    #[error("the token is not valid yet: its `nbf` claim lies {ahead_s} s in the future")]
    NotYetValid { ahead_s: i64 },
    #[error(
        "the token's `tenant` claim names another tenant than `{tenant}`, to which this host or connection belongs"
    )]
    TenantMismatch { tenant: Arc<str> },
    #[error("tenant `{tenant}` is suspended")]
    TenantSuspended { tenant: Arc<str> },
    #[error("no tenant {claimed} here: the token's `tenant` claim asks for it; correct the claim, or add the tenant")]
    TenantUnknown { claimed: Named },
    #[error(
        "no tenant {label} here: the host {host} asks for it, and there is neither a `tenant` claim nor a default \
         tenant; correct the host, add it to a tenant's `hosts`, or add the tenant"
    )]
    HostUnknown { label: Named, host: Named },
    #[error(
        "no tenant was named: there is no `tenant` claim, the host {host} names none, and there is no default tenant; \
         put the claim into the token, or configure `default_tenant`"
    )]
    TenantUndecided { host: Named },
}

impl AuthError {
    /// The HTTP status that refuses: 401, 403 or 404.
    pub fn status(&self) -> u16 {
        match self {
            Self::TenantMismatch { .. } | Self::TenantSuspended { .. } => 403,
            Self::TenantUnknown { .. } | Self::HostUnknown { .. } | Self::TenantUndecided { .. } => 404,
            _ => 401,
        }
    }

    /// The word for programs, as in `{"error": "<code>: <sentence>"}`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "TokenMissing",
            Self::TokenTooLong { .. } | Self::TokenMalformed { .. } => "TokenMalformed",
            Self::AlgorithmNone | Self::AlgorithmRefused { .. } => "TokenAlgorithmRefused",
            Self::KeyUnknown { .. } => "TokenKeyUnknown",
            Self::KeysUnavailable { .. } => "TokenKeysUnavailable",
            Self::SignatureInvalid { .. } => "TokenSignatureInvalid",
            Self::ClaimMissing { .. } => "TokenClaimMissing",
            Self::ClaimInvalid { .. } => "TokenClaimInvalid",
            Self::Expired { .. } => "TokenExpired",
            Self::NotYetValid { .. } => "TokenNotYetValid",
            Self::TenantMismatch { .. } => "TenantMismatch",
            Self::TenantSuspended { .. } => "TenantSuspended",
            Self::TenantUnknown { .. } | Self::HostUnknown { .. } | Self::TenantUndecided { .. } => "TenantUnknown",
        }
    }
}
