//! A server that comes back with less than it had.

use std::collections::BTreeSet;

use downbeat::store::{Restoration, Restored, SessionInfo, Store};

use super::{
    redis_support::RedisServer,
    samples::{claim, controls, done, owner, record},
    support::{connect, until_ok},
};

#[tokio::test]
async fn no_incarnation_comes_twice_though_everything_is_lost() {
    let mut server = RedisServer::start();
    let store = connect(&server.url()).await;
    let info = SessionInfo::default();
    let mut given =
        vec![store.open_session("a", &info, 0).await.unwrap(), store.open_session("b", &info, 0).await.unwrap()];
    server.command(&["FLUSHALL"]);
    assert!(!store.renew_session("a", given[0], &info).await.unwrap(), "its session is lost too");
    given.push(store.open_session("a", &info, 0).await.unwrap());
    server.restart();
    given.push(until_ok(async || store.open_session("a", &info, 0).await).await);
    // Each node asks for more than it had; this test asks for nothing, so the numbers need not rise.
    assert!(given.iter().collect::<BTreeSet<_>>().len() == given.len(), "{given:?}");
}

#[tokio::test]
async fn a_server_that_lost_the_scripts_gets_them_again() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    server.command(&["SCRIPT", "FLUSH"]);
    store.write_room(&room.key, &room.fence(), &controls(11), Some(done(1, "a")), None).await.unwrap();
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap().owner, "b");
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.list_rooms("acme", None, 9).await.unwrap().0.len(), 1);
    assert_eq!(store.recent_done(&room.key).await.unwrap(), [done(1, "a")], "each ran once");
}

#[tokio::test]
async fn a_restarted_server_is_another_life_on_another_clock() {
    let mut server = RedisServer::start();
    let store = connect(&server.url()).await;
    store.name_generation("first").await.unwrap();
    let before = store.look().await.unwrap();
    server.restart();
    let after = until_ok(async || store.look().await).await;
    assert_eq!((before.generation.as_deref(), after.generation), (Some("first"), None));
    assert_ne!(before.server.map(|server| server.run_id), after.server.map(|server| server.run_id));
    assert_eq!(store.name_generation("second").await.unwrap(), "second");
    store.create_room(record("acme", "MUSIC-1234"), 9).await.expect("the look has found every connection dead");
}

#[tokio::test]
async fn an_entry_without_its_room_is_struck_off_after_a_minute() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    store.create_room(record("acme", "MUSIC-0001"), 9).await.unwrap();
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let ago = |seconds: i64| (now - seconds * 1_000_000).to_string();
    server.command(&["ZADD", "rooms:{acme}", &ago(61), "MUSIC-0002", &ago(50), "MUSIC-0003"]);
    assert_eq!(store.list_rooms("acme", None, 9).await.unwrap().0.len(), 1);
    assert_eq!(store.owners().await.unwrap().len(), 1);
    assert_eq!(
        server.command(&["ZRANGE", "rooms:{acme}", "0", "-1"]),
        "MUSIC-0003\nMUSIC-0001",
        "one may be in the making"
    );
}

#[tokio::test]
async fn a_burial_that_comes_late_does_not_lower_the_tombstone() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.bury_room(&room.key, 2_000).await.unwrap();
    store.bury_room(&room.key, 900).await.unwrap();
    let restoration = Restoration { record: room, members: Vec::new(), done: Vec::new() };
    assert_eq!(store.restore_room(&restoration).await, Ok(Restored::Closed));
}
