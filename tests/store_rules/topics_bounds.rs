//! What a node that runs alone keeps of realtime topics at most.

use downbeat::{
    protocol::broadcast::Body,
    store::{EmbeddedStore, TopicStore},
};

use super::samples::{TempFile, broadcast, present, said, topic, tracks};

async fn kept(store: &EmbeddedStore, name: &str) -> usize {
    store.broadcasts(&topic(name), 0, 25).await.unwrap().len()
}

#[tokio::test]
async fn beyond_ten_thousand_topics_the_broadcasts_of_the_longest_silent_are_forgotten() {
    let store = EmbeddedStore::in_memory();
    for n in 0..10_000 {
        store.keep_broadcast(&topic(&n.to_string()), &said(n)).await.unwrap();
    }
    store.keep_broadcast(&topic("0"), &said(10_000)).await.unwrap();
    store.write_presences(&topic("1"), &[tracks(&present(1, 1))]).await.unwrap();
    assert_eq!((kept(&store, "0").await, kept(&store, "1").await), (2, 1), "all of them are there");
    store.keep_broadcast(&topic("one more"), &said(1)).await.unwrap();
    let found = [kept(&store, "0").await, kept(&store, "1").await, kept(&store, "2").await];
    assert_eq!(found, [2, 0, 1]);
    assert_eq!(kept(&store, "one more").await, 1);
    assert_eq!(store.presences(&topic("1")).await.unwrap().len(), 1, "nobody leaves by it");
}

#[tokio::test]
async fn beyond_64_mib_the_broadcasts_of_the_longest_silent_topics_are_forgotten() {
    let store = EmbeddedStore::in_memory();
    let large = broadcast(1, Body::Octets(vec![7; 1 << 20]));
    // Each a little over a mebibyte with its names: 63 fit. What a topic itself forgets makes room again.
    for _ in 0..100 {
        store.keep_broadcast(&topic("busy"), &large).await.unwrap();
    }
    for n in 0..38 {
        store.keep_broadcast(&topic(&n.to_string()), &large).await.unwrap();
    }
    assert_eq!((kept(&store, "busy").await, kept(&store, "0").await), (25, 1), "63 fit");
    store.keep_broadcast(&topic("38"), &large).await.unwrap();
    assert_eq!((kept(&store, "busy").await, kept(&store, "0").await), (0, 1), "25 have made room for one");
    for n in 39..63 {
        store.keep_broadcast(&topic(&n.to_string()), &large).await.unwrap();
    }
    assert_eq!(kept(&store, "0").await, 1, "and for 24 more");
    store.keep_broadcast(&topic("63"), &large).await.unwrap();
    assert_eq!((kept(&store, "0").await, kept(&store, "1").await), (0, 1));
}

#[tokio::test]
async fn topics_end_with_the_process() {
    let file = TempFile::new();
    let store = file.open();
    store.keep_broadcast(&topic("lobby"), &said(1)).await.unwrap();
    store.write_presences(&topic("lobby"), &[tracks(&present(1, 1))]).await.unwrap();
    drop(store);
    let store = file.open();
    assert_eq!(kept(&store, "lobby").await, 0);
    assert_eq!(store.presences(&topic("lobby")).await.unwrap(), []);
}
