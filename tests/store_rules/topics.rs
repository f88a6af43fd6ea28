use downbeat::{
    protocol::{TopicKey, broadcast::Body},
    store::{BROADCASTS_PER_TOPIC, KEPT_BYTES_MAX, KEPT_TOPICS_MAX, PresenceRecord},
};

use super::samples::{WholeStore, broadcast, leaves, present, said, topic, tracks};

/// In order of their connections.
async fn present_on(store: &dyn WholeStore, key: &TopicKey) -> Vec<PresenceRecord> {
    let mut found = store.presences(key).await.unwrap();
    found.sort_by_key(|record| record.connection);
    found
}

pub async fn a_presence_is_read_as_it_was_written(store: &dyn WholeStore) {
    let key = topic("lobby");
    assert_eq!(present_on(store, &key).await, []);
    let mut first = present(1, 0);
    first.replaces = None;
    first.fields = "{}".into();
    let (second, last) = (present(255, 7), present(u64::MAX, (1 << 53) - 1));
    store.write_presences(&key, &[tracks(&last), tracks(&first)]).await.unwrap();
    store.write_presences(&key, &[tracks(&second)]).await.unwrap();
    assert_eq!(present_on(store, &key).await, [first, second, last]);
    store.write_presences(&key, &[]).await.unwrap();
    assert_eq!(present_on(store, &key).await.len(), 3, "no change changes nothing");
}

pub async fn of_each_connection_the_latest_version_counts_in_whatever_order_they_come(store: &dyn WholeStore) {
    let key = topic("lobby");
    store.write_presences(&key, &[tracks(&present(1, 9)), tracks(&present(2, 1))]).await.unwrap();
    store.write_presences(&key, &[tracks(&present(1, 10))]).await.unwrap();
    let late = [tracks(&present(1, 9)), leaves(1, 2), leaves(1, 9), tracks(&present(2, 2))];
    for _ in 0..2 {
        store.write_presences(&key, &late).await.unwrap();
        assert_eq!(present_on(store, &key).await, [present(1, 10), present(2, 2)]);
    }
    let mut other_words = present(1, 10);
    other_words.fields = r#"{"said":"again"}"#.into();
    store.write_presences(&key, &[tracks(&other_words)]).await.unwrap();
    assert_eq!(present_on(store, &key).await[0], other_words, "a version may be repeated");
}

pub async fn who_has_left_does_not_come_back_by_a_late_write_and_may_come_back_by_a_new_one(store: &dyn WholeStore) {
    let key = topic("lobby");
    store.write_presences(&key, &[tracks(&present(1, 9)), tracks(&present(2, 3))]).await.unwrap();
    for version in [10, 10, 9] {
        store.write_presences(&key, &[leaves(1, version)]).await.unwrap();
        assert_eq!(present_on(store, &key).await, [present(2, 3)]);
    }
    store.write_presences(&key, &[tracks(&present(1, 9)), tracks(&present(1, 10))]).await.unwrap();
    assert_eq!(present_on(store, &key).await, [present(2, 3)], "of equals the removal counts");
    store.write_presences(&key, &[tracks(&present(1, 11))]).await.unwrap();
    assert_eq!(present_on(store, &key).await, [present(1, 11), present(2, 3)]);
    store.write_presences(&key, &[leaves(1, 10)]).await.unwrap();
    assert_eq!(present_on(store, &key).await, [present(1, 11), present(2, 3)], "nor is anybody removed late");
    store.write_presences(&key, &[leaves(3, 2), tracks(&present(3, 1))]).await.unwrap();
    assert_eq!(present_on(store, &key).await.len(), 2, "the removal may be the first that is heard of somebody");
    store.write_presences(&key, &[leaves(1, 12), leaves(2, 4)]).await.unwrap();
    assert_eq!(present_on(store, &key).await, []);
}

pub async fn many_changes_are_stored_at_once(store: &dyn WholeStore) {
    let key = topic("lobby");
    let everybody: Vec<_> = (0..1_000).map(|connection| present(connection, 1)).collect();
    let changes: Vec<_> = everybody.iter().map(tracks).collect();
    store.write_presences(&key, &changes).await.unwrap();
    assert_eq!(present_on(store, &key).await, everybody);
    let changes: Vec<_> = (1..1_000).map(|connection| leaves(connection, 2)).collect();
    store.write_presences(&key, &changes).await.unwrap();
    assert_eq!(present_on(store, &key).await, everybody[..1]);
}

pub async fn a_broadcast_comes_back_as_it_was_kept(store: &dyn WholeStore) {
    let key = topic("lobby");
    assert_eq!(store.broadcasts(&key, i64::MIN, 25).await.unwrap(), []);
    let octets: Vec<u8> = (0..=255).cycle().take(KEPT_BYTES_MAX).collect();
    let mut nameless = broadcast(4, Body::Json("null".into()));
    (nameless.id, nameless.event) = (None, String::new());
    let all = [
        broadcast(1, Body::Json(r#"{"text":"«é» \" \u0000","n":[1.50,1e9]}"#.into())),
        broadcast(2, Body::Octets(octets)),
        broadcast(3, Body::Octets(Vec::new())),
        nameless,
        broadcast(5, Body::Json(format!(r#""{}""#, "x".repeat(KEPT_BYTES_MAX - 2)))),
    ];
    for broadcast in &all {
        store.keep_broadcast(&key, broadcast).await.unwrap();
    }
    assert!(store.broadcasts(&key, 0, 25).await.unwrap() == all, "one of them has changed");
}

pub async fn the_last_broadcasts_of_a_topic_are_kept(store: &dyn WholeStore) {
    let key = topic("lobby");
    let all: Vec<_> = (0..60).map(said).collect();
    for broadcast in &all {
        store.keep_broadcast(&key, broadcast).await.unwrap();
    }
    assert_eq!(BROADCASTS_PER_TOPIC, 25);
    assert_eq!(store.broadcasts(&key, 0, 100).await.unwrap(), all[35..]);
}

pub async fn a_replay_is_the_newest_since_a_moment_oldest_first(store: &dyn WholeStore) {
    let key = topic("lobby");
    // As nodes bring them in whose calls have not taken equally long.
    for at_ms in [100, 300, 200, 400, 400, 500] {
        store.keep_broadcast(&key, &said(at_ms)).await.unwrap();
    }
    let expected: [(i64, usize, &[i64]); 7] = [
        (0, 25, &[100, 200, 300, 400, 400, 500]),
        (200, 25, &[200, 300, 400, 400, 500]),
        (201, 25, &[300, 400, 400, 500]),
        (0, 3, &[400, 400, 500]),
        (300, 1, &[500]),
        (0, 0, &[]),
        (501, 25, &[]),
    ];
    for (since_ms, limit, times) in expected {
        let found = store.broadcasts(&key, since_ms, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|broadcast| broadcast.at_ms).collect();
        assert_eq!(found, times, "{limit} since {since_ms}");
    }
    for at_ms in [900, 600, 610, 620, 630, 640] {
        store.keep_broadcast(&key, &said(at_ms)).await.unwrap();
    }
    let newest = store.broadcasts(&key, 0, 1).await.unwrap();
    assert_eq!(newest, [said(900)], "although five came in after it");
}

pub async fn a_replay_of_what_came_in_order_is_exactly_the_newest_however_many_are_asked_for(store: &dyn WholeStore) {
    let key = topic("lobby");
    // Three at each moment, which stay as they came.
    let all: Vec<_> = (0..25).map(|n| broadcast(n / 3, Body::Json(n.to_string()))).collect();
    for broadcast in &all {
        store.keep_broadcast(&key, broadcast).await.unwrap();
    }
    for limit in [0, 1, 2, 19, 20, 21, 24, 25, 26, usize::MAX] {
        let newest = &all[25_usize.saturating_sub(limit)..];
        assert_eq!(store.broadcasts(&key, 0, limit).await.unwrap(), newest, "{limit}");
    }
}

pub async fn a_broadcast_with_a_long_body_is_not_kept_and_takes_no_place(store: &dyn WholeStore) {
    let key = topic("lobby");
    assert_eq!(KEPT_BYTES_MAX, 32_768);
    let short: Vec<_> = (0..25).map(said).collect();
    for broadcast in &short {
        store.keep_broadcast(&key, broadcast).await.unwrap();
    }
    let octets = broadcast(26, Body::Octets(vec![7; KEPT_BYTES_MAX + 1]));
    let json = broadcast(27, Body::Json(format!(r#""{}""#, "x".repeat(KEPT_BYTES_MAX - 1))));
    for long in [octets, json] {
        store.keep_broadcast(&key, &long).await.expect("that is no error");
        assert!(store.broadcasts(&key, 0, 25).await.unwrap() == short, "it was kept");
    }
}

pub async fn beyond_500_topics_of_a_tenant_the_broadcasts_of_the_longest_silent_are_forgotten(store: &dyn WholeStore) {
    let kept = async |key: &TopicKey| store.broadcasts(key, 0, 25).await.unwrap().len();
    assert_eq!(KEPT_TOPICS_MAX, 500);
    let keys: Vec<_> = (0..501).map(|n| topic(&n.to_string())).collect();
    let others = TopicKey { tenant: "beta".into(), ..topic("0") };
    for key in [&others].into_iter().chain(&keys[..500]).chain([&keys[0]]) {
        store.keep_broadcast(key, &said(1)).await.unwrap();
    }
    store.write_presences(&keys[1], &[tracks(&present(1, 1))]).await.unwrap();
    let mut found = Vec::new();
    for key in &keys {
        found.push(kept(key).await);
    }
    assert_eq!(found, [&[2][..], &[1; 499], &[0]].concat(), "500 have a place");
    // What is not kept takes none.
    store.keep_broadcast(&keys[500], &broadcast(1, Body::Octets(vec![7; KEPT_BYTES_MAX + 1]))).await.unwrap();
    assert_eq!(kept(&keys[1]).await, 1);
    store.keep_broadcast(&keys[500], &said(1)).await.unwrap();
    let found = [kept(&keys[0]).await, kept(&keys[1]).await, kept(&keys[2]).await, kept(&keys[500]).await];
    assert_eq!(found, [2, 0, 1, 1], "the longest silent has made room");
    assert_eq!(present_on(store, &keys[1]).await, [present(1, 1)], "nobody leaves by it");
    store.keep_broadcast(&keys[1], &said(2)).await.unwrap();
    assert_eq!(store.broadcasts(&keys[1], 0, 25).await.unwrap(), [said(2)], "it begins anew");
    assert_eq!((kept(&keys[2]).await, kept(&keys[3]).await), (0, 1));
    assert_eq!(kept(&others).await, 1, "each tenant has its own");
}

pub async fn no_two_topics_meet_whatever_they_are_called(store: &dyn WholeStore) {
    let of = |tenant: &str, name: &str, private| TopicKey { tenant: tenant.into(), name: name.into(), private };
    let mut topics = vec![of("t-private", "x", false), of("t", "x", true), of("t:realtime-private", "x", false)];
    let names = ["x", "X", "x:y", "x}", "{x}", "x}:gone", "x%3Ay", "-private:x", "ä", "a b", "*", "\u{0}", "x\r\n"];
    topics.extend(names.iter().flat_map(|name| [of("u", name, false), of("u", name, true)]));
    topics.extend([of("u:realtime", "x", false), of("u", "realtime:x", false), of("", "u", false)]);
    for (n, key) in (0..).zip(&topics) {
        store.write_presences(key, &[tracks(&present(1, n))]).await.unwrap();
        store.write_presences(key, &[tracks(&present(2, 1)), leaves(2, 2)]).await.unwrap();
        store.keep_broadcast(key, &said(i64::try_from(n).unwrap())).await.unwrap();
    }
    for (n, key) in (0..).zip(&topics) {
        assert_eq!(present_on(store, key).await, [present(1, n)], "{key}");
        let kept = store.broadcasts(key, 0, 25).await.unwrap();
        assert_eq!(kept, [said(i64::try_from(n).unwrap())], "{key}");
    }
}

pub async fn a_tenant_that_is_no_more_leaves_no_broadcast_and_others_keep_theirs(store: &dyn WholeStore) {
    let (first, second) = (topic("lobby"), topic("hall"));
    let other = TopicKey { tenant: "zeta".into(), ..topic("lobby") };
    for key in [&first, &second, &other] {
        store.keep_broadcast(key, &said(1)).await.unwrap();
    }
    for _ in 0..2 {
        store.forget_topics("acme").await.unwrap();
        for key in [&first, &second] {
            assert_eq!(store.broadcasts(key, 0, 25).await.unwrap(), []);
        }
        assert_eq!(store.broadcasts(&other, 0, 25).await.unwrap().len(), 1);
    }
    store.keep_broadcast(&first, &said(2)).await.unwrap();
    assert_eq!(store.broadcasts(&first, 0, 25).await.unwrap().len(), 1, "it may be made anew");
}
