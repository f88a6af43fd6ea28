//! What is said of nodes that live, and of one that dies.

use serde_json::{Value, json};

use super::{
    asking::{Running, ask, ask_json, ask_until, downbeat},
    cluster::Node,
    redis_support::RedisServer,
};

fn tail(redis: &RedisServer, code: &str, more: &[&str]) -> Running {
    Running::start(downbeat(&[&["tail", "acme", code, "--redis-url", &redis.url()], more].concat()))
}

fn node<'a>(nodes: &'a Value, name: &str) -> &'a Value {
    let mut all = nodes["nodes"].as_array().expect("nodes").iter();
    all.find(|node| node["node"] == name).unwrap_or_else(|| panic!("no node {name} in {nodes}"))
}

fn node_is_ready(nodes: &Value, name: &str) -> bool {
    let mut all = nodes["nodes"].as_array().into_iter().flatten();
    all.any(|node| node["node"] == name && node["state"] == "alive" && node["figures"]["ready"] == true)
}

/// A room that `name`, which is `node`, conducts and that nothing will move from there.
async fn room_of(redis: &RedisServer, node: &Node, name: &str) -> String {
    ask_until(&redis.url(), &["nodes"], |nodes| nodes["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2));
    // Each falls to it with even odds.
    for _ in 0..64 {
        let code = node.new_room().await;
        let room = ask_json(&redis.url(), &["room", "acme", &code]);
        if (&room["owner"], &room["ring_names"]) == (&json!(name), &json!(name)) {
            return code;
        }
    }
    panic!("no room falls to {name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_a_conductor_is_seen_in_every_answer() {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut a = Node::start(&url, "a");
    let b = Node::start(&url, "b");
    let code = room_of(&redis, &a, "a").await;
    let mut teacher = b.join("ms-lee", &code).await;
    let mut ada = b.join("ada", &code).await;
    teacher.hear(|frame| frame[3] == "beat").await;

    let tail = tail(&redis, &code, &["--json"]);
    tail.json(|line| line["kind"] == "listening");
    let plan = tail.json(|line| line["kind"] == "plan");
    assert_eq!(plan["origin"], "a");

    // The figures come from the address that each node has told Redis.
    ask_until(&url, &["nodes"], |nodes| {
        let late = &node(nodes, "b")["figures"]["beat_late_p99_ms"];
        late.is_number() && node_is_ready(nodes, "a") && node_is_ready(nodes, "b")
    });
    let room = ask_until(&url, &["room", "acme", &code], |room| room["members_by_node"]["b"] == 2);
    assert_eq!(room["members"][0]["connections"][0]["node_lives"], true);

    a.kill();
    let taken = ask_until(&url, &["room", "acme", &code], |room| room["owner"] == "b");
    assert_eq!((&taken["taken_from"], &taken["owner_state"]), (&json!("a"), &json!("alive")));
    assert!(taken["epoch"].as_u64() > plan["body"]["stamp"]["epoch"].as_u64(), "{taken}");
    let plan = tail.json(|line| line["kind"] == "plan" && line["origin"] == "b");
    assert_eq!(plan["body"]["stamp"]["epoch"], taken["epoch"]);
    let nodes = ask_json(&url, &["nodes"]);
    assert_eq!((&node(&nodes, "a")["state"], &node(&nodes, "a")["in_ring"]), (&json!("gone"), &json!(false)));
    let orphans = ask(&url, &["rooms", "--orphans"]);
    assert_eq!(orphans.out, "Every room is conducted by a node that lives.\n");

    ada.ask("play_note", json!({"midi": 60})).await;
    let note = tail.json(|line| line["kind"] == "note");
    assert_eq!((&note["origin"], &note["body"]["student_id"]), (&json!("b"), &json!("ada")));
    teacher.ask("mute_student", json!({"student_id": "ada"})).await;
    let update =
        tail.json(|line| line["kind"] == "room_update" && line["body"]["stamp"]["rev"] != plan["body"]["stamp"]["rev"]);
    assert_eq!(update["body"]["events"][0]["event"], "student_muted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_says_when_it_hears_and_when_it_was_deaf_and_ends_on_ctrl_c() {
    let mut redis = RedisServer::start();
    let node = Node::start(&redis.url(), "a");
    let code = node.new_room().await;
    let mut teacher = node.join("ms-lee", &code).await;
    let tail = tail(&redis, &code, &[]);
    tail.line(|line| line.contains(&format!("listening to acme:music_room:{code}")));
    let plan = tail.line(|line| line.contains("  plan "));
    assert!(plan.contains("  a  ") && plan.contains("at 240 bpm") && !plan.contains('\u{1b}'), "{plan}");
    redis.restart();
    tail.line(|line| line.contains("GAP") && line.contains("the subscription holds"));
    // A note needs nothing of Redis but that it can be published.
    ask_until(&redis.url(), &["nodes"], |nodes| node_is_ready(nodes, "a"));
    teacher.ask("play_note", json!({"midi": 61})).await;
    let note = tail.line(|line| line.contains("  note "));
    assert!(note.contains("ms-lee") && note.contains("\"midi\":61"), "{note}");
    assert_eq!(tail.interrupt(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_after_as_many_messages_as_were_asked_for_and_leaves_nothing_behind() {
    let redis = RedisServer::start();
    let node = Node::start(&redis.url(), "a");
    let code = node.new_room().await;
    let tail = tail(&redis, &code, &["-n", "2"]);
    tail.line(|line| line.contains("  plan "));
    tail.line(|line| line.contains("  plan "));
    assert_eq!(tail.ended(), Some(0));
    assert_eq!(ask_json(&redis.url(), &["nodes"])["nodes"].as_array().map(Vec::len), Some(1), "it was no node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_s_figures_tell_of_redis_the_relay_the_clock_and_the_session() {
    let redis = RedisServer::start();
    let node_a = Node::start(&redis.url(), "a");
    node_a.new_room().await;
    let nodes = ask_until(&redis.url(), &["nodes"], |nodes| node_is_ready(nodes, "a"));
    let told = node(&nodes, "a");
    let address = told["metrics_address"].as_str().expect("an address");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let figure = async |name: &str| -> f64 {
        let answer = client.get(format!("http://{address}/metrics")).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("downbeat_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
    };
    for name in [
        "redis_commands_total",
        "relay_messages_total{kind=\"published\"}",
        "relay_probe_seconds",
        "clock_uncertainty_seconds",
        "session_renewal_late_seconds_count",
        "epoch_highest",
    ] {
        // Each is sampled within a second, or counted within two.
        let until = std::time::Instant::now() + super::asking::PATIENCE;
        while figure(name).await <= 0.0 {
            assert!(std::time::Instant::now() < until, "{name} stays at 0");
        }
    }
    assert_eq!(figure("session_incarnation").await, told["incarnation"].as_f64().expect("a number"));
    assert_eq!(figure("relay_messages_total{kind=\"lost\"}").await, 0.0);
    assert_eq!(figure("holdover_seconds_total").await, 0.0);
}
