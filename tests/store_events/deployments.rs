//! Servers that are lost, replaced, several, or full.

use std::time::Duration;

use downbeat::store::{AddRefused, EventStream};

use super::{
    redis_support::{RedisCluster, RedisServer, SentinelSet},
    support::{MANY, add, connect, one, texts, until_ok, waits},
};

#[tokio::test]
async fn a_server_with_an_append_only_file_loses_nothing_that_was_added() {
    // `everysec` may lose two seconds though only the process dies: it does not write while it syncs.
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = connect(&server.url()).await;
    add(&store, "acme", &["one", "two", "three"]).await;
    let taken = store.take_events("acme", "a", 2).await.unwrap();
    store.settle_events("acme", &taken[..1]).await.unwrap();
    server.restart();
    assert_eq!(until_ok(async || store.take_events("acme", "b", 9).await).await.len(), 1);
    assert_eq!(waits(&store, "acme").await, (2, 2));
    let reclaimed = store.reclaim_events("acme", "c", Duration::ZERO, 9).await.unwrap();
    assert_eq!(texts(&reclaimed), ["two", "three"]);
}

#[tokio::test]
async fn a_server_that_has_lost_everything_takes_events_again() {
    let mut server = RedisServer::start();
    let store = connect(&server.url()).await;
    add(&store, "acme", &["one", "two"]).await;
    let before = store.take_events("acme", "a", 1).await.unwrap();
    server.restart();
    until_ok(async || store.waiting_events("acme").await).await;
    store.settle_events("acme", &before).await.expect("what is gone is settled");
    store.add_events("acme", "three", 1, 1).await.expect("nothing waits");
    assert_eq!(texts(&store.take_events("acme", "a", 9).await.unwrap()), ["three"]);
}

#[tokio::test]
async fn a_tenants_stream_is_one_slot_of_a_cluster_and_one_command_at_a_time() {
    let cluster = RedisCluster::start();
    let store = connect(&cluster.url()).await;
    for tenant in ["acme", "brass:{4}", "chorus", "drums"] {
        add(&store, tenant, &["one", "two"]).await;
        store.take_events(tenant, "dead", 1).await.unwrap();
        store.reclaim_events(tenant, "a", Duration::ZERO, 9).await.unwrap();
        // From now on its server has these scripts.
        waits(&store, tenant).await;
        let before = store.commands_sent();
        let mut taken = store.take_events(tenant, "a", 9).await.unwrap();
        taken.extend(store.reclaim_events(tenant, "a", Duration::ZERO, 1).await.unwrap());
        assert_eq!(texts(&taken), ["two", "one"]);
        assert_eq!(waits(&store, tenant).await, (2, 2));
        assert_eq!(store.commands_sent() - before, 3);
        store.settle_events(tenant, &taken).await.unwrap();
        store.tidy_consumers(tenant, Duration::ZERO).await.unwrap();
        assert_eq!(waits(&store, tenant).await, (0, 0));
        store.forget_events(tenant).await.unwrap();
    }
    assert!(cluster.nodes.iter().all(|node| node.command(&["KEYS", "*"]).is_empty()));
}

#[tokio::test]
async fn a_replica_that_is_promoted_goes_on_where_the_primary_was() {
    let mut servers = SentinelSet::start();
    let store = connect(&servers.url()).await;
    add(&store, "acme", &["one", "two", "three"]).await;
    let taken = store.take_events("acme", "a", 2).await.unwrap();
    store.settle_events("acme", &taken[..1]).await.unwrap();
    until_ok(async || {
        let copied = servers.replica.command(&["GET", "sel:{acme}:waiting"]);
        if copied == "2" { Ok(()) } else { Err(copied) }
    })
    .await;
    servers.fail_over();
    let next = until_ok(async || store.take_events("acme", "b", 9).await).await;
    assert_eq!(texts(&next), ["three"]);
    let reclaimed = store.reclaim_events("acme", "b", Duration::ZERO, 1).await.unwrap();
    assert_eq!(texts(&reclaimed), ["two"]);
    store.settle_events("acme", &[next, reclaimed].concat()).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (0, 0));
}

#[tokio::test]
async fn a_server_without_memory_refuses_events_and_gives_them_out_all_the_same() {
    let (server, store) = one().await;
    store.add_events("acme", "[1,2]", 2, MANY).await.unwrap();
    store.add_events("acme", "[3,4]", 2, MANY).await.unwrap();
    let first = store.take_events("acme", "a", 1).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = store.add_events("acme", "[5]", 1, MANY).await;
    assert!(matches!(refused, Err(AddRefused::Unavailable(_))), "{refused:?}");
    store.settle_events("acme", &first).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (2, 1));
    let second = store.take_events("acme", "a", 9).await.unwrap();
    store.settle_events("acme", &second).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (0, 0));
}
