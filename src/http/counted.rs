//! Requests that count as messages of their tenant.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{
    caller::{Caller, Teacher},
    failure::{Failure, too_many_requests},
    state::HttpState,
};
use crate::auth::Tenant;

/// When the next message may be said: the limit is one of each second.
const RETRY_AFTER_S: u32 = 1;

/// Whoever asks, where the tenant may say one message more, over whatever it says them.
pub(super) struct Counted<T>(pub T);

/// Somebody of a tenant.
pub(super) trait OfTenant {
    fn tenant(&self) -> &Arc<Tenant>;
}

impl OfTenant for Caller {
    fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl OfTenant for Teacher {
    fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl<T> FromRequestParts<HttpState> for Counted<T>
where
    T: FromRequestParts<HttpState, Rejection = Failure> + OfTenant + Send,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Failure> {
        let who = T::from_request_parts(parts, http).await?;
        if !(http.admits_events)(who.tenant(), 1) {
            let message = "the school says more than its max_events_per_second: try again in a moment";
            return Err(too_many_requests(message, RETRY_AFTER_S));
        }
        Ok(Self(who))
    }
}
