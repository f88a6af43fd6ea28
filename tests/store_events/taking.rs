//! Who is handed what.

use std::{collections::BTreeSet, time::Duration};

use downbeat::store::{EventStream, TAKEN_BYTES_MAX, Waiting};

use super::support::{MANY, add, connect, one, texts, waits};

#[tokio::test]
async fn the_stream_can_be_read_without_tools() {
    let (server, _) = one().await;
    let store = connect(&format!("{}?prefix=school:", server.url())).await;
    store.add_events("a{b", r#"[{"kind":"joined"},{"kind":"left"}]"#, 2, MANY).await.unwrap();
    let shown = server.command(&["XRANGE", "school:sel:{a%7Bb}", "-", "+"]);
    let shown: Vec<_> = shown.lines().skip(1).collect();
    assert_eq!(shown, ["events", r#"[{"kind":"joined"},{"kind":"left"}]"#, "count", "2"]);
    assert_eq!(server.command(&["GET", "school:sel:{a%7Bb}:waiting"]), "2");
}

#[tokio::test]
async fn entries_are_handed_out_once_each_oldest_first_and_to_their_tenant_alone() {
    let (_server, store) = one().await;
    add(&store, "acme", &["one", "two", "three"]).await;
    add(&store, "other", &["theirs"]).await;
    let first = store.take_events("acme", "a", 2).await.unwrap();
    let second = store.take_events("acme", "b", 2).await.unwrap();
    assert_eq!((texts(&first), texts(&second)), (vec!["one", "two"], vec!["three"]));
    let ids: Vec<_> = first.iter().chain(&second).map(|entry| entry.id.clone()).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == 3, "{ids:?}");
    for consumer in ["a", "b", "c"] {
        assert_eq!(store.take_events("acme", consumer, 9).await.unwrap(), []);
    }
    assert_eq!(texts(&store.take_events("other", "a", 9).await.unwrap()), ["theirs"]);
}

#[tokio::test]
async fn where_nothing_was_ever_added_nothing_is_made() {
    let (server, store) = one().await;
    assert_eq!(store.take_events("acme", "a", 9).await.unwrap(), []);
    assert_eq!(store.reclaim_events("acme", "a", Duration::ZERO, 9).await.unwrap(), []);
    assert_eq!(store.waiting_events("acme").await.unwrap(), Waiting::default());
    assert_eq!(store.tidy_consumers("acme", Duration::ZERO).await.unwrap(), 0);
    store.settle_events("acme", &[]).await.unwrap();
    store.forget_events("acme").await.unwrap();
    assert_eq!(server.command(&["KEYS", "*"]), "");
    add(&store, "acme", &["one"]).await;
    assert_eq!(store.reclaim_events("acme", "a", Duration::ZERO, 9).await.unwrap(), [], "there is no group yet");
    assert_eq!(store.tidy_consumers("acme", Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn large_entries_are_handed_out_whole_and_few_at_once() {
    let (_server, store) = one().await;
    let large = "♪".repeat(TAKEN_BYTES_MAX / 3);
    let third = "x".repeat(TAKEN_BYTES_MAX / 3);
    add(&store, "acme", &[&third, &large, &large, "small", &third]).await;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let taken = store.take_events("acme", "a", 9).await.unwrap();
        assert!(taken.iter().all(|entry| [large.len(), third.len(), 5].contains(&entry.events.len())));
        rounds.push(taken.len());
    }
    assert_eq!(rounds, [2, 1, 2], "an entry that reaches the bound is the last of its round");
    let again = store.reclaim_events("acme", "b", Duration::ZERO, 9).await.unwrap();
    assert_eq!(texts(&again), [&third, &large], "likewise");
    assert_eq!(waits(&store, "acme").await, (5, 5));
}

#[tokio::test]
async fn what_others_have_put_there_is_handed_out_and_settled_like_everything_else() {
    let (server, store) = one().await;
    let spoilt: [&[&str]; 4] = [
        &["mood", "new"],
        &["events", "[1,2]", "count", "two"],
        &["events", "[3]"],
        &["by", "a later release", "events", "[4]", "count", "7"],
    ];
    for fields in spoilt {
        server.command(&[&["XADD", "sel:{acme}", "*"], fields].concat());
    }
    let no_text = "return redis.call('XADD', KEYS[1], '*', 'events', '[\\255]', 'count', '1')";
    server.command(&["EVAL", no_text, "1", "sel:{acme}"]);
    let taken = store.take_events("acme", "a", 9).await.unwrap();
    let counts: Vec<_> = taken.iter().map(|entry| entry.count).collect();
    assert_eq!((texts(&taken), counts), (vec!["", "[1,2]", "[3]", "[4]", "[\u{fffd}]"], vec![1, 1, 1, 7, 1]));
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (0, 0));
}
