//! The WebSocket handshake (RFC 6455, section 4.2), as far as it is not HTTP's own.

use aws_lc_rs::digest;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{addresses::Held, limits::UserPlace};
use crate::{
    channels::Peer,
    protocol::{Vsn, subprotocol::PHOENIX},
};

/// The GUID that every handshake is hashed with (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Somebody who may open a socket.
pub struct Admitted {
    pub peer: Peer,
    pub vsn: Vsn,
    pub place: UserPlace,
    /// Its place among those of its address.
    pub held: Held,
}

/// What a client has to ask for, and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHandshake {
    #[error("this address speaks WebSocket: connect with a WebSocket client")]
    NotAsked,
    #[error("only WebSocket version 13 is spoken here")]
    OtherVersion,
    #[error("the header Sec-WebSocket-Key is missing or not 16 bytes in base64")]
    BadKey,
}

impl IntoResponse for NoHandshake {
    fn into_response(self) -> Response {
        let body = axum::Json(serde_json::json!({ "error": format!("BadHandshake: {self}") }));
        match self {
            Self::OtherVersion => {
                (StatusCode::UPGRADE_REQUIRED, [(header::SEC_WEBSOCKET_VERSION, "13")], body).into_response()
            }
            Self::NotAsked | Self::BadKey => (StatusCode::BAD_REQUEST, body).into_response(),
        }
    }
}

/// The 101 to a proper handshake.
pub fn switch_protocols(headers: &HeaderMap, speaks_phoenix: bool) -> Result<Response, NoHandshake> {
    if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket") {
        return Err(NoHandshake::NotAsked);
    }
    if !has_token(headers, header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(NoHandshake::OtherVersion);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).ok_or(NoHandshake::BadKey)?;
    if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
        return Err(NoHandshake::BadKey);
    }
    let accept = HeaderValue::from_str(&accept_of(key)).map_err(|_| NoHandshake::BadKey)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if speaks_phoenix {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PHOENIX));
    }
    Ok(response)
}

fn accept_of(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.finish())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tokens.any(|offered| offered.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let proper = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let all = proper.iter().chain(changes);
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_sample_of_the_rfc_is_accepted_as_the_rfc_says() {
        let response = switch_protocols(&headers(&[]), true).expect("a proper handshake");
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "phoenix");
    }

    #[test]
    fn a_subprotocol_is_named_only_to_who_offered_it() {
        let response = switch_protocols(&headers(&[]), false).expect("a proper handshake");
        assert!(response.headers().get("sec-websocket-protocol").is_none());
    }

    #[test]
    fn what_is_no_handshake_is_told_what_is_missing() {
        let refused = |change| switch_protocols(&headers(&[change]), true).map(|_| ()).unwrap_err();
        assert_eq!(refused(("upgrade", "h2c")), NoHandshake::NotAsked);
        assert_eq!(refused(("connection", "close")), NoHandshake::NotAsked);
        assert_eq!(refused(("sec-websocket-version", "8")), NoHandshake::OtherVersion);
        assert_eq!(refused(("sec-websocket-key", "short")), NoHandshake::BadKey);
    }
}
