//! One trace for one control, over all nodes that had to do with it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    collector::{Collector, Sent},
    node::{Member, Node},
    redis_support::RedisServer,
};

/// Rooms that are tried at once until one is conducted by the other node.
const ROOMS: usize = 6;

async fn set_tempo(teacher: &mut Member, code: &str, bpm: u32) {
    let answer = teacher.ask(code, "set_tempo", json!({ "bpm": bpm })).await;
    assert_eq!(answer["status"], "ok", "{answer}");
}

fn nodes(trace: &[Sent]) -> BTreeSet<String> {
    trace.iter().map(Sent::node).collect()
}

fn is_whole(trace: &[Sent]) -> bool {
    let names: BTreeSet<&str> = trace.iter().map(|sent| sent.span.name.as_str()).collect();
    ["set_tempo", "call", "serve", "conduct", "store", "publish", "ack"].iter().all(|name| names.contains(name))
}

/// The only span of this name.
fn only<'a>(trace: &'a [Sent], name: &str) -> &'a Sent {
    let mut found = trace.iter().filter(|sent| sent.span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {trace:#?}"));
    assert!(found.next().is_none(), "{name} is there twice: {trace:#?}");
    first
}

fn assert_parent(trace: &[Sent], child: &str, parent: &str) {
    let (child, parent) = (only(trace, child), only(trace, parent));
    assert_eq!(child.span.parent_span_id, parent.span.span_id, "{} and {}", child.span.name, parent.span.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_that_another_node_conducts_is_one_trace_of_both_nodes() {
    let redis = RedisServer::start();
    let collector = Collector::start().await;
    let (url, endpoint) = (redis.url(), collector.endpoint.clone());
    let arguments = ["--redis-url", &url, "--otlp-endpoint", &endpoint];
    let (a, b) = (Node::start("a", &arguments), Node::start("b", &[&arguments[..], &["--log", "trace"]].concat()));

    let mut lessons = Vec::new();
    for round in 0.. {
        assert!(round < 10, "no room is conducted by b");
        for bpm in 0..ROOMS {
            let code = a.new_room().await;
            let mut teacher = a.teach(&code).await;
            set_tempo(&mut teacher, &code, 60 + bpm as u32).await;
            lessons.push((teacher, code));
        }
        // A node sends once a second: by the end of a trace of its own, those before it are there.
        collector.trace(|trace| nodes(trace).len() == 2 || trace.len() > 3).await;
        if collector.traces().iter().any(|trace| nodes(trace).contains("b")) {
            break;
        }
    }
    let trace = collector.trace(|trace| nodes(trace).len() == 2 && is_whole(trace)).await;

    let root = only(&trace, "set_tempo");
    assert!(root.span.parent_span_id.is_empty(), "{root:?}");
    let code = root.attribute("room.code");
    assert!(lessons.iter().any(|(_, known)| *known == code), "{root:?}");
    assert_eq!(root.attribute("tenant.id"), "acme");
    for (child, parent) in [
        ("ack", "set_tempo"),
        ("call", "set_tempo"),
        ("serve", "call"),
        ("conduct", "serve"),
        ("store", "conduct"),
        ("publish", "conduct"),
    ] {
        assert_parent(&trace, child, parent);
    }
    let of = |node: &str| -> BTreeSet<&str> {
        trace.iter().filter(|sent| sent.node() == node).map(|sent| sent.span.name.as_str()).collect()
    };
    assert_eq!(of("a"), BTreeSet::from(["ack", "call", "set_tempo"]));
    assert_eq!(of("b"), BTreeSet::from(["conduct", "publish", "serve", "store"]));
    for sent in &trace {
        assert_eq!(sent.resource("service.name"), "downbeat");
        assert_eq!(sent.resource("service.version"), env!("CARGO_PKG_VERSION"));
    }

    // What ended just now is sent all the same.
    let (teacher, code) = lessons.iter_mut().find(|(_, known)| *known == code).expect("as above");
    set_tempo(teacher, code, 222).await;
    let before = collector.spans().len();
    a.stop();
    let log = b.stop();
    let last = collector.spans().split_off(before);
    assert!(last.iter().any(|sent| sent.span.name == "set_tempo" && sent.node() == "a"), "{last:#?}");
    assert!(last.iter().any(|sent| sent.span.name == "store" && sent.node() == "b"), "{last:#?}");
    // A line of the log that was written on a trace's way names it.
    let id: String = root.span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let asked = log.iter().filter(|line| line.contains("asked about a room") && line.contains(&id));
    let asked: Vec<Value> = asked.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(asked.iter().any(|line| line["trace.id"] == id && line["node.id"] == "b"), "{id}: {asked:?}");
    let all = format!("{:?}", collector.spans());
    // What every token begins with, and what was said in the rooms.
    for secret in ["eyJ", "Ms Lee", "ms-lee"] {
        assert!(!all.contains(secret), "{secret} is in a span");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_control_is_marked_and_no_note_or_join_is_traced() {
    let collector = Collector::start().await;
    let node = Node::start("alone", &["--otlp-endpoint", &collector.endpoint]);
    let code = node.new_room().await;
    let mut teacher = node.teach(&code).await;
    for _ in 0..3 {
        assert_eq!(teacher.ask(&code, "play_note", json!({ "midi": 60 })).await["status"], "ok");
    }
    assert_eq!(teacher.ask(&code, "mute_student", json!({ "student_id": "nobody" })).await["status"], "error");
    node.stop();
    let names: Vec<String> = collector.spans().iter().map(|sent| sent.span.name.clone()).collect();
    assert_eq!(names.iter().filter(|name| *name == "mute_student").count(), 1, "{names:?}");
    assert!(names.iter().all(|name| ["mute_student", "conduct", "ack"].contains(&name.as_str())), "{names:?}");
    let spans = collector.spans();
    let status = only(&spans, "mute_student").span.status.clone().expect("a status");
    assert_eq!(status.code, 2, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ratio_says_how_many_traces_are_kept() {
    let collector = Collector::start().await;
    let node = Node::start("alone", &["--otlp-endpoint", &collector.endpoint, "--otlp-sample-ratio", "0"]);
    let code = node.new_room().await;
    let mut teacher = node.teach(&code).await;
    set_tempo(&mut teacher, &code, 99).await;
    node.stop();
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
}
