//! Who somebody is: tenants, their keys, and what a token proves.
//!
//! The way through: [`authenticate`] peeks at the token for its tenant, [`Tenants::choose`] settles the tenant,
//! [`verify`] proves the token with that tenant's keys and reads its [`Claims`]. Nothing here reads a clock:
//! `now_s` (seconds since the epoch) is a parameter. No error and no `Debug` output holds a token or a secret.

mod algorithms;
mod claims;
mod config;
mod error;
mod guests;
mod jwk;
mod jwks;
mod keys;
mod limits;
mod mint;
mod named;
mod origin;
mod permit;
mod pick;
mod problem;
mod role;
mod seal;
mod secret;
mod settings;
mod tenant;
mod tenants;
mod token;
mod topic_grant;
mod verify;

pub use claims::{Claims, ID_CHARS_MAX, LEEWAY_S, is_printable_id};
pub use config::{TenantConfig, is_tenant_id};
pub use error::AuthError;
pub use guests::{GUEST_TTL_S, Guest, admit_guest};
pub use keys::{Keys, SecretMark};
pub use limits::Limits;
pub use mint::{Grant, MintError, mint};
pub use named::Named;
pub use origin::OriginPattern;
pub use permit::Permit;
pub use pick::{bearer, is_opaque_key, pick_token};
pub use problem::{Problem, every_key};
pub use role::RolePath;
pub use seal::{SealError, SealedFor, SealingKeys};
pub use secret::Secret;
pub use settings::{KeptTenant, KeptWrong, TenantSettings};
pub use tenant::{Described, Tenant};
pub use tenants::Tenants;
pub use token::{TOKEN_BYTES_MAX, peek_tenant};
pub use topic_grant::TopicGrant;
pub use verify::{authenticate, verify};

/// Names the cryptography that proves and signs tokens; `main` calls it once, before anything else.
///
/// A second call changes nothing, so tests may call it freely.
pub fn install_crypto() {
    // The error only says that a provider is installed already: by an earlier call of this very function.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
