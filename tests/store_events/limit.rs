//! How many events may wait.

use downbeat::store::{AddRefused, EventStream};

use super::support::{MANY, connect, one, waits};

#[tokio::test]
async fn the_limit_counts_events_and_is_exact() {
    let (_server, store) = one().await;
    store.add_events("acme", "[1,2,3,4,5,6]", 6, 10).await.unwrap();
    let full = store.add_events("acme", "[1,2,3,4,5]", 5, 10).await;
    assert_eq!(full, Err(AddRefused::Full { events_max: 10 }));
    assert_eq!(waits(&store, "acme").await, (6, 1), "nothing of it was added, and nothing older is gone");
    store.add_events("acme", "[1,2,3,4]", 4, 10).await.unwrap();
    assert_eq!(store.add_events("acme", "[1]", 1, 10).await, Err(AddRefused::Full { events_max: 10 }));
    assert_eq!(waits(&store, "acme").await, (10, 2));
    store.add_events("other", "[1]", 1, 10).await.expect("each tenant has a limit of its own");
    let taken = store.take_events("acme", "a", 1).await.unwrap();
    assert!(store.add_events("acme", "[1]", 1, 10).await.is_err(), "what is in somebody's hands waits too");
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (4, 1));
    store.add_events("acme", "[1,2,3,4,5,6]", 6, 10).await.expect("there is room again");
    assert!(store.add_events("acme", "[1]", 1, 10).await.is_err());
}

#[tokio::test]
async fn the_limit_is_exact_however_many_add_at_once() {
    let (server, _) = one().await;
    let (mut adding, url) = (tokio::task::JoinSet::new(), server.url());
    for _ in 0..4 {
        let store = connect(&url).await;
        adding.spawn(async move {
            let mut added = 0;
            for _ in 0..200 {
                added += u64::from(store.add_events("acme", "[1,2,3]", 3, 1_000).await.is_ok());
            }
            added
        });
    }
    let added: u64 = adding.join_all().await.iter().sum();
    assert_eq!(added, 333);
    assert_eq!(server.command(&["GET", "sel:{acme}:waiting"]), "999");
    assert_eq!(server.command(&["XLEN", "sel:{acme}"]), "333");
}

#[tokio::test]
async fn no_events_make_no_entry() {
    let (server, store) = one().await;
    store.add_events("acme", "[]", 0, 0).await.unwrap();
    assert_eq!(server.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn a_count_that_was_lost_or_spoilt_comes_right_again() {
    let (server, store) = one().await;
    for wrong in [None, Some("900"), Some("0"), Some("-5"), Some("many")] {
        store.add_events("acme", "[1,2]", 2, MANY).await.unwrap();
        store.add_events("acme", "[3,4]", 2, MANY).await.unwrap();
        match wrong {
            Some(wrong) => server.command(&["SET", "sel:{acme}:waiting", wrong]),
            None => server.command(&["DEL", "sel:{acme}:waiting"]),
        };
        assert!(waits(&store, "acme").await.0 >= 2, "{wrong:?}: an entry has at least one event");
        let taken = store.take_events("acme", "a", 9).await.unwrap();
        store.settle_events("acme", &taken[..1]).await.unwrap();
        assert!(waits(&store, "acme").await.0 >= 1, "{wrong:?}");
        store.settle_events("acme", &taken[1..]).await.unwrap();
        assert_eq!(waits(&store, "acme").await, (0, 0), "{wrong:?}");
        assert_eq!(server.command(&["EXISTS", "sel:{acme}:waiting"]), "0");
    }
    server.command(&["SET", "sel:{acme}:waiting", "900"]);
    store.add_events("acme", "[1,2]", 2, 2).await.expect("an empty stream holds nothing, whatever is said of it");
    assert_eq!(waits(&store, "acme").await, (2, 1));
}
