//! Whether the node lives, is ready, and what it counts.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::state::HttpState;

/// What `Metrics::exposition` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A word that all is well.
#[derive(Serialize, ToSchema)]
pub(super) struct Pong {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the node should be sent traffic.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadinessReport {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Why it is not: `starting`, `draining`, `poisoned: <part>`.
    causes: Vec<String>,
    /// The node's release; in `/healthz` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.1.0", nullable = false)]
    version: Option<&'static str>,
}

/// Say hello.
#[utoipa::path(get, path = "/api/ping", operation_id = "ping", tag = "health",
    responses((status = 200, description = "Somebody is here", body = Pong)))]
pub(super) async fn ping() -> Json<Pong> {
    Json(Pong { status: "ok" })
}

/// Ask whether the process lives.
///
/// Depends on nothing else: whoever restarts on it must not restart because a store is down.
#[utoipa::path(get, path = "/livez", operation_id = "isAlive", tag = "health",
    responses((status = 200, description = "It lives", body = Pong)))]
pub(super) async fn live() -> Json<Pong> {
    Json(Pong { status: "ok" })
}

/// Ask whether the node should be sent traffic.
#[utoipa::path(get, path = "/readyz", operation_id = "isReady", tag = "health",
    responses(
        (status = 200, description = "Ready", body = ReadinessReport),
        (status = 503, description = "Not ready, with the causes", body = ReadinessReport),
    ))]
pub(super) async fn ready(State(http): State<HttpState>) -> Response {
    readiness(&http, None)
}

/// Ask for readiness and release.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "health",
    responses(
        (status = 200, description = "Ready", body = ReadinessReport),
        (status = 503, description = "Not ready, with the causes", body = ReadinessReport),
    ))]
pub(super) async fn health(State(http): State<HttpState>) -> Response {
    readiness(&http, Some(env!("CARGO_PKG_VERSION")))
}

fn readiness(http: &HttpState, version: Option<&'static str>) -> Response {
    let causes = http.readiness.causes();
    let (code, status) = match causes.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (code, no_store, Json(ReadinessReport { status, causes, version })).into_response()
}

/// The figures of this node, for Prometheus. On a port of its own.
pub(super) async fn metrics(State(http): State<HttpState>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], http.metrics.exposition()).into_response()
}
