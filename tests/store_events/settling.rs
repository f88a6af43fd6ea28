//! What becomes of entries that were handed out.

use std::time::Duration;

use downbeat::store::{EventStream, Waiting};

use super::support::{MANY, add, one, texts, until_ok, waits};

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn settled_entries_are_gone_and_counted_down_once() {
    let (server, store) = one().await;
    store.add_events("acme", "[1,2,3]", 3, MANY).await.unwrap();
    store.add_events("acme", "[4,5]", 2, MANY).await.unwrap();
    let taken = store.take_events("acme", "a", 9).await.unwrap();
    for _ in 0..3 {
        store.settle_events("acme", &taken[..1]).await.unwrap();
        assert_eq!(waits(&store, "acme").await, (2, 1));
    }
    assert_eq!(server.command(&["XPENDING", "sel:{acme}", "database"]).lines().next(), Some("1"));
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(store.waiting_events("acme").await.unwrap(), Waiting::default());
    assert_eq!(store.reclaim_events("acme", "a", Duration::ZERO, 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_entry_that_another_has_reclaimed_is_counted_down_once_whoever_settles_first() {
    let (_server, store) = one().await;
    store.add_events("acme", "[1,2,3]", 3, MANY).await.unwrap();
    let old = store.take_events("acme", "old", 9).await.unwrap();
    let new = store.reclaim_events("acme", "new", Duration::ZERO, 9).await.unwrap();
    assert_eq!(new, old);
    store.add_events("acme", "[4,5]", 2, MANY).await.unwrap();
    store.settle_events("acme", &old).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (2, 1));
    store.settle_events("acme", &new).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (2, 1));
}

#[tokio::test]
async fn an_entry_is_reclaimed_once_it_is_idle_and_not_before() {
    let (_server, store) = one().await;
    add(&store, "acme", &["one", "two"]).await;
    store.take_events("acme", "dead", 1).await.unwrap();
    assert_eq!(store.reclaim_events("acme", "b", LONG, 9).await.unwrap(), []);
    let idle = Duration::from_millis(20);
    let reclaimed = until_ok(async || {
        let reclaimed = store.reclaim_events("acme", "b", idle, 9).await.unwrap();
        if reclaimed.is_empty() { Err("not idle yet") } else { Ok(reclaimed) }
    });
    assert_eq!(texts(&reclaimed.await), ["one"], "nobody has had the other");
    assert_eq!(store.reclaim_events("acme", "c", LONG, 9).await.unwrap(), [], "whoever reclaims has it from now on");
    assert_eq!(texts(&store.take_events("acme", "b", 9).await.unwrap()), ["two"]);
}

#[tokio::test]
async fn idle_entries_are_found_behind_many_that_are_not() {
    let (server, store) = one().await;
    let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    add(&store, "acme", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let taken = store.take_events("acme", "busy", 100).await.unwrap();
    let last = &taken[99].id;
    server.command(&["XCLAIM", "sel:{acme}", "database", "dead", "0", last, "IDLE", "7200000"]);
    let reclaimed = store.reclaim_events("acme", "b", LONG, 9).await.unwrap();
    assert_eq!(reclaimed, taken[99..]);
    assert_eq!(store.reclaim_events("acme", "b", Duration::ZERO, 7).await.unwrap(), taken[..7]);
}

#[tokio::test]
async fn an_entry_that_was_removed_by_hand_is_not_handed_out_again() {
    let (server, store) = one().await;
    add(&store, "acme", &["one", "two", "three"]).await;
    let taken = store.take_events("acme", "a", 9).await.unwrap();
    server.command(&["XDEL", "sel:{acme}", &taken[0].id, &taken[1].id]);
    assert_eq!(store.reclaim_events("acme", "b", Duration::ZERO, 9).await.unwrap(), taken[2..]);
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (0, 0));
}

#[tokio::test]
async fn an_id_that_was_given_out_anew_after_a_loss_is_another_entry() {
    let (server, store) = one().await;
    add(&store, "acme", &["before"]).await;
    let before = store.take_events("acme", "a", 9).await.unwrap();
    server.command(&["FLUSHALL"]);
    server.command(&["XADD", "sel:{acme}", &before[0].id, "events", "after", "count", "1"]);
    store.settle_events("acme", &before).await.unwrap();
    assert_eq!(texts(&store.take_events("acme", "a", 9).await.unwrap()), ["after"]);
}

#[tokio::test]
async fn it_can_be_seen_that_all_that_waited_has_gone() {
    let (_server, store) = one().await;
    add(&store, "acme", &["one", "two"]).await;
    let then = store.waiting_events("acme").await.unwrap();
    let (first, last) = then.ends.expect("two wait");
    assert!(first < last && then.oldest < LONG);
    add(&store, "acme", &["three"]).await;
    let taken = store.take_events("acme", "a", 9).await.unwrap();
    assert_eq!([&taken[0].id, &taken[1].id], [&first, &last]);
    store.settle_events("acme", &taken[..1]).await.unwrap();
    let first_now = |waiting: Waiting| waiting.ends.expect("some wait").0;
    assert!(first_now(store.waiting_events("acme").await.unwrap()) <= last, "one of them waits yet");
    store.settle_events("acme", &taken[1..2]).await.unwrap();
    assert!(first_now(store.waiting_events("acme").await.unwrap()) > last);
    let aged = async || {
        let waiting = store.waiting_events("acme").await.unwrap();
        if waiting.oldest >= Duration::from_millis(30) { Ok(()) } else { Err(waiting) }
    };
    until_ok(aged).await;
}

#[tokio::test]
async fn what_is_forgotten_leaves_nothing() {
    let (server, store) = one().await;
    add(&store, "acme", &["one", "two"]).await;
    add(&store, "other", &["theirs"]).await;
    let taken = store.take_events("acme", "a", 1).await.unwrap();
    store.forget_events("acme").await.unwrap();
    store.settle_events("acme", &taken).await.unwrap();
    let left = server.command(&["KEYS", "*"]);
    assert_eq!(left.lines().filter(|key| key.contains("acme")).count(), 0, "{left}");
    assert_eq!(waits(&store, "other").await, (1, 1));
}
