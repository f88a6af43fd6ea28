//! Replicas, and who takes their primary's place.

use std::collections::BTreeSet;

use downbeat::store::{CreateRefused, Store, TakeOverRefused};

use super::{
    redis_support::{RedisServer, SentinelSet},
    samples::{claim, controls, owner, record},
    support::{connect, connect_patiently, until_ok},
};

#[tokio::test]
async fn what_a_replica_does_not_have_is_no_reign() {
    let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let of_primary = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::start_with(&["--replicaof", &of_primary]);
    assert_eq!(primary.command(&["WAIT", "1", "20000"]), "1");
    let url = format!("{}?replicas=1", primary.url());
    let room = record("acme", "MUSIC-0001");
    let patient = connect_patiently(&url).await;
    patient.create_room(room.clone(), 9).await.unwrap();
    assert_eq!(patient.name_generation("g").await.unwrap(), "g");
    let store = connect(&url).await;
    assert_eq!(replica.command(&["HGET", "room:{acme:MUSIC-0001}", "owner"]), "a");

    replica.freeze();
    let taken = store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await;
    let Err(TakeOverRefused::Unavailable(error)) = taken else { panic!("{taken:?}") };
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    let made = store.create_room(record("acme", "MUSIC-0002"), 9).await;
    assert!(matches!(made, Err(CreateRefused::Unavailable(_))), "{made:?}");
    store
        .write_room(&room.key, &room.fence(), &controls(11), None, None)
        .await
        .expect_err("the primary has the new owner");
    assert!(store.look().await.is_ok(), "nothing else waits for the replica");

    replica.thaw();
    let again = claim(owner("b", 8), owner("b", 8));
    assert_eq!(until_ok(async || store.take_over(&room.key, again.clone()).await).await.owner, "b");
}

#[tokio::test]
async fn after_a_failover_the_store_finds_the_new_primary() {
    let mut set = SentinelSet::start();
    assert_eq!(set.primary.command(&["WAIT", "1", "20000"]), "1");
    let room = record("acme", "MUSIC-0001");
    let careful = connect_patiently(&set.url()).await;
    careful.create_room(room.clone(), 9).await.expect("the replica has it too");
    // The replica that is left will have none itself.
    let store = connect(&format!("{}?replicas=0", set.url())).await;
    let before = store.look().await.unwrap().server.expect("it has a clock");
    set.fail_over();
    let after = until_ok(async || store.look().await).await.server.expect("it has a clock");
    assert_ne!(before.run_id, after.run_id);
    let taken = until_ok(async || store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await).await;
    assert_eq!(taken.controls, room.controls);
    assert_eq!(set.replica.command(&["HGET", "room:{acme:MUSIC-0001}", "owner"]), "b");
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_left() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    let room = record("acme", "MUSIC-0001");
    let clients = || -> BTreeSet<String> {
        let listed = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
        listed.lines().filter_map(|client| client.split(' ').next().map(str::to_owned)).collect()
    };
    let before = clients();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = store.create_room(room.clone(), 9).await;
    assert!(matches!(refused, Err(CreateRefused::Unavailable(_))), "{refused:?}");
    server.command(&["REPLICAOF", "NO", "ONE"]);
    until_ok(async || store.create_room(room.clone(), 9).await).await;
    // Of five and the one that asked, those of the sessions, the lists, the topics and the events have met no refusal.
    assert_eq!(before.intersection(&clients()).count(), 4, "the next connection may lead to another server");
}
