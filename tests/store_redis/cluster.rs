//! A Redis Cluster, whose servers share out the keys, so that a room and the list that it stands in are two steps.

use downbeat::store::{CreateRefused, SessionInfo, Store};

use super::{redis_support::RedisCluster, samples::record, support::connect_patiently};

const DAY_S: i64 = 86_400;

#[tokio::test]
async fn a_code_that_is_given_out_again_while_its_room_closes_stays_listed() {
    let cluster = RedisCluster::start();
    let store = connect_patiently(&cluster.url()).await;
    let room = record("acme", "MUSIC-0001");
    let mut anew = 0;
    for _ in 0..50 {
        // Whether it lives yet or not.
        let _ = store.create_room(room.clone(), 9).await;
        let fence = room.fence();
        let (closed, made) = tokio::join!(store.close_room(&room.key, &fence), store.create_room(room.clone(), 9));
        closed.unwrap();
        match made {
            Ok(()) => anew += 1,
            Err(refused) => assert_eq!(refused, CreateRefused::CodeTaken),
        }
        let lives = store.load_room(&room.key).await.unwrap().is_some();
        let listed = !store.owners().await.unwrap().is_empty();
        assert_eq!(lives, listed, "a room that lives is listed");
    }
    assert!(anew > 0, "no create met a close");
}

#[tokio::test]
async fn a_half_made_room_takes_a_place_for_a_minute() {
    let cluster = RedisCluster::start();
    let store = connect_patiently(&cluster.url()).await;
    let list = "rooms:{acme}";
    store.create_room(record("acme", "MUSIC-0001"), 2).await.unwrap();
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let ago = |seconds: i64| (now - seconds * 1_000_000).to_string();
    let node = cluster.node_of(list);
    node.command(&["ZADD", list, &ago(30), "MUSIC-0002"]);
    store.owners().await.unwrap();
    let full = store.create_room(record("acme", "MUSIC-0003"), 2).await;
    assert_eq!(full, Err(CreateRefused::TooManyRooms { max_rooms: 2 }), "it may be in the making");
    store.create_room(record("acme", "MUSIC-0002"), 2).await.expect("its maker comes back");
    node.command(&["ZADD", list, &ago(90), "MUSIC-0004"]);
    store.owners().await.unwrap();
    assert_eq!(store.live_rooms("acme").await.unwrap(), 2);
}

#[tokio::test]
async fn a_node_that_was_not_seen_for_a_day_is_forgotten() {
    let cluster = RedisCluster::start();
    let store = connect_patiently(&cluster.url()).await;
    store.open_session("alive", &SessionInfo::default(), 0).await.unwrap();
    let now = store.look().await.unwrap().server.expect("it has a clock").time_us;
    let ago = |seconds: i64| (now - seconds * 1_000_000).to_string();
    let node = cluster.node_of("nodes");
    let (long, day) = (ago(DAY_S + 99), ago(DAY_S - 99));
    node.command(&["ZADD", "nodes", &day, "yesterday", &long, "forgotten", &long, "alive"]);
    assert_eq!(store.look().await.unwrap().sessions.len(), 1);
    assert_eq!(node.command(&["ZRANGE", "nodes", "0", "-1"]), "alive\nyesterday");
}
