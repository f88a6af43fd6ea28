//! What every answer says to browsers and to caches: all operations of the OpenAPI document, the pages, and what is
//! refused before there is an operation.

use downbeat::room::TokenRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Server, sent, token};

/// Nothing of these is anybody's own: they may be kept, and are asked about anew each time.
const MAY_BE_KEPT: [&str; 1] = ["GET /"];
/// What a browser shows as a page, and who may show it within theirs.
const PAGES: [(&str, &str); 2] = [("GET /", "'self'"), ("GET /api/docs", "'self'")];

fn check(what: &str, answer: &Answer) {
    let status = answer.status;
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what} {status}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what} {status}");
    let permissions = answer.header("permissions-policy");
    assert!(permissions.contains("camera=()") && permissions.contains("microphone=()"), "{what} {status}");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{what} {status}: {policy}");
    let framed_by = PAGES.iter().find(|(page, _)| *page == what).map_or("'none'", |(_, framed_by)| framed_by);
    assert!(policy.contains(&format!("frame-ancestors {framed_by}")), "{what} {status}: {policy}");
    let kept = if MAY_BE_KEPT.contains(&what) { "no-cache" } else { "no-store" };
    assert_eq!(answer.header("cache-control"), kept, "{what} {status}");
    assert_eq!(answer.header("strict-transport-security"), "", "{what} {status}: without TLS");
    assert_eq!(answer.header("server"), "", "nobody needs to know");
    assert_eq!(answer.header("set-cookie"), "", "access rests on tokens alone");
}

/// Every operation as method and path, with values where the path has names.
fn operations(document: &Value, code: &str) -> Vec<(Method, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let filled = path.replace("{code}", code).replace("{event}", "start_clock").replace("{topic}", "chat");
        let filled = filled.replace("{id}", "ada");
        let methods: Vec<_> = item.as_object().expect("methods").keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_uppercase().parse().expect("a method"), filled.clone()))
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful_and_caches_to_forget() {
    let server = Server::serve("headers").await;
    let document = server.get("/api/openapi.json").await.json();
    let operations = operations(&document, &server.new_room().await);
    assert!(operations.len() > 25, "{operations:?}");
    let mut outcomes = Vec::new();
    for (method, path) in &operations {
        let what = format!("{method} {path}");
        let ask = || server.request(method.clone(), path);
        check(&what, &sent(ask()).await);
        check(&what, &sent(ask().bearer_auth("x.y.z").body("{")).await);
        check(
            &what,
            &sent(ask().bearer_auth(token("acme", TokenRole::Student)).body(json!({"name": "Bob"}).to_string())).await,
        );
        let answer = sent(ask().bearer_auth(token("acme", TokenRole::Teacher)).body("{}")).await;
        check(&what, &answer);
        outcomes.push(answer.status);
    }
    assert!(outcomes.iter().filter(|status| **status < 300).count() > 10, "mostly they were asked well: {outcomes:?}");
}

#[tokio::test]
async fn so_does_what_is_no_operation() {
    let server = Server::serve("others").await;
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/api/ping"),
        ("POST", "/"),
        ("GET", "/nothing"),
        ("PUT", "/api/music/rooms"),
        ("GET", "/socket/websocket"),
        ("GET", "/socket/websocket?vsn=2.0.0&token=x.y.z"),
        ("GET", "/realtime/v1/websocket?vsn=9"),
        ("GET", "/socket/longpoll?vsn=2.0.0&token=x.y.z"),
        ("POST", "/socket/longpoll"),
        ("OPTIONS", "/socket/longpoll"),
        ("DELETE", "/socket/longpoll"),
        ("OPTIONS", "/api/music/rooms"),
    ] {
        check(&format!("{method} {path}"), &sent(server.request(method.parse().expect("a method"), path)).await);
    }
    let metrics = sent(server.client.get(&server.metrics)).await;
    check("GET /metrics", &metrics);
}

#[tokio::test]
async fn a_browser_that_came_by_tls_is_told_to_do_so_for_a_year() {
    let behind = ["serve", "--config", "downbeat.toml", "--trusted-proxies", "127.0.0.1"];
    let server = Server::start("tls", &behind).await;
    let ask = async |scheme: &str| {
        let asked = server.request(Method::GET, "/").header("x-forwarded-proto", scheme);
        sent(asked.header("x-forwarded-for", "198.51.100.7")).await.header("strict-transport-security").to_owned()
    };
    assert_eq!(ask("https").await, "max-age=31536000");
    assert_eq!(ask("http").await, "");
    let direct = Server::serve("no-tls").await;
    let lied = sent(direct.request(Method::GET, "/").header("x-forwarded-proto", "https")).await;
    assert_eq!(lied.header("strict-transport-security"), "", "nobody trusted says so");
}

#[tokio::test]
async fn the_style_of_the_documentation_is_the_one_that_its_policy_allows() {
    let server = Server::serve("style").await;
    let docs = server.get("/api/docs").await;
    let policy = docs.header("content-security-policy");
    assert!(policy.contains("style-src 'sha256-") && !policy.contains("script-src"), "{policy}");
    assert_eq!(docs.text.matches("<style").count(), 1);
    assert!(!docs.text.contains("style=") && !docs.text.contains("<script"));
}
