//! Who may make tenants.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Folder, Node, ONE, TENANTS, sent, teacher};

#[tokio::test]
async fn without_an_operator_key_there_is_no_tenant_api_and_the_answer_says_how_to_switch_it_on() {
    let folder = Folder::new();
    let node = Node::start(&folder, &[]);
    let refused = node.operate(Method::GET, "", &Value::Null).await;
    assert_eq!(refused.failure(), (403, "operator_off".into(), None));
    assert!(refused.message().contains("DOWNBEAT_OPERATOR_KEY"), "{}", refused.message());
}

#[tokio::test]
async fn only_the_operators_key_opens_it() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    let nobody = sent(node.request(Method::GET, TENANTS)).await;
    assert_eq!(nobody.failure(), (401, "operator_key_missing".into(), None));
    assert_eq!(nobody.headers["www-authenticate"], "Bearer");
    let key = crate::node::operator_key();
    for wrong in [&key[1..], &format!("{key}x"), &teacher(ONE)] {
        let refused = sent(node.request(Method::GET, TENANTS).bearer_auth(wrong)).await;
        assert_eq!(refused.failure(), (401, "operator_key_wrong".into(), None), "{wrong}");
    }
    // Not where tokens may stand: those places are logged by others.
    let in_query = sent(node.request(Method::GET, &format!("{TENANTS}?token={key}"))).await;
    assert_eq!(in_query.failure().0, 401);
    assert_eq!(node.operate(Method::GET, "", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn whoever_guesses_keys_waits_ever_longer_and_the_operator_does_not() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    let guess = || sent(node.request(Method::GET, TENANTS).bearer_auth("wrong"));
    for _ in 0..65 {
        assert_eq!(guess().await.failure().0, 401);
    }
    let began = std::time::Instant::now();
    assert_eq!(guess().await.failure().0, 401);
    assert!(began.elapsed().as_millis() >= 300, "{:?}", began.elapsed());
    let began = std::time::Instant::now();
    assert_eq!(node.operate(Method::GET, "", &Value::Null).await.status, 200);
    assert!(began.elapsed().as_millis() < 300, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_web_page_may_call_it() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    let made = node.operate(Method::PUT, "/acme", &json!({"jwt_secret": ONE, "origins": ["*"]})).await;
    assert_eq!(made.status, 201);
    let asked = node.request(Method::OPTIONS, TENANTS).header("origin", "https://acme.org");
    let asked = sent(asked.header("access-control-request-method", "GET").header("host", "acme.example.org")).await;
    assert_eq!(asked.failure().0, 403);
    let key = crate::node::operator_key();
    let shown = node.request(Method::GET, TENANTS).bearer_auth(key).header("origin", "https://acme.org");
    let shown = sent(shown.header("host", "acme.example.org")).await;
    assert!(!shown.headers.contains_key("access-control-allow-origin"), "{:?}", shown.headers);
}
