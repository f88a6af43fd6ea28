//! Every route, one row each, and the layers around them.

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::{HeaderMap, Method, StatusCode, Uri},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{self, MethodRouter},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    actions, body::BODY_BYTES_MAX, broadcast, cors, dev_token, document, edge, failure::Failure, guests, page, probes,
    reflections, reports, rooms, sessions, state::HttpState, students, tenants,
};

/// A method at a path. The OpenAPI document has an operation for each, which a test compares.
struct Row {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<HttpState>,
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, HttpState>) -> Row {
    Row { method: "get", path, handler: routing::get(handler) }
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, HttpState>) -> Row {
    Row { method: "post", path, handler: routing::post(handler) }
}

fn put<T: 'static>(path: &'static str, handler: impl Handler<T, HttpState>) -> Row {
    Row { method: "put", path, handler: routing::put(handler) }
}

fn patch<T: 'static>(path: &'static str, handler: impl Handler<T, HttpState>) -> Row {
    Row { method: "patch", path, handler: routing::patch(handler) }
}

fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, HttpState>) -> Row {
    Row { method: "delete", path, handler: routing::delete(handler) }
}

fn rows() -> Vec<Row> {
    vec![
        get("/api/ping", probes::ping),
        get("/livez", probes::live),
        get("/readyz", probes::ready),
        get("/healthz", probes::health),
        get("/api/openapi.json", document::json),
        get("/api/docs", document::page),
        post("/api/music/rooms", rooms::create),
        get("/api/music/rooms", rooms::list),
        get("/api/music/rooms/{code}", rooms::read),
        patch("/api/music/rooms/{code}", rooms::change),
        delete("/api/music/rooms/{code}", rooms::close),
        post("/api/music/rooms/{code}/actions/{event}", actions::act),
        post("/api/music/rooms/{code}/guest", guests::admit),
        get("/api/music/rooms/{code}/participation", reports::participation),
        get("/api/music/rooms/{code}/analytics", reports::analytics),
        get("/api/music/rooms/{code}/reflections", reflections::list),
        get("/api/music/rooms/{code}/sessions", sessions::of_room),
        get("/api/music/sessions", sessions::of_school),
        get("/api/music/overview", sessions::overview),
        post("/api/music/reflections", reflections::submit),
        put("/api/music/reflections/{id}", reflections::change),
        delete("/api/music/reflections/{id}", reflections::withdraw),
        get("/api/music/students/{id}", students::export),
        get("/api/music/students/{id}/trend", students::trend),
        delete("/api/music/students/{id}", students::erase),
        post("/api/broadcast", broadcast::batch),
        post("/api/broadcast/{topic}/events/{event}", broadcast::one),
        post("/realtime/v1/api/broadcast", broadcast::batch),
        post("/realtime/v1/api/broadcast/{topic}/events/{event}", broadcast::one),
        get("/api/tenants", tenants::list),
        get("/api/tenants/{id}", tenants::read),
        put("/api/tenants/{id}", tenants::put),
        patch("/api/tenants/{id}", tenants::change),
        delete("/api/tenants/{id}", tenants::delete),
        post("/api/tenants/{id}/disconnect", tenants::disconnect),
        get("/api/tenants/{id}/health", tenants::health),
        get(dev_token::PATH, dev_token::give),
    ]
}

/// All that the main port answers besides sockets. Serve it with the peers' addresses
/// (`into_make_service_with_connect_info::<SocketAddr>`); without them nobody gets a dev token and all guests share
/// one address.
pub fn router(state: HttpState) -> Router {
    let is_dev = state.dev.is_some();
    let mut routes = Router::new();
    for Row { method, path, handler } in rows() {
        if is_dev || path != dev_token::PATH {
            tracing::debug!(method, path, "route");
            routes = routes.route(path, handler);
        }
    }
    surrounded(routes.fallback(elsewhere), &state).with_state(state)
}

/// What the metrics port answers: `/metrics`.
pub fn metrics_router(state: HttpState) -> Router {
    let routes = Router::new().route("/metrics", routing::get(probes::metrics));
    routes
        .fallback(async || no_such_route())
        .method_not_allowed_fallback(async || method_not_allowed())
        .with_state(state)
}

/// The layers; the last is the outermost.
fn surrounded(routes: Router<HttpState>, state: &HttpState) -> Router<HttpState> {
    let metrics = Arc::clone(&state.metrics);
    let catch = CatchPanicLayer::custom(move |cause: Box<dyn Any + Send>| edge::panicked(&metrics, &*cause));
    routes
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(catch)
        .layer(from_fn(edge::timed))
        .layer(from_fn_with_state(state.clone(), cors::shared))
        .layer(from_fn_with_state(state.clone(), edge::counted))
}

/// What is at an address that is no route: a file of the page, or nothing, said in the form that is expected there.
async fn elsewhere(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    match broadcast::astray(uri.path()) {
        Some(refused) => refused.into_response(),
        None => page::serve(method, uri, headers).await.into_response(),
    }
}

async fn wrong_method(uri: Uri) -> Response {
    match broadcast::wrong_method(uri.path()) {
        Some(refused) => refused.into_response(),
        None => method_not_allowed().into_response(),
    }
}

pub(super) fn no_such_route() -> Failure {
    let message = "there is nothing at this address: /api/docs lists what there is";
    Failure::new(StatusCode::NOT_FOUND, "no_such_route", message)
}

pub(super) fn method_not_allowed() -> Failure {
    let message = "this address does not answer to this method: the `Allow` header lists those it does";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_the_document_has_no_other() {
        let routes: BTreeSet<_> = rows().iter().map(|row| format!("{} {}", row.method, row.path)).collect();
        assert_eq!(routes, document::operations());
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_500_in_the_shape_of_every_failure() {
        let metrics = Arc::new(crate::telemetry::Metrics::new());
        let caught = Arc::clone(&metrics);
        let catch = CatchPanicLayer::custom(move |cause: Box<dyn Any + Send>| edge::panicked(&caught, &*cause));
        let broken: Router = Router::new().route("/", routing::get(async || -> StatusCode { panic!("on purpose") }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move { axum::serve(listener, broken.layer(catch)).await });
        for _ in 0..2 {
            let answer = reqwest::get(format!("http://{address}/")).await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 500);
            let body: serde_json::Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
            assert_eq!(body["error"]["code"], "internal");
        }
        assert!(metrics.exposition().contains("downbeat_panics_total{kind=\"http\"} 2"));
        server.abort();
    }
}
