//! Where a handshake carries its token.

use axum::http::{HeaderMap, header};

use crate::protocol::subprotocol::Subprotocol;

/// Query values that may hold a token, in the order in which they count.
const QUERY_NAMES: [&str; 4] = ["token", "apikey", "api_key", "access_token"];
const HEADER_NAMES: [&str; 3] = ["x-api-key", "x-auth-token", "x-phoenix-authtoken"];

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

/// The token of a handshake, wherever it is; `skip` tells values that are something else (a long-poll session).
pub fn token(query: &Query, headers: &HeaderMap, skip: impl Fn(&str) -> bool) -> Option<String> {
    let in_query = QUERY_NAMES.iter().flat_map(|name| query.all(name)).find(|value| !is_nothing(value) && !skip(value));
    if let Some(token) = in_query {
        return Some(token.to_owned());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    HEADER_NAMES
        .iter()
        .find_map(|name| text(name).map(str::to_owned))
        .or_else(|| text("authorization").and_then(bearer))
        .or_else(|| subprotocol(headers).token)
}

/// What JavaScript puts into a query where it has no token.
fn is_nothing(value: &str) -> bool {
    matches!(value, "" | "null" | "undefined")
}

fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
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
            ("sec-websocket-protocol", "phoenix, base64url.bearer.phx.YWJj"),
        ];
        for (name, value) in headers {
            let mut map = HeaderMap::new();
            map.insert(name, HeaderValue::from_static(value));
            assert_eq!(token(&Query::default(), &map, no_skip).as_deref(), Some("abc"), "{name}");
        }
    }

    #[test]
    fn the_application_s_token_is_told_from_the_session_s_in_one_query() {
        let query = Query::parse(Some("token=lp.xyz&token=app"));
        assert_eq!(token(&query, &HeaderMap::new(), |value| value.starts_with("lp.")).as_deref(), Some("app"));
    }
}
