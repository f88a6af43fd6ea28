//! Who must not be heard: other services, other programs, oneself.

use std::process::Command;

use downbeat::relay::{Envelope, Gap, Relay};

use crate::{
    node::{Heard, Node, note, room},
    redis_support::RedisServer,
};

#[tokio::test]
async fn services_with_different_prefixes_or_databases_never_meet() {
    let server = RedisServer::start();
    let own = Node::join(&format!("{}/1?prefix=x:", server.url()), "a").await;
    let mut hearer = Node::join(&format!("{}/1?prefix=x:", server.url()), "b").await;
    hearer.relay.subscribe(&room(1)).await.unwrap();
    for other in ["/1?prefix=y:", "/1", "/2?prefix=x:", "/0?prefix=x:"] {
        let other = Node::join(&format!("{}{other}", server.url()), "c").await;
        other.say(&room(1), "theirs").unwrap();
        crate::node::until(|| server_has_seen(&server, &other)).await;
    }
    own.say(&room(1), "ours").unwrap();
    hearer.hears("ours").await;
}

/// Its probe has gone round, so what it said before is done.
fn server_has_seen(_: &RedisServer, node: &Node) -> bool {
    node.relay.figures().probe_us > 0
}

#[tokio::test]
async fn a_node_that_comes_back_under_its_old_name_hears_its_former_self() {
    let server = RedisServer::start();
    let (former, mut present) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "a").await);
    present.relay.subscribe(&room(1)).await.unwrap();
    present.say(&room(1), "its own").unwrap();
    former.say(&room(1), "former").unwrap();
    present.hears("former").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_a_gap_and_nothing_more() {
    let server = RedisServer::start();
    let (a, mut b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    let channel = room(1).to_string();
    let whole = note("c", "readable").encode().unwrap();
    let other_major: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if at == 3 { 2 } else { *byte }).collect();
    assert!(Envelope::decode(&other_major).is_err());
    let process = b"\x01\x02\x03\x04\x05\x06\x07\x08";
    let frames: [&[u8]; 4] =
        [b"", b"short", b"no envelope at all", &[process.as_slice(), other_major.as_slice()].concat()];
    for (at, frame) in frames.iter().enumerate() {
        publish(&server, &channel, frame);
        assert_eq!(b.hear().await, Heard::Gap(Gap::Topics(vec![room(1)])), "{frame:?}");
        assert_eq!(b.relay.figures().lost, at as u64 + 1);
    }
    // Of a newer release: nothing that this one could repair.
    let newer = serde_json::json!({"v": 1, "minor": 9, "origin": "c", "incarnation": 7, "hologram": {}});
    publish(&server, &channel, &[process.as_slice(), &rmp_serde::to_vec_named(&newer).unwrap()].concat());
    publish(&server, &channel, &[process.as_slice(), &whole].concat());
    assert_eq!(b.hear().await, Heard::Text("readable".to_owned()));
    a.say(&room(1), "unharmed").unwrap();
    assert_eq!(b.hear().await, Heard::Text("unharmed".to_owned()));
    assert_eq!(b.relay.figures().lost, frames.len() as u64);
}

/// Publishes bytes that no node would.
fn publish(server: &RedisServer, channel: &str, frame: &[u8]) {
    use std::io::Write;
    let port = server.port().to_string();
    let mut command = Command::new("redis-cli");
    let command = command.args(["-p", &port, "-x", "PUBLISH", channel]).stdin(std::process::Stdio::piped());
    let mut running = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(frame).unwrap();
    assert!(running.wait().unwrap().success());
}
