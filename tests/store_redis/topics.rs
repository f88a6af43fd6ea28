//! Realtime topics as `redis-cli` shows them, and for how long.

use downbeat::{
    protocol::{TopicKey, broadcast::Body},
    store::{KEPT_BYTES_MAX, PresenceRecord, SessionInfo, Store, StoreError, TopicStore},
};

use super::{
    redis_support::{RedisCluster, RedisServer},
    samples::{broadcast, key, leaves, present, said, topic, tracks},
    support::connect_patiently,
};

fn lines(answer: &str) -> Vec<&str> {
    answer.lines().collect()
}

fn seconds_left(server: &RedisServer, key: &str) -> i64 {
    server.command(&["TTL", key]).parse().expect("a number of seconds")
}

#[tokio::test]
async fn presences_can_be_read_without_tools_and_end_an_hour_after_the_last_write() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let public = TopicKey { private: false, ..topic("lobby:1") };
    let record = |connection, replaces| PresenceRecord {
        replaces,
        key: "ada".into(),
        fields: r#"{"name":"Ada ♪"}"#.into(),
        ..present(connection, 7)
    };
    let changes = [tracks(&record(0xAB, Some(6))), leaves(0xCD, 9)];
    store.write_presences(&public, &changes).await.unwrap();
    let shown = server.command(&["HGETALL", "presence:{acme:realtime:lobby%3A1}"]);
    let json =
        r#"{"version":7,"node":"a","process":18446744073709551615,"key":"ada","replaces":6,"fields":{"name":"Ada ♪"}}"#;
    assert_eq!(lines(&shown), ["00000000000000ab", json]);
    let removed = server.command(&["HGETALL", "presence:{acme:realtime:lobby%3A1}:gone"]);
    assert_eq!(lines(&removed), ["00000000000000cd", "9"]);
    store.write_presences(&topic("lobby:1"), &[tracks(&record(1, None))]).await.unwrap();
    let private = "presence:{acme:realtime-private:lobby%3A1}";
    let shown = server.command(&["HGETALL", private]);
    assert_eq!(lines(&shown), ["0000000000000001", &json.replace(r#""replaces":6,"#, "")]);
    assert!((3_590..=3_600).contains(&seconds_left(&server, private)));
    server.command(&["EXPIRE", private, "100"]);
    store.write_presences(&topic("lobby:1"), &[leaves(2, 1)]).await.unwrap();
    assert!((3_590..=3_600).contains(&seconds_left(&server, private)), "each write begins the hour anew");
}

#[tokio::test]
async fn a_topic_that_everybody_has_left_leaves_nothing_beyond_a_minute() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let key = topic("lobby");
    let presence = "presence:{acme:realtime-private:lobby}";
    let beside = ["gone", "gone_at"].map(|what| format!("{presence}:{what}"));
    store.write_presences(&key, &[tracks(&present(1, 1)), leaves(1, 2)]).await.unwrap();
    assert_eq!(server.command(&["EXISTS", presence]), "0");
    for key in &beside {
        assert!((50..=60).contains(&seconds_left(&server, key)), "{key}");
    }
    // Where there is always somebody who leaves, each removal is forgotten by itself.
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let (old, new) = ((now - 61_000_000).to_string(), (now - 30_000_000).to_string());
    server.command(&["HSET", &beside[0], "000000000000000a", "5", "000000000000000b", "5"]);
    server.command(&["ZADD", &beside[1], &old, "000000000000000a", &new, "000000000000000b"]);
    store.write_presences(&key, &[leaves(1, 3)]).await.unwrap();
    assert_eq!(lines(&server.command(&["HKEYS", &beside[0]])), ["0000000000000001", "000000000000000b"]);
    let times = server.command(&["ZRANGE", &beside[1], "0", "-1"]);
    assert_eq!(lines(&times), ["000000000000000b", "0000000000000001"]);
    store.write_presences(&key, &[tracks(&present(1, 4)), tracks(&present(11, 6))]).await.unwrap();
    let left = [presence, &beside[0], &beside[1]].map(|key| server.command(&["EXISTS", key]));
    assert_eq!(left, ["1", "0", "0"], "who is back is removed no more");
}

#[tokio::test]
async fn broadcasts_can_be_read_without_tools_and_end_three_days_after_the_last() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let key = topic("lobby:1");
    let stream = "broadcasts:{acme:realtime-private:lobby%3A1}";
    let mut nameless = broadcast(1_700_000_000_124, Body::Octets(b"plain".to_vec()));
    nameless.id = None;
    store.keep_broadcast(&key, &said(1_700_000_000_123)).await.unwrap();
    store.keep_broadcast(&key, &nameless).await.unwrap();
    let shown = server.command(&["XRANGE", stream, "-", "+"]);
    let shown: Vec<_> = lines(&shown).into_iter().filter(|line| !line.contains('-') || line.contains("id-")).collect();
    let event = ["event", "cursor «moved»"];
    let first = ["payload", r#"{"at": 1700000000123}"#, "at", "1700000000123", "id", "id-1700000000123"];
    let second = ["octets", "plain", "at", "1700000000124"];
    assert_eq!(shown, [&event[..], &first, &event, &second].concat());
    let three_days = 259_190..=259_200;
    assert!(three_days.contains(&seconds_left(&server, stream)));
    server.command(&["EXPIRE", stream, "100"]);
    for at_ms in 0..60 {
        store.keep_broadcast(&key, &said(at_ms)).await.unwrap();
    }
    assert!(three_days.contains(&seconds_left(&server, stream)), "each begins the time anew");
    assert_eq!(server.command(&["XLEN", stream]), "25", "exactly");
}

#[tokio::test]
async fn a_tenants_topics_with_broadcasts_are_listed_by_last_write_and_the_list_ends_with_the_last() {
    let server = RedisServer::start();
    let store = connect_patiently(&format!("{}?prefix=school:", server.url())).await;
    let (streams, three_days) = ("school:broadcasts:{acme}", 259_190..=259_200);
    for name in ["a:b", "c", "a:b"] {
        store.keep_broadcast(&topic(name), &said(1)).await.unwrap();
    }
    let stream = |name: &str| format!("school:broadcasts:{{acme:realtime-private:{name}}}");
    let listed = || server.command(&["ZRANGE", streams, "0", "-1"]);
    assert_eq!(lines(&listed()), [stream("c"), stream("a%3Ab")]);
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let written: i64 = server.command(&["ZSCORE", streams, &stream("c")]).parse().expect("whole microseconds");
    assert!((now - 60_000_000..=now).contains(&written), "{written} at {now}");
    server.command(&["EXPIRE", streams, "100"]);
    store.keep_broadcast(&topic("c"), &said(1)).await.unwrap();
    assert!(three_days.contains(&seconds_left(&server, streams)), "each write begins the time anew");

    // As a server leaves it whose clock was ahead, and a topic whose stream has ended.
    let ahead = now + 3_600_000_000;
    let fill = "for n = 1, 500 do redis.call('ZADD', KEYS[1], string.format('%.0f', ARGV[1] + n), 's' .. n) end";
    server.command(&["EVAL", fill, "1", streams, &ahead.to_string()]);
    store.keep_broadcast(&topic("d"), &said(1)).await.unwrap();
    assert_eq!(store.broadcasts(&topic("d"), 0, 25).await.unwrap(), [said(1)], "whoever writes now is the last");
    let all = listed();
    let all = lines(&all);
    assert_eq!((all.len(), all[0], all[498], all[499]), (500, "s2", "s500", &*stream("d")));
    let left = server.command(&["KEYS", "*"]);
    let left: std::collections::BTreeSet<_> = lines(&left).into_iter().collect();
    assert_eq!(left, [streams, &*stream("d")].into(), "the others' streams are removed");
}

#[tokio::test]
async fn a_short_replay_does_not_read_all_that_is_kept() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    for at_ms in 0..25 {
        store.keep_broadcast(&topic("lobby"), &broadcast(at_ms, Body::Octets(vec![7; KEPT_BYTES_MAX]))).await.unwrap();
    }
    let sent = || -> usize {
        let figures = server.command(&["INFO", "stats"]);
        let sent = figures.lines().find_map(|line| line.trim().strip_prefix("total_net_output_bytes:"));
        sent.and_then(|sent| sent.parse().ok()).expect("the server counts what it sends")
    };
    for (limit, at_most) in [(1, 7), (10, 16)] {
        let before = sent();
        assert_eq!(store.broadcasts(&topic("lobby"), 0, limit).await.unwrap().len(), limit);
        let bodies = (sent() - before) / KEPT_BYTES_MAX;
        assert!((limit..at_most).contains(&bodies), "{bodies} for {limit}");
    }
}

#[tokio::test]
async fn what_was_spoilt_by_hand_is_left_aside_and_the_rest_read() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let key = topic("lobby");
    let presence = "presence:{acme:realtime-private:lobby}";
    store.write_presences(&key, &[tracks(&present(1, 1))]).await.unwrap();
    let good = server.command(&["HGET", presence, "0000000000000001"]);
    let no_object = r#"{"version":1,"node":"a","process":7,"key":"ada","fields":[1]}"#;
    let unversioned = r#"{"node":"a","process":7,"key":"ada","fields":{}}"#;
    for (field, value) in [("nobody", &*good), ("2", "{"), ("3", no_object), ("4", unversioned), ("", "")] {
        server.command(&["HSET", presence, field, value]);
    }
    assert_eq!(server.command(&["HLEN", presence]), "6");
    assert_eq!(store.presences(&key).await.unwrap(), [present(1, 1)]);
    server.command(&["HSET", presence, "0000000000000002", "spoilt"]);
    store.write_presences(&key, &[tracks(&present(2, 1))]).await.unwrap();
    assert_eq!(store.presences(&key).await.unwrap().len(), 2, "who writes again is understood again");

    let stream = "broadcasts:{acme:realtime-private:lobby}";
    store.keep_broadcast(&key, &said(1)).await.unwrap();
    let spoilt: [&[&str]; 5] = [
        &["event", "e", "payload", "{", "at", "2"],
        &["event", "e", "at", "2"],
        &["event", "e", "payload", "{}", "at", "noon"],
        &["payload", "{}", "at", "2"],
        &["a", "b"],
    ];
    for fields in spoilt {
        server.command(&[&["XADD", stream, "*"], fields].concat());
    }
    server.command(&["XADD", stream, "*", "event", "e", "payload", "{}", "at", "3", "mood", "new"]);
    store.keep_broadcast(&key, &said(4)).await.unwrap();
    let found = store.broadcasts(&key, 0, 25).await.unwrap();
    let times: Vec<_> = found.iter().map(|broadcast| broadcast.at_ms).collect();
    assert_eq!(times, [1, 3, 4], "a field that this release does not know is no damage");
    let last_two = store.broadcasts(&key, 0, 2).await.unwrap();
    assert_eq!(last_two, found[1..], "nor does it take a place");
}

#[tokio::test]
async fn fields_that_are_no_json_are_refused_before_anything_is_stored() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let bad = PresenceRecord { fields: "{\"name\":".into(), ..present(1_000, 1) };
    let mut changes: Vec<_> = (0..1_000).map(|connection| tracks(&present(connection, 1))).collect();
    changes.push(tracks(&bad));
    let refused = store.write_presences(&topic("lobby"), &changes).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(server.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn a_topic_is_one_slot_and_one_command_but_for_the_list_of_what_is_kept() {
    let cluster = RedisCluster::start();
    let store = connect_patiently(&format!("{}?prefix=school:", cluster.url())).await;
    for name in ["one", "two", "three:{4}"] {
        let key = topic(name);
        store.write_presences(&key, &[tracks(&present(1, 1))]).await.unwrap();
        store.keep_broadcast(&key, &said(1)).await.unwrap();
        let before = store.commands_sent();
        store.write_presences(&key, &[tracks(&present(2, 1)), leaves(1, 2)]).await.unwrap();
        store.keep_broadcast(&key, &said(2)).await.unwrap();
        assert_eq!(store.presences(&key).await.unwrap().len(), 1);
        assert_eq!(store.broadcasts(&key, 0, 25).await.unwrap().len(), 2);
        assert_eq!(store.commands_sent() - before, 5);
    }
    let keys: Vec<_> = cluster.nodes.iter().map(|node| node.command(&["KEYS", "*"])).collect();
    let keys: Vec<_> = keys.iter().flat_map(|keys| keys.lines()).collect();
    assert_eq!(keys.len(), 13, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("school:")), "{keys:?}");
}

#[tokio::test]
async fn nothing_else_waits_behind_broadcasts() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let incarnation = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    store.broadcasts(&topic("lobby"), 0, 25).await.unwrap();
    assert!(store.renew_session("a", incarnation, &SessionInfo::default()).await.unwrap());
    store.look().await.unwrap();
    store.load_room(&key("acme", "MUSIC-1234")).await.unwrap();
    store.owners().await.unwrap();
    let connections = server.command(&["CLIENT", "LIST"]);
    let last = |command: &str| connections.matches(&format!(" cmd={command} ")).count();
    assert_eq!((last("xrevrange"), last("smembers")), (1, 1), "one has served broadcasts last: {connections}");
    store.presences(&topic("lobby")).await.unwrap();
    let connections = server.command(&["CLIENT", "LIST"]);
    assert!(connections.contains(" cmd=hgetall ") && !connections.contains(" cmd=xrevrange "), "{connections}");
}

#[tokio::test]
async fn the_documented_user_may_write_and_read_topics() {
    let server = RedisServer::start();
    let document = include_str!("../../docs/operations.md");
    let (_, rule) = document.split_once("redis-cli ACL SETUSER").expect("the document makes the user");
    let rule = rule.split("```").next().unwrap_or_default().split([' ', '\n', '\\']).filter(|word| !word.is_empty());
    let rule: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(rule.map(|word| word.trim_matches('\''))).collect();
    assert_eq!(server.command(&rule), "OK");
    let url = server.url().replace("://", "://downbeat:a-long-password@");
    let (store, key) = (connect_patiently(&url).await, topic("lobby"));
    store.write_presences(&key, &[tracks(&present(1, 1)), tracks(&present(2, 1)), leaves(2, 2)]).await.unwrap();
    store.keep_broadcast(&key, &said(1)).await.unwrap();
    assert_eq!(store.presences(&key).await.unwrap(), [present(1, 1)]);
    assert_eq!(store.broadcasts(&key, 0, 25).await.unwrap(), [said(1)]);
}
