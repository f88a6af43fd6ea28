//! How many commands things take, and how long.

use std::time::{Duration, Instant};

use downbeat::store::{RedisStore, SessionInfo, Store};
use futures_util::{StreamExt, stream};

use super::{
    redis_support::{RedisCluster, RedisServer},
    samples::{claim, controls, done, here, member, owner, record},
    support::connect_patiently,
};

async fn commands<T>(store: &RedisStore, asked: impl Future<Output = T>) -> u64 {
    let before = store.commands_sent();
    asked.await;
    store.commands_sent() - before
}

#[tokio::test]
async fn on_one_server_each_operation_is_one_command() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let (room, info) = (record("acme", "MUSIC-0001"), SessionInfo::default());
    let (key, fence) = (&room.key, room.fence());
    assert_eq!(commands(&store, store.create_room(room.clone(), 9)).await, 1);
    assert_eq!(commands(&store, store.load_room(key)).await, 1);
    assert_eq!(commands(&store, store.write_room(key, &fence, &controls(11), Some(done(1, "a")), None)).await, 1);
    assert_eq!(commands(&store, store.write_members(key, &fence, 1, &[here(&member("ada", 1))])).await, 1);
    assert_eq!(commands(&store, store.take_over(key, claim(owner("a", 7), owner("a", 7)))).await, 1);
    assert_eq!(commands(&store, store.close_room(key, &fence)).await, 1);
    let incarnation = store.open_session("a", &info, 0).await.unwrap();
    assert_eq!(commands(&store, store.renew_session("a", incarnation, &info)).await, 1);
    for _ in 0..3 {
        assert_eq!(commands(&store, store.look()).await, 1, "however many nodes there are");
        store.open_session(&incarnation.to_string(), &info, 0).await.unwrap();
    }
}

#[tokio::test]
async fn in_a_cluster_a_look_is_three_commands_and_one_a_node() {
    let cluster = RedisCluster::start();
    let store = connect_patiently(&cluster.url()).await;
    // The first calls bring the scripts along.
    let incarnation = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    store.look().await.unwrap();
    store.renew_session("a", incarnation, &SessionInfo::default()).await.unwrap();
    assert_eq!(commands(&store, store.look()).await, 4);
    assert_eq!(commands(&store, store.renew_session("a", incarnation, &SessionInfo::default())).await, 1);
}

/// Run with `--ignored --nocapture`, optimised, to see how long ten thousand rooms take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ten_thousand_rooms() {
    const ROOMS: u32 = 10_000;
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let rooms: Vec<_> = (0..ROOMS).map(|n| record("acme", &format!("MUSIC-{n:06}"))).collect();
    let timed = |what: &'static str, started: Instant| {
        let took: Duration = started.elapsed();
        println!("{what}: {took:?}, {:.0} a second", f64::from(ROOMS) / took.as_secs_f64());
    };
    let started = Instant::now();
    let made = stream::iter(&rooms).map(|room| store.create_room(room.clone(), 20_000)).buffer_unordered(256);
    assert!(made.all(async |made| made.is_ok()).await);
    timed("create_room", started);
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(store.owners().await.unwrap().len(), ROOMS as usize);
        timed("owners", started);
    }
    for (at_once, incarnation) in [(64, 7), (256, 8), (10_000, 9)] {
        let started = Instant::now();
        let claim = || claim(owner("a", incarnation), owner("a", incarnation + 1));
        let taken = stream::iter(&rooms).map(|room| store.take_over(&room.key, claim())).buffer_unordered(at_once);
        let failed = taken.filter(|taken| std::future::ready(taken.is_err())).count().await;
        println!("{at_once} at once, {failed} failed");
        timed("take_over", started);
    }
    println!("{}", server.command(&["INFO", "commandstats"]));
    let keys: Vec<_> = rooms.iter().map(|room| room.key.clone()).collect();
    let started = Instant::now();
    assert_eq!(store.occupancies(&keys).await.unwrap().len(), keys.len());
    timed("occupancies", started);
    let started = Instant::now();
    assert_eq!(store.list_rooms("acme", None, 100).await.unwrap().0.len(), 100);
    println!("a page of a hundred: {:?}", started.elapsed());
}
