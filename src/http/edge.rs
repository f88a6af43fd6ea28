//! What happens around every request: panics are caught, outcomes counted, pages told to be careful.

use std::{any::Any, time::Duration};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    failure::{Failure, unavailable},
    policy,
    state::HttpState,
};
use crate::{
    gateway::proxies::Client,
    telemetry::{Metrics, count},
};

/// How long a handler may take until it answers. The longest of all is the erasure of a person who took part for years.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

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

/// Browsers shall neither guess at types, nor tell others which room somebody came from, nor keep what is not theirs.
pub(super) async fn guarded(client: Client, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        policy::complete(response.headers_mut(), client.is_secure);
    }
    response
}

/// A handler that does not come to an end is given up, as if whoever asked had gone.
pub(super) async fn timed(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => unavailable("this took longer than 60 s and was given up: try again later").into_response(),
    }
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
