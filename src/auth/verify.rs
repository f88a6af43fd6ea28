//! From a token to what it proves.

use std::sync::Arc;

use super::{AuthError, Claims, Tenant, Tenants, token::Token};

/// Proves `token` with the keys of `tenant` and reads its claims, at `now_s` (seconds since the epoch).
///
/// Waits only when the tenant's key set must be fetched; with a shared secret it never does.
///
/// # Errors
/// See [`AuthError`]; a token whose `tenant` claim names another tenant is [`AuthError::TenantMismatch`].
pub async fn verify(token: &str, tenant: &Tenant, now_s: i64) -> Result<Claims, AuthError> {
    prove(&Token::parse(token)?, tenant, now_s).await
}

/// Chooses the tenant by the token's claim, the host or the default, and proves the token with its keys.
pub async fn authenticate(
    tenants: &Tenants,
    token: &str,
    host: Option<&str>,
    now_s: i64,
) -> Result<(Arc<Tenant>, Claims), AuthError> {
    let token = Token::parse(token)?;
    let tenant = tenants.choose(token.tenant()?, host)?;
    let claims = prove(&token, &tenant, now_s).await?;
    Ok((tenant, claims))
}

async fn prove(token: &Token<'_>, tenant: &Tenant, now_s: i64) -> Result<Claims, AuthError> {
    if token.tenant()?.is_some_and(|claimed| claimed != &*tenant.id) {
        return Err(AuthError::TenantMismatch { tenant: Arc::clone(&tenant.id) });
    }
    let signed_with = tenant.keys.prove(token, &tenant.id, now_s).await?;
    Claims::read(&token.claims, tenant, signed_with, now_s)
}
