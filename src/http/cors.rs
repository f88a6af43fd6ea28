//! Which web pages may call the API: the tenant's `origins`, all in dev.
//!
//! Access rests on the token, never on a cookie, so no answer allows credentials.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    caller::{host_of, token_of},
    dev_token::{self, is_loopback_host},
    failure::Failure,
    state::HttpState,
};
use crate::auth::{Tenants, peek_tenant};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const EXPOSED: HeaderValue = HeaderValue::from_static("location, retry-after, etag");
/// How long a browser may remember that it asked, in seconds.
const MAX_AGE_S: u32 = 600;

/// Answers preflights, and tells browsers which page may read the answer.
pub(super) async fn shared(State(http): State<HttpState>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return varied(next.run(request).await);
    };
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_preflight = request.method() == Method::OPTIONS && asked.is_some();
    let is_dev = http.dev.is_some();
    if !is_preflight {
        let allowed = may_read(&http.tenants, is_dev, request.uri(), request.headers());
        let response = next.run(request).await;
        return varied(if allowed { readable(response, origin) } else { response });
    }
    if !may_ask(&http.tenants, is_dev, request.uri(), request.headers()) {
        let message = "no tenant of this host lists the page's origin in its `origins`";
        return varied(Failure::new(StatusCode::FORBIDDEN, "origin_refused", message).into_response());
    }
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    varied(readable(permission(wanted), origin))
}

/// Whether the page may read the answer: the tenant is the token's, unproven because the answer itself depends on
/// the proof, or the host's.
fn may_read(tenants: &Tenants, is_dev: bool, uri: &Uri, headers: &HeaderMap) -> bool {
    let origin = origin_of(headers);
    if uri.path() == dev_token::PATH {
        return is_loopback_origin(origin);
    }
    if is_operators(uri) {
        return false;
    }
    let host = host_of(headers, uri);
    let claim = token_of(headers, uri).and_then(|token| peek_tenant(&token).ok().flatten());
    let tenant = tenants.choose(claim.as_deref(), host).ok();
    tenant.map_or(is_dev, |tenant| tenant.allows_origin(Some(origin), host, is_dev))
}

/// Whether the page may ask at all. A preflight has no token, so where the host names no tenant, any tenant's page
/// may ask; which one may read, the answer says.
fn may_ask(tenants: &Tenants, is_dev: bool, uri: &Uri, headers: &HeaderMap) -> bool {
    let origin = origin_of(headers);
    if uri.path() == dev_token::PATH {
        return is_loopback_origin(origin);
    }
    if is_operators(uri) {
        return false;
    }
    let host = host_of(headers, uri);
    match host.and_then(|host| tenants.by_host(host)) {
        Some(tenant) => tenant.allows_origin(Some(origin), host, is_dev),
        None => is_dev || tenants.all().iter().any(|tenant| tenant.allows_origin(Some(origin), host, false)),
    }
}

/// Text that is no text matches no pattern but `*`, as does the opaque origin `null`.
fn origin_of(headers: &HeaderMap) -> &str {
    headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or("null")
}

/// The tenant API is for no page, whatever the mode.
fn is_operators(uri: &Uri) -> bool {
    uri.path() == "/api/tenants" || uri.path().starts_with("/api/tenants/")
}

/// Any page may call the dev server, but none from elsewhere may fetch itself a teacher's token.
fn is_loopback_origin(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| is_loopback_host(host))
}

fn permission(wanted_headers: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_S));
    if let Some(wanted) = wanted_headers {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        headers.append(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    }
    response
}

fn readable(mut response: Response, origin: HeaderValue) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// Caches must not give one page's answer to another.
fn varied(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::http::request::Parts;

    use super::*;
    use crate::{
        auth::{Grant, Tenant, TenantConfig, mint},
        room::TokenRole,
    };

    fn tenant(id: &str, origin: &str) -> Tenant {
        let config = TenantConfig {
            id: id.into(),
            jwt_secret: Some("x".repeat(32).into()),
            origins: vec![origin.into()],
            ..TenantConfig::default()
        };
        config.build(Path::new(".")).expect("a sound tenant")
    }

    fn tenants() -> Tenants {
        let both = vec![tenant("acme", "https://acme.org"), tenant("zeta", "https://zeta.org")];
        Tenants::new(both, Some("acme")).expect("two tenants")
    }

    fn request(path: &str, host: &str, origin: &str, token: &str) -> Parts {
        let request = axum::http::Request::get(path).header("host", host).header("origin", origin);
        request.header("x-api-key", token).body(()).expect("a request").into_parts().0
    }

    fn reads(host: &str, origin: &str, token: &str) -> bool {
        let parts = request("/api/ping", host, origin, token);
        may_read(&tenants(), false, &parts.uri, &parts.headers)
    }

    fn asks(host: &str, origin: &str) -> bool {
        let parts = request("/api/ping", host, origin, "");
        may_ask(&tenants(), false, &parts.uri, &parts.headers)
    }

    fn token_of_zeta() -> String {
        crate::auth::install_crypto();
        let grant = Grant { sub: None, role: TokenRole::Teacher, name: None, room: None, ttl_s: 60 };
        mint(&tenant("zeta", "https://zeta.org"), &grant, 0).expect("a token")
    }

    #[test]
    fn the_page_of_the_tokens_tenant_may_read_the_answer() {
        let token = token_of_zeta();
        assert!(reads("api.example.net", "https://zeta.org", &token));
        assert!(!reads("api.example.net", "https://acme.org", &token));
        assert!(reads("api.example.net", "https://acme.org", ""));
        assert!(!reads("api.example.net", "https://zeta.org", ""));
        assert!(reads("zeta.example.net", "https://zeta.org", ""));
        assert!(!reads("api.example.net", "https://evil.org", "garbage"));
    }

    #[test]
    fn a_preflight_is_answered_to_any_tenants_page_where_the_host_names_none() {
        assert!(asks("api.example.net", "https://zeta.org"));
        assert!(asks("api.example.net", "https://acme.org"));
        assert!(asks("zeta.example.net", "https://zeta.org"));
        assert!(!asks("zeta.example.net", "https://acme.org"));
        assert!(!asks("api.example.net", "https://evil.org"));
        assert!(!asks("api.example.net", "null"));
    }

    #[test]
    fn in_dev_any_page_may_call_but_only_this_machines_may_fetch_a_token() {
        let decides = |path: &str, origin: &str| {
            let parts = request(path, "127.0.0.1:4000", origin, "");
            let (uri, headers) = (&parts.uri, &parts.headers);
            (may_ask(&tenants(), true, uri, headers), may_read(&tenants(), true, uri, headers))
        };
        assert_eq!(decides("/api/music/rooms", "https://evil.org"), (true, true));
        assert_eq!(decides("/dev/token", "https://evil.org"), (false, false));
        assert_eq!(decides("/dev/token", "null"), (false, false));
        assert_eq!(decides("/dev/token", "http://localhost:5173"), (true, true));
        assert_eq!(decides("/api/tenants", "http://localhost:5173"), (false, false));
        assert_eq!(decides("/api/tenants/acme", "https://acme.org"), (false, false));
    }
}
