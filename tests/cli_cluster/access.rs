//! The user that docs/operations.md makes in Redis may do what Downbeat does, and nothing more that is of use.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    asking::{Running, ask, ask_until, downbeat},
    cluster::Node,
    redis_support::{RedisCluster, RedisServer, SentinelSet},
};

const DOCUMENT: &str = include_str!("../../docs/operations.md");
const COMMAND: &str = "redis-cli ACL SETUSER downbeat ";

/// The words of the rule, as the shell hands them to `redis-cli`.
fn rule() -> Vec<&'static str> {
    let from = DOCUMENT.find(COMMAND).expect("the document makes the user") + "redis-cli ".len();
    let rule = DOCUMENT[from..].split("```").next().expect("the block ends");
    rule.split([' ', '\n', '\\']).filter(|word| !word.is_empty()).map(|word| word.trim_matches('\'')).collect()
}

/// A server with the user, and the URL of that user.
fn guarded() -> (RedisServer, String) {
    let redis = RedisServer::start();
    let url = guard([&redis], &redis.url());
    (redis, url)
}

/// Makes the user on each of the servers, and answers their URL with it.
fn guard<'a>(servers: impl IntoIterator<Item = &'a RedisServer>, url: &str) -> String {
    let rule = rule();
    for server in servers {
        assert_eq!(server.command(&rule), "OK", "{rule:?}");
    }
    let password = rule.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
    url.replacen("://", &format!("://downbeat:{password}@"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_user_may_do_all_that_nodes_and_operators_do() {
    let (redis, url) = guarded();
    let mut a = Node::start(&url, "a");
    let b = Node::start(&url, "b");
    let rooms = [a.new_room().await, a.new_room().await, b.new_room().await, b.new_room().await];
    let code = &rooms[0];
    let mut teacher = b.join("ms-lee", code).await;
    let mut ada = b.join("ada", code).await;
    let tail = Running::start(downbeat(&["tail", "acme", code, "--json", "--redis-url", &url]));
    tail.json(|line| line["kind"] == "plan");
    ada.ask("play_note", json!({"midi": 60})).await;
    teacher.ask("mute_student", json!({"student_id": "ada"})).await;
    teacher.ask("assign_beat", json!({"student_id": "ada", "beat": 1})).await;
    teacher.ask("assign_role", json!({"student_id": "ada", "role": "soloist"})).await;
    let reflection = json!({"reflection_text": "loud", "reflection_type": "exit_ticket"});
    ada.ask("submit_reflection", reflection).await;
    drop(ada);
    talk(&a, &b).await;
    b.call(Method::PATCH, &format!("/rooms/{code}"), json!({"name": "Brass"})).await;
    b.call(Method::GET, "/rooms", Value::Null).await;
    for question in [&["nodes"][..], &["rooms"], &["room", "acme", code]] {
        assert_eq!(ask(&url, question).code, 0, "{question:?}");
    }
    a.kill();
    for code in &rooms {
        ask_until(&url, &["room", "acme", code], |room| room["owner"] == "b");
    }
    b.call(Method::DELETE, &format!("/rooms/{}", rooms[3]), Value::Null).await;
    assert_eq!(redis.command(&["ACL", "LOG"]), "", "what was denied");
}

/// A private topic over two nodes: presence, broadcasts, their replay.
async fn talk(a: &Node, b: &Node) {
    let mut here = a.join_topic("ada").await;
    let mut there = b.join_topic("ada").await;
    here.ask("presence", json!({"event": "track", "payload": {"plays": "oboe"}})).await;
    there.hear(|frame| frame[3] == "presence_diff").await;
    here.ask("broadcast", json!({"event": "hello", "payload": {}})).await;
    there.hear(|frame| frame[3] == "broadcast").await;
    let mut late = b.join_topic("ada").await;
    let replayed = late.hear(|frame| frame[3] == "broadcast").await;
    assert_eq!(replayed[4]["meta"]["replayed"], true, "{replayed}");
    here.ask("presence", json!({"event": "untrack"})).await;
}

/// Two nodes, a room, its conductor's death, and every question.
async fn live_through(url: &str) {
    let mut a = Node::start(url, "a");
    let b = Node::start(url, "b");
    let code = a.new_room().await;
    let mut teacher = b.join("ms-lee", &code).await;
    teacher.ask("lock_room", json!({})).await;
    for question in [&["nodes"][..], &["rooms"], &["room", "acme", &code], &["tail", "acme", &code, "-n", "1"]] {
        let said = ask(url, question);
        assert_eq!(said.code, 0, "{question:?}: {}", said.err);
    }
    talk(&a, &b).await;
    a.kill();
    ask_until(url, &["room", "acme", &code], |room| room["owner"] == "b" && room["locked"] == true);
    teacher.ask("unlock_room", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_user_suffices_on_a_redis_cluster() {
    let cluster = RedisCluster::start();
    let url = guard(&cluster.nodes, &cluster.url());
    live_through(&url).await;
    for server in &cluster.nodes {
        assert_eq!(server.command(&["ACL", "LOG"]), "", "what was denied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_user_suffices_behind_sentinels() {
    let set = SentinelSet::start();
    assert_eq!(set.primary.command(&["WAIT", "1", "20000"]), "1");
    let url = guard([&set.primary, &set.replica], &set.url());
    live_through(&url).await;
    assert_eq!(set.primary.command(&["ACL", "LOG"]), "", "what was denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_given_back_to_an_empty_server_as_the_documented_user() {
    let (mut redis, url) = guarded();
    let node = Node::start(&url, "a");
    let code = node.new_room().await;
    let _teacher = node.join("ms-lee", &code).await;
    redis.restart();
    assert_eq!(redis.command(&rule()), "OK");
    ask_until(&url, &["room", "acme", &code], |room| room["members_by_node"]["a"] == 1);
    // Before the user was made anew, nobody was let in at all; from then on nothing is denied.
    let denied = redis.command(&["ACL", "LOG"]);
    assert!(!denied.contains("command") && !denied.contains("key"), "{denied}");
}

#[test]
fn the_documented_user_may_do_nothing_that_it_does_not_need() {
    let allowed: BTreeSet<&str> = rule().into_iter().filter_map(|word| word.strip_prefix('+')).collect();
    for command in ["keys", "flushall", "flushdb", "config", "debug", "acl", "shutdown", "monitor", "@all", "@admin"] {
        assert!(!allowed.iter().any(|allowed| allowed.split('|').next() == Some(command)), "{command}");
    }
    assert!(!rule().contains(&"~*") && !rule().contains(&"&*"));
}
