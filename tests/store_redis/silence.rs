//! A server that does not answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use downbeat::store::{SessionInfo, Store, StoreError};

use super::{
    redis_support::{RedisCluster, RedisServer},
    samples::{controls, record},
    support::{connect, try_connect, until_ok},
};

/// The limit of 400 ms, and what a busy machine adds.
const LIMIT: Duration = Duration::from_millis(900);

#[tokio::test]
async fn a_frozen_server_is_unavailable_in_time_and_found_again() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let incarnation = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    server.freeze();
    for _ in 0..3 {
        let started = Instant::now();
        let renewed = store.renew_session("a", incarnation, &SessionInfo::default()).await;
        assert!(matches!(renewed, Err(StoreError::Unavailable { .. })), "{renewed:?}");
        let written = store.load_room(&room.key).await;
        assert!(matches!(written, Err(StoreError::Unavailable { .. })), "{written:?}");
        assert!(started.elapsed() < 2 * LIMIT, "{:?}", started.elapsed());
    }
    assert!(store.outage().is_some());
    assert_eq!(store.failure(), None, "it may pass");
    server.thaw();
    assert!(until_ok(async || store.renew_session("a", incarnation, &SessionInfo::default()).await).await);
    until_ok(async || store.load_room(&room.key).await).await;
    assert_eq!(store.outage(), None);
}

#[tokio::test]
async fn a_server_that_is_away_is_not_hammered() {
    let mut server = RedisServer::start();
    let store = connect(&server.url()).await;
    server.kill();
    let listener = std::net::TcpListener::bind(("127.0.0.1", server.port())).expect("its port is free now");
    let tried = Arc::new(AtomicU32::new(0));
    let counted = tried.clone();
    // Whoever connects is sent away at once.
    std::thread::spawn(move || {
        listener.incoming().for_each(|_| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
    });
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        store.look().await.unwrap_err();
    }
    let tried = tried.load(Ordering::SeqCst);
    assert!((1..=6).contains(&tried), "{tried} connections in a second");
}

#[tokio::test]
async fn a_burst_of_rooms_does_not_delay_a_renewal() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let incarnation = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    let (controls, fence, info) = (controls(11), room.fence(), SessionInfo::default());
    let written = AtomicU32::new(0);
    let writes = (0..1_000).map(|_| async {
        store.write_room(&room.key, &fence, &controls, None, None).await.unwrap();
        written.fetch_add(1, Ordering::SeqCst);
    });
    let mut burst = std::pin::pin!(futures_util::future::join_all(writes));
    // The burst has gone out, and is not answered yet.
    assert!(std::future::poll_fn(|context| Poll::Ready(burst.as_mut().poll(context).is_pending())).await);
    let renewed = store.renew_session("a", incarnation, &info);
    tokio::select! {
        biased;
        renewed = renewed => assert!(renewed.unwrap()),
        _ = &mut burst => panic!("the renewal waited for a thousand rooms"),
    }
    let before_it = written.load(Ordering::SeqCst);
    assert!(before_it < 500, "the renewal waited for {before_it} rooms");
    burst.await;
}

#[tokio::test]
async fn thousands_of_rooms_at_once_wait_their_turn_and_not_past_their_limit() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let loaded = futures_util::future::join_all((0..4_000).map(|_| store.load_room(&room.key))).await;
    assert_eq!(loaded.iter().filter(|loaded| loaded.is_err()).count(), 0);
}

#[tokio::test]
async fn thousands_of_calls_to_a_frozen_server_fail_together() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    server.freeze();
    let started = Instant::now();
    let loaded = futures_util::future::join_all((0..8_000).map(|_| store.load_room(&room.key))).await;
    assert!(loaded.iter().all(Result::is_err));
    assert!(started.elapsed() < 3 * LIMIT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn in_a_cluster_the_rooms_of_other_servers_play_on_while_one_is_frozen() {
    let cluster = RedisCluster::start();
    let store = connect(&cluster.url()).await;
    let rooms: Vec<_> = (0..12).map(|n| record("acme", &format!("MUSIC-{n:04}"))).collect();
    for room in &rooms {
        store.create_room(room.clone(), 99).await.unwrap();
    }
    let place = |room: &downbeat::store::RoomRecord| format!("room:{{acme:{}}}", room.key.code);
    let frozen = cluster.node_of(&place(&rooms[0]));
    let (away, well): (Vec<_>, Vec<_>) =
        rooms.iter().partition(|room| cluster.node_of(&place(room)).port() == frozen.port());
    assert!(!well.is_empty());
    frozen.freeze();
    assert!(store.load_room(&away[0].key).await.is_err());
    for room in &well {
        until_ok(async || store.load_room(&room.key).await).await;
    }
    frozen.thaw();
    for room in away {
        assert!(until_ok(async || store.load_room(&room.key).await).await.is_some());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_the_start() {
    let mut server = RedisServer::start();
    server.kill();
    let error = try_connect(&server.url()).await.err().expect("nobody is there").to_string();
    assert!(error.contains(&format!("127.0.0.1:{}", server.port())), "{error}");
}
