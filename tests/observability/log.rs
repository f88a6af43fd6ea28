//! Every line is one of JSON that names the node, and none tells a secret.

use serde_json::{Value, json};

use downbeat::{
    cli::{Mode, SettingFlags, Settings},
    room::TokenRole,
};

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

/// Set in the process that panics for this test.
const PANICS_HERE: &str = "OBSERVED_PANIC";

#[test]
fn a_panic_is_one_line_of_json_too() {
    if std::env::var_os(PANICS_HERE).is_some() {
        return panic_with_a_log();
    }
    let mut panicking = std::process::Command::new(std::env::current_exe().expect("this program"));
    panicking.args(["--exact", "log::a_panic_is_one_line_of_json_too"]).env(PANICS_HERE, "1");
    let said = panicking.env("RUST_BACKTRACE", "1").output().expect("it runs");
    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(said.stderr).expect("UTF-8");
    let lines: Vec<Value> = said.lines().map(read).collect();
    assert_eq!(lines.len(), 1, "{said}");
    let fields = &lines[0]["fields"];
    assert_eq!(
        (&fields["panic.cause"], &lines[0]["node.id"]),
        (&json!("a \"quoted\"\ncause"), &json!("n-1")),
        "{said}"
    );
    assert!(fields["panic.location"].as_str().is_some_and(|place| place.contains("log.rs:")), "{said}");
    assert!(fields["panic.backtrace"].is_string(), "{said}");
}

fn panic_with_a_log() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let flags = SettingFlags {
        node_id: Some("n-1".to_owned()),
        log_format: Some("json".to_owned()),
        ..SettingFlags::default()
    };
    let settings = Settings::load(&flags, &|_| None, Mode::Dev { lan: false, browser: false }).expect("settings");
    downbeat::node::log::start(&settings, runtime.handle()).expect("a log");
    let caught = std::panic::catch_unwind(|| panic!("a \"quoted\"\ncause"));
    assert!(caught.is_err());
}
