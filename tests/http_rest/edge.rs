//! What is the same for every caller: origins, probes, unknown addresses, the document.

use std::collections::BTreeSet;

use downbeat::room::TokenRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{ROOMS, Server, sent, token};

#[tokio::test]
async fn only_pages_of_the_tenants_origins_may_read_answers() {
    let server = Server::serve("cors").await;
    let read = async |origin: &str, tenant: &str| {
        let request = server.request(Method::GET, ROOMS).bearer_auth(token(tenant, TokenRole::Teacher));
        let answer = sent(request.header("origin", origin)).await;
        assert!(answer.header("vary").contains("origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(read("https://app.acme.org", "acme").await, "https://app.acme.org");
    assert_eq!(read("https://app.acme.org", "zeta").await, "");
    assert_eq!(read("https://zeta.org", "zeta").await, "https://zeta.org");
    assert_eq!(read("https://evil.org", "acme").await, "");

    let ask = async |origin: &str| {
        let request = server.request(Method::OPTIONS, ROOMS).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        sent(request.header("access-control-request-headers", "authorization, content-type")).await
    };
    let allowed = ask("https://acme.org").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, "https://acme.org"));
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization, content-type");
    assert_eq!(ask("https://evil.org").await.failure(), (403, "origin_refused".into(), None));
}

#[tokio::test]
async fn probes_and_metrics_answer_without_a_token() {
    let server = Server::serve("probes").await;
    assert_eq!(server.get("/api/ping").await.json(), json!({"status": "ok"}));
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/readyz").await.json(), json!({"status": "ready", "causes": []}));
    assert_eq!(server.get("/healthz").await.json()["version"], env!("CARGO_PKG_VERSION"));

    assert_eq!(server.get("/metrics").await.failure().0, 404, "metrics have a port of their own");
    let metrics = sent(server.client.get(&server.metrics)).await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.contains("downbeat_http_requests_total{kind=\"2xx\"}"), "{}", metrics.text);
    assert!(metrics.text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn an_address_or_method_that_does_not_exist_is_a_failure_of_the_common_shape() {
    let server = Server::serve("routes").await;
    for path in ["/api/nothing", "/nothing", "/api", "/api/music/rooms/", "/dev/token?role=teacher"] {
        assert_eq!(server.get(path).await.failure(), (404, "no_such_route".into(), None), "{path}");
    }
    let refused = server.teacher(Method::PUT, ROOMS, &json!({})).await;
    assert_eq!(refused.failure(), (405, "method_not_allowed".into(), None));
    assert!(refused.header("allow").contains("POST"), "{}", refused.header("allow"));
}

#[tokio::test]
async fn the_document_says_what_a_room_really_has() {
    let server = Server::serve("document").await;
    let document = server.get("/api/openapi.json").await.json();
    let made = server.teacher(Method::POST, ROOMS, &Value::Null).await.json();
    let names = |object: &Value| object.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let schemas = &document["components"]["schemas"];
    assert_eq!(names(&made), names(&schemas["Room"]["properties"]));
    assert_eq!(names(&made["settings"]), names(&schemas["RoomSettings"]["properties"]));

    let docs = server.get("/api/docs").await;
    assert!(docs.header("content-type").starts_with("text/html"));
    assert!(docs.text.contains("/api/music/rooms/{code}/guest"));
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("x-content-type-options")), (200, "nosniff"));
    assert!(!page.header("content-security-policy").contains("unsafe"));
}
