//! What a node that runs alone keeps of realtime topics at most.

use downbeat::{
    protocol::{TopicKey, broadcast::Body},
    store::{EmbeddedStore, KEPT_BYTES_MAX, TopicStore},
};

use super::samples::{TempFile, broadcast, present, said, topic, tracks};

async fn kept(store: &EmbeddedStore, key: &TopicKey) -> usize {
    store.broadcasts(key, 0, 25).await.unwrap().len()
}

/// One of many topics, of a tenant that has 500 of them.
fn one_of_many(n: i64) -> TopicKey {
    TopicKey { tenant: (n / 500).to_string().into(), ..topic(&n.to_string()) }
}

#[tokio::test]
async fn beyond_ten_thousand_topics_the_broadcasts_of_the_longest_silent_are_forgotten() {
    let store = EmbeddedStore::in_memory();
    let key = one_of_many;
    for n in 0..10_000 {
        store.keep_broadcast(&key(n), &said(n)).await.unwrap();
    }
    store.keep_broadcast(&key(0), &said(10_000)).await.unwrap();
    store.write_presences(&key(1), &[tracks(&present(1, 1))]).await.unwrap();
    assert_eq!((kept(&store, &key(0)).await, kept(&store, &key(1)).await), (2, 1), "all of them are there");
    store.keep_broadcast(&key(10_000), &said(1)).await.unwrap();
    let found = [kept(&store, &key(0)).await, kept(&store, &key(1)).await, kept(&store, &key(2)).await];
    assert_eq!(found, [2, 0, 1]);
    assert_eq!(kept(&store, &key(10_000)).await, 1);
    assert_eq!(store.presences(&key(1)).await.unwrap().len(), 1, "nobody leaves by it");
    // A place that another tenant has taken is free for the tenant's own topics.
    let new = TopicKey { name: "new".into(), ..key(0) };
    store.keep_broadcast(&new, &said(1)).await.unwrap();
    let found = [kept(&store, &new).await, kept(&store, &key(2)).await, kept(&store, &key(3)).await];
    assert_eq!(found, [1, 0, 1], "one is forgotten, not two");
}

#[tokio::test]
async fn beyond_64_mib_the_broadcasts_of_the_longest_silent_topics_are_forgotten() {
    let store = EmbeddedStore::in_memory();
    let large = broadcast(1, Body::Octets(vec![7; KEPT_BYTES_MAX]));
    let fill = async |key: &TopicKey, times: usize| {
        for _ in 0..times {
            store.keep_broadcast(key, &large).await.unwrap();
        }
    };
    // Each topic takes 0.78 MiB with its names: 81 fit. What a topic itself forgets makes room again.
    fill(&topic("busy"), 100).await;
    for n in 0..80 {
        fill(&one_of_many(n), 25).await;
    }
    let found = [kept(&store, &topic("busy")).await, kept(&store, &one_of_many(0)).await];
    assert_eq!(found, [25, 25], "81 fit");
    fill(&one_of_many(80), 25).await;
    let found = [kept(&store, &topic("busy")).await, kept(&store, &one_of_many(0)).await];
    assert_eq!(found, [0, 25], "25 have made room for 25");
    fill(&one_of_many(81), 25).await;
    let found = [0, 1, 81].map(one_of_many);
    let found = [kept(&store, &found[0]).await, kept(&store, &found[1]).await, kept(&store, &found[2]).await];
    assert_eq!(found, [0, 25, 25]);
}

#[tokio::test]
async fn topics_end_with_the_process() {
    let file = TempFile::new();
    let store = file.open();
    store.keep_broadcast(&topic("lobby"), &said(1)).await.unwrap();
    store.write_presences(&topic("lobby"), &[tracks(&present(1, 1))]).await.unwrap();
    drop(store);
    let store = file.open();
    assert_eq!(kept(&store, &topic("lobby")).await, 0);
    assert_eq!(store.presences(&topic("lobby")).await.unwrap(), []);
}
