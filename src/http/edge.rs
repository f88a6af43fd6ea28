//! What happens around every request: panics are caught, outcomes counted, pages told to be careful.

use std::any::Any;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{failure::Failure, state::HttpState};
use crate::telemetry::{Metrics, count};

/// Counts the request by the class of its status.
pub(super) async fn counted(State(http): State<HttpState>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    count(&http.metrics.http_requests, status_class(response.status()));
    response
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Browsers shall neither guess at types nor tell others which room somebody came from.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What a request gets whose handler panicked: nobody else notices.
pub(super) fn panicked(metrics: &Metrics, cause: &(dyn Any + Send)) -> Response {
    count(&metrics.panics, "http");
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    tracing::error!(cause = text.unwrap_or("unknown"), "a request's handler panicked");
    let message = "something broke inside Downbeat; it has been counted and logged";
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_500_that_says_nothing_of_its_cause_and_is_counted() {
        let metrics = Metrics::new();
        let response = panicked(&metrics, &"secret".to_owned());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(metrics.exposition().contains("downbeat_panics_total{kind=\"http\"} 1"));
    }

    #[test]
    fn a_status_is_counted_by_its_class() {
        let classes = [101, 204, 304, 422, 503].map(|code| status_class(StatusCode::from_u16(code).expect("a status")));
        assert_eq!(classes, ["1xx", "2xx", "3xx", "4xx", "5xx"]);
    }
}
