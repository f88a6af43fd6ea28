//! Where a handshake carries its token.

use axum::http::{HeaderMap, header};

use crate::{
    auth::{bearer, pick_token},
    protocol::subprotocol::Subprotocol,
};

/// Query values that may hold a token, in the order in which they count.
const QUERY_NAMES: [&str; 4] = ["token", "apikey", "api_key", "access_token"];
const HEADER_NAMES: [&str; 3] = ["x-api-key", "x-auth-token", "x-phoenix-authtoken"];
/// Counts last: Supabase's clients send their project's key in it, beside the token of whoever is signed in.
const KEY_HEADER: &str = "apikey";

/// A query string, decoded; a name may occur several times.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`. A bare trailing `&`, as phoenix.js sends it, means nothing.
    pub fn parse(raw: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Every value of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The names as they came, for values that must not be arrays (`vsn[]=`).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

/// What `Sec-WebSocket-Protocol` offers.
pub fn subprotocol(headers: &HeaderMap) -> Subprotocol {
    let offers: Vec<&str> =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok()).collect();
    Subprotocol::parse(&offers.join(","))
}

/// The token of a handshake, wherever it is: the first of the query, the headers, the subprotocol. `skip` tells values that are something else (a long-poll session).
pub fn token(query: &Query, headers: &HeaderMap, skip: impl Fn(&str) -> bool) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let offered = subprotocol(headers).token;
    let in_query =
        QUERY_NAMES.iter().flat_map(|name| query.all(name)).filter(|value| !is_nothing(value) && !skip(value));
    let in_headers = HEADER_NAMES.iter().filter_map(|name| text(name));
    let values = in_query
        .chain(in_headers)
        .chain(text("authorization").and_then(bearer))
        .chain(offered.as_deref())
        .chain(text(KEY_HEADER));
    pick_token(values)
}

/// What JavaScript puts into a query where it has no token.
fn is_nothing(value: &str) -> bool {
    matches!(value, "null" | "undefined")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn no_skip(_: &str) -> bool {
        false
    }

    #[test]
    fn a_token_is_found_in_every_place_of_the_contract() {
        for name in QUERY_NAMES {
            let query = Query::parse(Some(&format!("vsn=2.0.0&{name}=abc&")));
            assert_eq!(token(&query, &HeaderMap::new(), no_skip).as_deref(), Some("abc"), "{name}");
        }
        let headers = [
            ("x-api-key", "abc"),
            ("x-auth-token", "abc"),
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc"),
            ("x-phoenix-authtoken", "abc"),
            ("apikey", "abc"),
            ("sec-websocket-protocol", "phoenix, base64url.bearer.phx.YWJj"),
        ];
        for (name, value) in headers {
            let mut map = HeaderMap::new();
            map.insert(name, HeaderValue::from_static(value));
            assert_eq!(token(&Query::default(), &map, no_skip).as_deref(), Some("abc"), "{name}");
        }
    }

    fn found(query: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        token(&Query::parse(Some(query)), &map, no_skip)
    }

    #[test]
    fn a_publishable_key_gives_way_to_a_token_wherever_that_is() {
        let key = "apikey=sb_publishable_k";
        assert_eq!(found(&format!("{key}&access_token=abc"), &[]).as_deref(), Some("abc"));
        assert_eq!(found(key, &[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(
            found(key, &[("sec-websocket-protocol", "phoenix, base64url.bearer.phx.YWJj")]).as_deref(),
            Some("abc")
        );
        assert_eq!(found("token=abc", &[("apikey", "sb_publishable_k")]).as_deref(), Some("abc"));
        assert_eq!(found("token=null", &[("apikey", "sb_publishable_k")]).as_deref(), Some("sb_publishable_k"));
    }

    #[test]
    fn the_key_header_counts_last_because_whoever_is_signed_in_comes_before_the_project() {
        assert_eq!(found("", &[("apikey", "key"), ("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(found("access_token=abc", &[("apikey", "key")]).as_deref(), Some("abc"));
        assert_eq!(found("token=&apikey=undefined", &[("authorization", "Bearer ")]), None);
    }

    #[test]
    fn the_application_s_token_is_told_from_the_session_s_in_one_query() {
        let query = Query::parse(Some("token=lp.xyz&token=app"));
        assert_eq!(token(&query, &HeaderMap::new(), |value| value.starts_with("lp.")).as_deref(), Some("app"));
    }
}
