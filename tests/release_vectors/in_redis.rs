//! What a cluster keeps in Redis: rooms with their members and answers, a session, presences, broadcasts, events.

use std::collections::BTreeMap;

use downbeat::store::{EventStream, RedisStore, RoomRecord, SessionInfo, Store, TopicStore};
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value, json};

use crate::{
    redis_support::RedisServer,
    store_samples::{broadcast, controls, done, here, member, present, record, said, topic, tracking, tracks},
    vectors::{Vectors, compare, of_every_release},
};

const ROOM: &str = "room:{acme:MUSIC-1234}";
const SESSION: &str = "lease:{a}";

async fn connect(server: &RedisServer) -> (RedisStore, MultiplexedConnection) {
    let url = downbeat::redis_url::RedisUrl::parse(&server.url()).expect("a URL of Redis");
    let day = std::time::Duration::from_secs(86_400);
    let store = RedisStore::connect_within(&url, day, std::time::Duration::from_secs(10)).await.expect("it is there");
    let client = redis::Client::open(server.url()).expect("a URL");
    (store, client.get_multiplexed_async_connection().await.expect("it is there"))
}

fn room() -> RoomRecord {
    RoomRecord { taken_from: "b".into(), from_beat: Some(-3), ..record("acme", "MUSIC-1234") }
}

fn info() -> SessionInfo {
    SessionInfo { address: "192.0.2.1:4000".into(), version: "0.1.0".into(), process: 77, ..SessionInfo::default() }
}

fn octets() -> downbeat::protocol::Broadcast {
    broadcast(7, downbeat::protocol::broadcast::Body::Octets(vec![65, 66]))
}

/// Every record once, through the store itself.
async fn write_all(store: &RedisStore) {
    let key = room().key;
    store.create_room(room(), 9).await.expect("a room");
    let answer = Some(done(5, "7:mute"));
    store.write_room(&key, &room().fence(), &controls(11), answer, None).await.expect("a change");
    let members = [here(&member("ada", 1)), here(&tracking("bob", 2))];
    store.write_members(&key, &room().fence(), 2, &members).await.expect("members");
    store.open_session("a", &info(), 70_000).await.expect("a session");
    store.write_presences(&topic("chat"), &[tracks(&present(5, 2))]).await.expect("a presence");
    store.keep_broadcast(&topic("chat"), &said(6)).await.expect("a broadcast");
    store.keep_broadcast(&topic("chat"), &octets()).await.expect("a broadcast");
    store.add_events("acme", "[]", 1, 10).await.expect("events");
}

/// What lies under every key that has the same content each time; of streams the entries without their ids.
async fn dump(redis: &mut MultiplexedConnection) -> Vectors {
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(redis).await.expect("keys");
    let mut vectors = Vectors::new();
    for key in keys {
        let is_of_records = [ROOM, SESSION, "rooms", "presence:", "sel:"].iter().any(|known| key.starts_with(known));
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(redis).await.expect("a type");
        if !is_of_records && kind != "stream" {
            continue;
        }
        let ask = |command: &str, more: &[&str]| {
            let mut command = redis::cmd(command);
            command.arg(&key).arg(more);
            command
        };
        let value: Value = match kind.as_str() {
            "string" => {
                let mut text: String = ask("GET", &[]).query_async(redis).await.expect("text");
                if key == SESSION {
                    // Its number is partly drawn.
                    let parsed: Value = serde_json::from_str(&text).expect("JSON");
                    text = text.replace(&parsed["incarnation"].to_string(), "70001");
                }
                json!(text)
            }
            "hash" => {
                let fields: BTreeMap<String, String> = ask("HGETALL", &[]).query_async(redis).await.expect("a hash");
                json!(fields)
            }
            "set" => {
                let mut members: Vec<String> = ask("SMEMBERS", &[]).query_async(redis).await.expect("a set");
                members.sort();
                json!(members)
            }
            "list" => {
                let items: Vec<String> = ask("LRANGE", &["0", "-1"]).query_async(redis).await.expect("a list");
                json!(items)
            }
            "zset" => {
                let members: Vec<String> = ask("ZRANGE", &["0", "-1"]).query_async(redis).await.expect("a sorted set");
                json!(members)
            }
            "stream" => {
                let entries: Vec<(String, BTreeMap<String, String>)> =
                    ask("XRANGE", &["-", "+"]).query_async(redis).await.expect("a stream");
                json!(entries.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>())
            }
            other => panic!("{key} is a {other}"),
        };
        vectors.insert(format!("{kind} {key}"), value);
    }
    vectors
}

/// Puts records there as their release did.
async fn load(redis: &mut MultiplexedConnection, vectors: &Vectors) {
    for (name, value) in vectors {
        let (kind, key) = name.split_once(' ').expect("a type and a key");
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().expect("a list").iter().map(|text| text.as_str().expect("text").to_owned()).collect()
        };
        let pairs = |fields: &Map<String, Value>| -> Vec<String> {
            let pair = |(name, value): (&String, &Value)| [name.clone(), value.as_str().expect("text").to_owned()];
            fields.iter().flat_map(pair).collect()
        };
        let mut commands = Vec::new();
        let mut command = |name: &str, arguments: Vec<String>| {
            let mut command = redis::cmd(name);
            command.arg(key).arg(arguments);
            commands.push(command);
        };
        match kind {
            "string" => command("SET", vec![value.as_str().expect("text").to_owned()]),
            "hash" => command("HSET", pairs(value.as_object().expect("fields"))),
            "set" => command("SADD", texts(value)),
            "list" => command("RPUSH", texts(value)),
            "zset" => command("ZADD", texts(value).into_iter().flat_map(|member| ["5".to_owned(), member]).collect()),
            "stream" => {
                for (at, entry) in (1..).zip(value.as_array().expect("entries")) {
                    let id = format!("{at}-1");
                    command("XADD", [vec![id], pairs(entry.as_object().expect("fields"))].concat());
                }
            }
            other => panic!("{key} is a {other}"),
        }
        for command in commands {
            let _: redis::Value = command.query_async(redis).await.expect("it is put there");
        }
    }
    let mut nodes = redis::cmd("ZADD");
    let _: i64 = nodes.arg("nodes").arg(9e15).arg("a").query_async(redis).await.expect("a node that was seen");
}

async fn check_read(store: &RedisStore, release: &str) {
    let key = room().key;
    let expected = RoomRecord { controls: controls(11), members_rev: 2, ..room() };
    assert_eq!(store.load_room(&key).await.expect("an answer"), Some(expected), "{release}");
    assert_eq!(store.recent_done(&key).await.expect("an answer"), [done(5, "7:mute")], "{release}");
    let stored = store.members(&key).await.expect("an answer");
    assert_eq!((stored.members_rev, stored.members), (2, vec![member("ada", 1), tracking("bob", 2)]), "{release}");
    let sessions = store.look().await.expect("an answer").sessions;
    assert_eq!(sessions.len(), 1, "{release}");
    assert_eq!((sessions[0].incarnation, &sessions[0].info), (70_001, &info()), "{release}");
    assert_eq!(store.presences(&topic("chat")).await.expect("an answer"), [present(5, 2)], "{release}");
    assert_eq!(store.broadcasts(&topic("chat"), 0, 9).await.expect("an answer"), [said(6), octets()], "{release}");
    let events = store.take_events("acme", "a", 9).await.expect("an answer");
    assert_eq!(events.iter().map(|entry| (&*entry.events, entry.count)).collect::<Vec<_>>(), [("[]", 1)], "{release}");
}

/// A field more wherever a later release may add one: in hashes of fields, and in JSON that is of records.
fn later(vectors: &Vectors) -> Vectors {
    let in_text = |text: &Value| {
        // As text, so that what is passed on as it is stays so.
        let fields = text.as_str().and_then(|text| text.strip_suffix('}')).expect("an object");
        Value::String(format!("{fields},\"added_by_a_later_release\":[1]}}"))
    };
    let mut vectors = vectors.clone();
    for (name, value) in &mut vectors {
        let is_of_json = name.starts_with("hash presence:") || name.ends_with(":members");
        match value {
            Value::String(_) if name.ends_with(SESSION) => *value = in_text(value),
            Value::Object(fields) if is_of_json => fields.values_mut().for_each(|text| *text = in_text(text)),
            Value::Object(fields) if name.ends_with(ROOM) => {
                fields.insert("added_by_a_later_release".into(), "x: no JSON".into());
                for nested in ["settings", "meter", "timeline"] {
                    fields[nested] = in_text(&fields[nested]);
                }
            }
            Value::Array(entries) if name.starts_with("stream ") => entries.iter_mut().for_each(|entry| {
                entry.as_object_mut().expect("fields").insert("added_by_a_later_release".into(), "x".into());
            }),
            Value::Array(answers) if name.ends_with(":done") => {
                answers.iter_mut().for_each(|answer| *answer = in_text(answer))
            }
            _ => {}
        }
    }
    vectors
}

#[tokio::test]
async fn records_are_written_as_the_newest_vectors_say() {
    let server = RedisServer::start();
    let (store, mut redis) = connect(&server).await;
    write_all(&store).await;
    compare("redis.json", &dump(&mut redis).await);
}

#[tokio::test]
async fn records_of_every_release_are_read_with_what_a_later_one_adds() {
    for (release, vectors) in of_every_release("redis.json") {
        for vectors in [vectors.clone(), later(&vectors)] {
            let server = RedisServer::start();
            let (store, mut redis) = connect(&server).await;
            load(&mut redis, &vectors).await;
            check_read(&store, &release).await;
        }
    }
}
