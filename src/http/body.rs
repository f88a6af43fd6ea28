//! The body of a request: a JSON object, small, and in time.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde_json::Value;

use super::{failure::Failure, state::HttpState};

/// The longest body.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// The text of a JSON object, or nothing at all. The content type does not matter: scripts forget it.
pub(super) struct JsonText(pub String);

impl FromRequest<HttpState> for JsonText {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Failure> {
        let arrival = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let bytes = arrival.map_err(|_| {
            Failure::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took longer than 10 s to arrive")
        })?;
        let bytes = bytes.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
                Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            }
            _ => Failure::new(StatusCode::BAD_REQUEST, "body_broken", "the body did not arrive whole"),
        })?;
        object(&bytes).map(Self)
    }
}

fn object(bytes: &[u8]) -> Result<String, Failure> {
    let broken = |what| Failure::new(StatusCode::BAD_REQUEST, "invalid_json", what);
    let text = std::str::from_utf8(bytes).map_err(|_| broken("the body is not UTF-8".to_owned()))?;
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(_)) => Ok(text.to_owned()),
        Ok(_) => Err(broken("the body must be a JSON object".to_owned())),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(broken(format!("the body is not JSON: it breaks at line {line}, column {column}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_taken_as_it_is_and_nothing_is_nothing() {
        assert_eq!(object(br#" {"bpm": 90}"#).as_deref(), Ok(r#" {"bpm": 90}"#));
        assert_eq!(object(b" \n").as_deref(), Ok(""));
    }

    #[test]
    fn anything_else_is_a_400_that_says_where() {
        let deep = "[".repeat(1_000_000);
        for bad in ["[]", "null", "{", r#"{"a":1}}"#, "{'a': 1}", r#"{"a": NaN}"#, &deep] {
            let failure = object(bad.as_bytes()).expect_err("no object");
            assert_eq!((failure.status.as_u16(), &*failure.code), (400, "invalid_json"));
        }
        assert_eq!(object(b"{\"a\": \"\xff\"}").map_err(|failure| failure.status.as_u16()), Err(400));
        let failure = object(b"{\n \"bpm\": x}").expect_err("broken");
        assert!(failure.message.contains("line 2, column 9"), "{failure}");
    }
}
