//! `/dev/token`: a token for whoever sits at this machine. Its route exists only under `downbeat dev`.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::{host_of, peer_of, query_of},
    failure::{Failure, FailureBody},
    state::HttpState,
};
use crate::{
    auth::{Grant, mint},
    room::TokenRole,
};

pub(super) const PATH: &str = "/dev/token";
/// A day of trying things out, in seconds.
const TTL_S: i64 = 12 * 3_600;

/// A token and what it says.
#[derive(Serialize, ToSchema)]
pub(super) struct DevToken {
    token: String,
    /// `teacher` or `student`.
    #[schema(value_type = String, example = "teacher")]
    role: TokenRole,
    #[schema(example = "ada")]
    sub: String,
    #[schema(example = "demo")]
    tenant: String,
    /// When the token ends, in seconds since 1970.
    exp: i64,
    /// Where the students' devices find this node, under `dev --lan`: the page's links begin with it.
    #[schema(example = "http://192.168.1.20:4000")]
    lan_origin: Option<String>,
}

/// Get a token for trying things out.
///
/// Exists only under `downbeat dev`, and answers only to the machine that it runs on.
#[utoipa::path(get, path = "/dev/token", operation_id = "devToken", tag = "dev",
    params(
        ("role" = Option<String>, Query, description = "`teacher` or `student`, which is the default", example = "teacher"),
        ("sub" = Option<String>, Query, description = "The person's id; by default the role", example = "ada"),
    ),
    responses(
        (status = 200, description = "A token of the demo tenant, good for twelve hours", body = DevToken),
        (status = 403, description = "Asked from another machine", body = FailureBody),
        (status = 404, description = "This is not `downbeat dev`", body = FailureBody),
        (status = 422, description = "`role` or `sub` is wrong", body = FailureBody),
    ))]
pub(super) async fn give(State(http): State<HttpState>, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    if !asked_from_here(peer_of(&parts), &parts.headers, &parts.uri) {
        return Err(Failure::forbidden(
            "/dev/token answers only to the machine that Downbeat runs on, by its loopback address",
        ));
    }
    let dev = http.dev.ok_or_else(super::routes::no_such_route)?;
    let tenant = http.tenants.get(&dev.tenant).ok_or_else(super::routes::no_such_route)?;
    let (role, sub) = wish_of(&parts.uri)?;
    let now_s = http.clock.now_s();
    let grant = Grant { sub: Some(sub.clone()), role, name: None, room: None, ttl_s: TTL_S };
    let token = mint(&tenant, &grant, now_s)?;
    let exp = now_s.saturating_add(TTL_S);
    let given = DevToken { token, role, sub, tenant: tenant.id.to_string(), exp, lan_origin: dev.lan_origin };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(given)).into_response())
}

/// A loopback peer alone proves little: a proxy on this machine, or a page whose name was rebound to 127.0.0.1, has
/// one too. So the host must be this machine's own name as well, and nobody may have been forwarded.
fn asked_from_here(peer: Option<IpAddr>, headers: &HeaderMap, uri: &Uri) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer.is_some_and(|peer| peer.is_loopback())
        && host_of(headers, uri).is_some_and(is_loopback_host)
        && !forwarded.iter().any(|name| headers.contains_key(*name))
}

/// Whether `host`, with or without a port, is a name of the machine itself.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn wish_of(uri: &Uri) -> Result<(TokenRole, String), Failure> {
    let query = query_of(uri);
    let value = |name: &str| query.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value);
    let role = value("role").map_or("student", String::as_str);
    let sub = value("sub").cloned().unwrap_or_else(|| role.to_owned());
    match role {
        "teacher" => Ok((TokenRole::Teacher, sub)),
        "student" => Ok((TokenRole::Student, sub)),
        _ => Err(Failure::field("role", "role must be teacher or student")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn here(peer: Option<&str>, headers: &[(&str, &str)]) -> bool {
        let request = headers.iter().fold(Request::get(PATH), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let peer = peer.map(|peer| peer.parse::<IpAddr>().expect("an address").to_canonical());
        asked_from_here(peer, &parts.headers, &parts.uri)
    }

    #[test]
    fn only_this_machine_by_its_own_name_is_answered() {
        for host in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST", "[::1]:4000", "127.0.0.2"] {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert!(here(Some(peer), &[("host", host)]), "{host} {peer}");
            }
            assert!(!here(Some("192.168.1.7"), &[("host", host)]), "{host}");
            assert!(!here(None, &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn a_rebound_name_and_a_proxy_are_refused() {
        for host in ["evil.org", "127.0.0.1.evil.org", "localhost.evil.org", "192.168.1.7:4000", "a b", ""] {
            assert!(!here(Some("127.0.0.1"), &[("host", host)]), "{host}");
        }
        assert!(!here(Some("127.0.0.1"), &[]));
        assert!(!here(Some("127.0.0.1"), &[("host", "localhost"), ("x-forwarded-for", "10.0.0.9")]));
    }

    #[test]
    fn without_a_wish_it_is_a_student() {
        let wish = |query: &str| wish_of(&format!("{PATH}{query}").parse().expect("an address"));
        assert_eq!(wish(""), Ok((TokenRole::Student, "student".into())));
        assert_eq!(wish("?role=teacher&sub=ada"), Ok((TokenRole::Teacher, "ada".into())));
        assert_eq!(wish("?role=admin").map_err(|failure| failure.field), Err(Some("role".into())));
    }
}
