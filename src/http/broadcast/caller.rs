//! Who broadcasts: anybody whose token proves anything.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::refused::Refused;
use crate::{
    auth::{self, AuthError, Claims, Tenant},
    http::{
        caller::{host_of, token_of},
        state::HttpState,
    },
};

/// A person with a valid token. Which topics it opens, the topics decide.
pub(in crate::http) struct Caller {
    pub tenant: Arc<Tenant>,
    pub claims: Claims,
}

impl FromRequestParts<HttpState> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Refused> {
        let token = token_of(&parts.headers, &parts.uri).ok_or(AuthError::TokenMissing)?;
        let host = host_of(&parts.headers, &parts.uri);
        let (tenant, claims) = auth::authenticate(&http.tenants, &token, host, http.clock.now_s()).await?;
        Ok(Self { tenant, claims })
    }
}
