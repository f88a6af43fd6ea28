//! What nodes agree on through the server.

use downbeat::store::Store;

use super::{redis_support::RedisServer, support::connect_patiently};

#[tokio::test]
async fn nodes_agree_on_a_clocks_offset_by_compare_and_set() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    assert_eq!(store.agree_clock("r1", None, 0).await.unwrap(), 0);
    assert_eq!(store.agree_clock("r1", None, 7).await.unwrap(), 0, "another was first");
    assert_eq!(store.agree_clock("r1", Some(0), -3_600_000_000).await.unwrap(), -3_600_000_000);
    assert_eq!(store.agree_clock("r1", Some(0), 7).await.unwrap(), -3_600_000_000, "it has moved on");
    assert_eq!(store.agree_clock("r2", Some(5), 9).await.unwrap(), 9, "the store has lost what was expected");
}

#[tokio::test]
async fn a_look_shows_the_servers_own_clock_and_its_offset() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let first = store.look().await.unwrap().server.expect("it has a clock");
    assert!(server.command(&["INFO", "server"]).contains(&format!("run_id:{}", first.run_id)));
    assert_eq!((first.run_id.len(), first.offset_us), (40, None));
    store.agree_clock(&first.run_id, None, 5_000_000).await.unwrap();
    let second = store.look().await.unwrap().server.expect("it has a clock");
    assert_eq!((second.run_id, second.offset_us), (first.run_id, Some(5_000_000)));
    assert!(second.time_us > first.time_us && second.time_us < first.time_us + 10_000_000);
}

#[tokio::test]
async fn an_epoch_is_the_servers_time_and_not_the_claimants() {
    use super::samples::{claim, owner, record};
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let before_ms = store.look().await.unwrap().server.expect("it has a clock").time_us / 1_000;
    let mut claim = claim(owner("a", 7), owner("b", 8));
    claim.now_ms = 1 << 52;
    let taken = store.take_over(&room.key, claim).await.unwrap();
    let after_ms = store.look().await.unwrap().server.expect("it has a clock").time_us / 1_000;
    let reign = before_ms as u64..=after_ms as u64;
    assert!(reign.contains(&taken.epoch) && reign.contains(&taken.since_ms), "{taken:?} {reign:?}");
}

#[tokio::test]
async fn a_node_that_was_not_seen_for_a_day_is_forgotten() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    store.open_session("alive", &Default::default(), 0).await.unwrap();
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let ago = |seconds: i64| (now - seconds * 1_000_000).to_string();
    server.command(&["ZADD", "nodes", &ago(86_300), "yesterday", &ago(86_500), "forgotten", &ago(86_500), "alive"]);
    let sessions = store.look().await.unwrap().sessions;
    assert_eq!(sessions.len(), 1, "whoever has a session is seen, whatever the clock says");
    assert_eq!(server.command(&["ZRANGE", "nodes", "0", "-1"]), "alive\nyesterday");
}
