//! Every line is one of JSON that names the node, and none tells a secret.

use serde_json::{Value, json};

use downbeat::room::TokenRole;

use super::node::{Node, SECRET, signed, token};

fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_json_with_its_node_and_tells_no_token() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    // Nobody listens there: one line says so, and nothing else is disturbed.
    let node = Node::start("n-1", &["--log", "trace", "--otlp-endpoint", &format!("http://{closed}")]);
    let good = token("ms-lee", TokenRole::Teacher);
    let forged = signed("another secret, which is long enough too", "eve", TokenRole::Teacher);
    let code = node.new_room().await;

    assert!(node.open(&forged).await.is_err());
    assert!(node.open("no-token-at-all").await.is_err());
    let mut teacher = node.teach(&code).await;
    assert_eq!(teacher.ask("MUSIC-0000", "phx_join", json!({ "name": "x" })).await["status"], "error");
    let shown = teacher.ask(&code, "access_token", json!({ "access_token": forged })).await;
    assert_eq!(shown["status"], "error", "{shown}");
    assert_eq!(teacher.ask(&code, "set_tempo", json!({ "bpm": 99 })).await["status"], "ok");
    teacher.say("{ this is no frame").await;
    teacher.closed().await;

    let lines = node.stop();
    let secrets = [good.as_str(), &forged, SECRET, "another secret", "no-token-at-all", "eyJ"];
    for line in &lines {
        let read = read(line);
        assert_eq!(read["node.id"], "n-1", "{line}");
        for field in ["timestamp", "level", "target"] {
            assert!(read[field].is_string(), "{field} in {line}");
        }
        assert!(read["fields"]["message"].is_string() || read["target"] != "downbeat", "{line}");
        assert!(read.get("spans").is_none_or(|spans| !spans.to_string().contains("control")), "{line}");
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
    let said =
        |message: &str| lines.iter().map(|line| read(line)).filter(|line| line["fields"]["message"] == message).count();
    assert_eq!(said("listening"), 1);
    assert_eq!(said("stopped"), 1);
    assert_eq!(said("traces are lost: the collector does not take them"), 1);
    assert!(said("a handshake was refused") >= 2, "{lines:#?}");
}
