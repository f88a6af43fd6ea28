//! Two nodes on one Redis and one PostgreSQL.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    node::{Folder, Node, ONE, TWO, operator_key, student, teacher},
    postgres_support::PostgresServer,
    pupil::{Pupil, refused},
    redis_support::RedisServer,
};
use downbeat::participation::{Database, DatabaseError, DatabaseUrl};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
/// What the design promises.
const SOON: Duration = Duration::from_secs(1);

/// Waits until the node knows of another.
async fn meet(node: &Node) {
    let began = Instant::now();
    loop {
        let health = node.operate(Method::GET, "/filed/health", &Value::Null).await.json();
        if health["nodes"].as_array().is_some_and(|nodes| nodes.len() > 1 && nodes[1]["answers"] == json!(true)) {
            return;
        }
        assert!(began.elapsed() < crate::node::PATIENCE, "{health}");
    }
}

struct Ground {
    redis: RedisServer,
    postgres: PostgresServer,
    folder: Folder,
}

impl Ground {
    fn new() -> Self {
        Self { redis: RedisServer::start(), postgres: PostgresServer::start(), folder: Folder::new() }
    }

    fn node(&self, id: &str, more: &[(&str, &str)]) -> Node {
        self.try_node(id, more).unwrap_or_else(|log| panic!("node {id} does not start: {log:?}"))
    }

    fn try_node(&self, id: &str, more: &[(&str, &str)]) -> Result<Node, Vec<String>> {
        let (redis, database, key) = (self.redis.url(), self.postgres.url(), operator_key());
        let mut environment = vec![
            ("DOWNBEAT_REDIS_URL", redis.as_str()),
            ("DATABASE_URL", database.as_str()),
            ("DOWNBEAT_NODE_ID", id),
            ("DOWNBEAT_OPERATOR_KEY", key.as_str()),
            ("DOWNBEAT_SECRET_KEY", KEY),
        ];
        environment.extend(more);
        Node::try_start(&self.folder, &environment)
    }
}

#[tokio::test]
async fn a_change_is_in_force_on_the_other_node_when_it_is_answered() {
    let ground = Ground::new();
    let (a, b) = (ground.node("a", &[]), ground.node("b", &[]));
    meet(&a).await;
    let began = Instant::now();
    let made = a.put_acme().await;
    assert_eq!((made.status, &made.json()["pending_nodes"]), (201, &json!([])), "{}", made.text);
    assert_eq!(b.rooms(&teacher(ONE)).await.status, 200);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    let code = a.room_of_acme().await;
    let (here, there) = (Pupil::join(&a, &student(ONE), &code).await, Pupil::join(&b, &teacher(ONE), &code).await);
    let health = b.operate(Method::GET, "/acme/health", &Value::Null).await.json();
    assert_eq!((&health["connections"], &health["members"]), (&json!(2), &json!(1)), "{health}");
    assert_eq!((&health["redis"], health["nodes"].as_array().map(Vec::len)), (&json!("ok"), Some(2)));

    let began = Instant::now();
    a.patch_acme(&json!({"suspended": true})).await;
    for pupil in [here, there] {
        assert_eq!(pupil.ended().await.code, 1001);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for node in [&a, &b] {
        assert_eq!(refused(node, &student(ONE)).await.0, 403);
    }
    b.patch_acme(&json!({"suspended": false, "jwt_secret": TWO})).await;
    for node in [&a, &b] {
        assert_eq!((node.rooms(&teacher(ONE)).await.status, node.rooms(&teacher(TWO)).await.status), (200, 200));
    }
    b.patch_acme(&json!({"previous_jwt_secret": null})).await;
    for node in [&a, &b] {
        assert_eq!((node.rooms(&teacher(ONE)).await.status, node.rooms(&teacher(TWO)).await.status), (401, 200));
    }
    let there = Pupil::join(&b, &teacher(TWO), &code).await;
    let answer = a.operate(Method::POST, "/acme/disconnect", &Value::Null).await.json();
    assert_eq!(answer, json!({"disconnected": 1, "pending_nodes": []}));
    assert_eq!(there.ended().await.code, 1001);

    assert_eq!(b.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204);
    assert_eq!(a.rooms(&teacher(TWO)).await.failure().1, "tenant_unknown");
    let left = ground.redis.command(&["HGET", "tenant:{acme}", "settings"]);
    assert_eq!(left.trim(), "{}");
    let rows = "SELECT settings || secrets FROM tenants WHERE id = 'acme'";
    assert_eq!(ground.postgres.sql("postgres", rows), "{}{}");
}

#[tokio::test]
async fn a_node_that_was_not_told_follows_what_its_looks_at_redis_show() {
    let ground = Ground::new();
    let (a, b) = (ground.node("a", &[]), ground.node("b", &[]));
    a.put_acme().await;
    // As if another node's word had been lost: the row, and the number that is told.
    ground.postgres.sql(
        "postgres",
        r#"UPDATE tenants SET settings = '{"suspended": true}', change = change + 1 WHERE id = 'acme'"#,
    );
    let began = Instant::now();
    let index = ground.redis.command(&["HSET", "tenant:index:{generation}", ":last", "2"]);
    assert_eq!(index.trim(), "0", "it was there");
    for node in [&a, &b] {
        node.until(&teacher(ONE), 403).await;
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_host_that_changes_hands_arrives_in_whatever_order_its_tenants_are_read() {
    let ground = Ground::new();
    let a = ground.node("a", &[]);
    let settings = |hosts: &[&str]| json!({"jwt_secret": ONE, "hosts": hosts});
    for (id, hosts) in [("giver", &["music.school.org"][..]), ("taker", &[])] {
        assert_eq!(a.operate(Method::PUT, &format!("/{id}"), &settings(hosts)).await.status, 201);
    }
    // As another node's changes that this one reads all at once: the giver was changed once more since.
    let taken = r#"UPDATE tenants SET settings = '{"hosts": ["music.school.org"]}', change = 3 WHERE id = 'taker'"#;
    ground.postgres.sql(
        "postgres",
        &format!("BEGIN; {taken}; UPDATE tenants SET settings = '{{}}', change = 4 WHERE id = 'giver'; COMMIT"),
    );
    ground.redis.command(&["HSET", "tenant:index:{generation}", ":last", "4"]);
    let began = Instant::now();
    loop {
        let taker = a.operate(Method::GET, "/taker", &Value::Null).await.json();
        if taker["hosts"] == json!(["music.school.org"]) {
            break;
        }
        assert!(began.elapsed() < crate::node::PATIENCE, "{taker}");
    }
}

/// Holds what every change of a tenant waits for, until what it returns is dropped.
fn holding(database: &str) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (held, is_held) = mpsc::channel();
    let url: DatabaseUrl = database.parse().expect("a URL");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let holding = async {
            let database = Database::new(&url);
            let changed = database.change_tenant("nobody", 1, |_| {
                held.send(()).expect("somebody waits");
                // An error is what the end looks like.
                let _ = released.recv();
                Ok::<_, DatabaseError>(None)
            });
            changed.await.expect("nothing is changed");
        };
        runtime.block_on(holding);
    });
    is_held.recv().expect("it is held");
    release
}

#[tokio::test]
async fn a_change_goes_on_where_its_client_hangs_up() {
    let ground = Ground::new();
    let a = ground.node("a", &[]);
    a.put_acme().await;
    let held = holding(&ground.postgres.url());
    let body = json!({"suspended": true}).to_string();
    let request = a.request(Method::PATCH, "/api/tenants/acme").bearer_auth(operator_key()).body(body);
    let asking = tokio::spawn(request.send());
    let began = Instant::now();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while ground.postgres.sql("postgres", waiting) != "1" {
        assert!(began.elapsed() < crate::node::PATIENCE);
        tokio::task::yield_now().await;
    }
    asking.abort();
    assert!(asking.await.is_err(), "it was not answered");
    drop(held);
    a.until(&teacher(ONE), 403).await;
}

#[tokio::test]
async fn an_emptied_redis_deletes_no_tenant_and_is_told_again() {
    let ground = Ground::new();
    let (a, b) = (ground.node("a", &[]), ground.node("b", &[]));
    a.put_acme().await;
    ground.redis.command(&["FLUSHALL"]);
    let began = Instant::now();
    while ground.redis.command(&["HGET", "tenant:index:{generation}", ":last"]).trim() != "1" {
        assert!(began.elapsed() < crate::node::PATIENCE, "nobody tells Redis again");
        tokio::task::yield_now().await;
    }
    for node in [&a, &b] {
        node.until(&teacher(ONE), 200).await;
    }
}

#[tokio::test]
async fn a_node_that_starts_without_the_database_serves_what_redis_has_and_changes_nothing() {
    let mut ground = Ground::new();
    let mut a = ground.node("a", &[]);
    a.put_acme().await;
    ground.postgres.kill();
    let b = ground.node("b", &[]);
    assert_eq!(b.rooms(&teacher(ONE)).await.status, 200);
    let refused = b.operate(Method::PATCH, "/acme", &json!({"guests": true})).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    a.kill();
    ground.postgres.restart();
    let began = Instant::now();
    while b.operate(Method::PATCH, "/acme", &json!({"guests": true})).await.status != 200 {
        assert!(began.elapsed() < crate::node::PATIENCE, "it does not find the database again");
    }
}

#[tokio::test]
async fn without_a_database_the_answer_says_what_to_set() {
    let ground = Ground::new();
    let node = ground.node("a", &[("DATABASE_URL", "")]);
    let refused = node.put_acme().await;
    assert_eq!(refused.failure(), (503, "no_database".into(), None));
    assert!(refused.message().contains("DATABASE_URL"), "{}", refused.message());
}

#[tokio::test]
async fn a_cluster_with_an_operator_key_and_no_secret_key_does_not_start() {
    let ground = Ground::new();
    let Err(log) = ground.try_node("a", &[("DOWNBEAT_SECRET_KEY", "")]) else { panic!("it starts") };
    assert!(log.join(" ").contains("secret_key"), "{log:?}");
}

#[tokio::test]
async fn a_new_secret_key_takes_over_once_all_nodes_have_it() {
    let ground = Ground::new();
    let (mut a, mut b) = (ground.node("a", &[]), ground.node("b", &[]));
    a.put_acme().await;
    let sealed = || ground.postgres.sql("postgres", "SELECT secrets FROM tenants WHERE id = 'acme'");
    let before = sealed();
    assert!(!before.contains(ONE) && before.contains("v1."), "{before}");
    let both = [("DOWNBEAT_SECRET_KEY", OTHER_KEY), ("DOWNBEAT_PREVIOUS_SECRET_KEY", KEY)];
    a.kill();
    let mut a = ground.node("a", &both);
    assert_eq!((a.rooms(&teacher(ONE)).await.status, b.rooms(&teacher(ONE)).await.status), (200, 200));
    assert_eq!(sealed(), before, "the other node could not open another seal");
    b.kill();
    let mut b = ground.node("b", &both);
    let began = Instant::now();
    while sealed() == before {
        assert!(began.elapsed() < crate::node::PATIENCE, "nothing is sealed anew");
        tokio::task::yield_now().await;
    }
    a.kill();
    b.kill();
    let a = ground.node("a", &[("DOWNBEAT_SECRET_KEY", OTHER_KEY)]);
    assert_eq!(a.rooms(&teacher(ONE)).await.status, 200, "the former key is not needed any more");
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_in_the_database_nor_in_redis() {
    let ground = Ground::new();
    let node = ground.node("a", &[]);
    node.put_acme().await;
    let code = node.room_of_acme().await;
    let mut pupil = Pupil::join(&node, &student(ONE), &code).await;
    assert_eq!(pupil.ask("play_note", json!({"midi": 60})).await["status"], "ok");
    let rows = |table: &str| {
        let count = format!("SELECT count(*) FROM {table} WHERE tenant = 'acme'");
        ground.postgres.sql("postgres", &count)
    };
    let began = Instant::now();
    while rows("participation_events") == "0" || rows("room_sessions") == "0" {
        assert!(began.elapsed() < crate::node::PATIENCE, "nothing is recorded");
    }
    assert_eq!(node.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204);
    assert_eq!(pupil.ended().await.code, 1001);
    for table in ["participation_events", "room_sessions", "session_students", "student_reflections"] {
        assert_eq!(rows(table), "0", "{table}");
    }
    assert_eq!(ground.postgres.sql("postgres", "SELECT action FROM audit_log WHERE tenant = 'acme'"), "tenant_erased");
    let keys = ground.redis.command(&["KEYS", "*acme*"]);
    // That it is no more, for a week; and for an hour that its room is, and nothing of what was in either.
    let left: Vec<_> = keys.lines().filter(|key| !key.ends_with(":closed") && *key != "tenant:{acme}").collect();
    assert_eq!(left, Vec::<&str>::new());
}
