//! Tenants of the database, as Redis keeps them for nodes that cannot reach it.

use downbeat::{auth::KeptTenant, store::Store};

use super::{
    redis_support::{RedisCluster, RedisServer},
    support::connect_patiently,
};

fn kept(id: &str, change: i64) -> KeptTenant {
    KeptTenant {
        id: id.to_owned(),
        change,
        settings: format!(r#"{{"retention_days":{change}}}"#),
        secrets: r#"{"jwt_secret":"v1.a.b"}"#.to_owned(),
        is_deleted: false,
        updated_at_us: 1_000 * change,
    }
}

fn deleted(id: &str, change: i64) -> KeptTenant {
    KeptTenant { settings: "{}".to_owned(), secrets: "{}".to_owned(), is_deleted: true, ..kept(id, change) }
}

async fn keeps_the_latest(url: &str) {
    let store = connect_patiently(url).await;
    assert_eq!(store.look().await.unwrap().tenant_change, 0);
    assert_eq!(store.cached_tenants().await.unwrap(), []);
    store.cache_tenants(&[kept("acme", 1), kept("zeta", 3)]).await.unwrap();
    assert_eq!(store.look().await.unwrap().tenant_change, 3);
    // Late words of a slower node.
    store.cache_tenants(&[kept("zeta", 2)]).await.unwrap();
    store.cache_tenants(&[deleted("acme", 4)]).await.unwrap();
    store.cache_tenants(&[kept("acme", 1)]).await.unwrap();
    assert_eq!(store.look().await.unwrap().tenant_change, 4);
    let mut cached = store.cached_tenants().await.unwrap();
    cached.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(cached, [deleted("acme", 4), kept("zeta", 3)]);
}

#[tokio::test]
async fn of_each_tenant_the_latest_change_is_kept_and_a_look_shows_the_last_of_all() {
    let server = RedisServer::start();
    keeps_the_latest(&server.url()).await;
    assert_eq!(server.command(&["HGET", "tenant:{zeta}", "settings"]), r#"{"retention_days":3}"#);
    assert_eq!(server.command(&["TTL", "tenant:{zeta}"]), "-1");
    let told_s: i64 = server.command(&["TTL", "tenant:{acme}"]).parse().expect("seconds");
    assert!((600_000..=604_800).contains(&told_s), "a deletion is told for a week: {told_s}");
}

#[tokio::test]
async fn so_it_is_in_a_cluster_where_one_command_reads_both_the_life_and_the_last_change() {
    let cluster = RedisCluster::start();
    keeps_the_latest(&cluster.url()).await;
}

#[tokio::test]
async fn so_it_is_behind_a_prefix() {
    let server = RedisServer::start();
    keeps_the_latest(&format!("{}?prefix=music:", server.url())).await;
    assert_eq!(server.command(&["HGET", "music:tenant:index:{music:generation}", ":last"]), "4");
}

#[tokio::test]
async fn what_others_wrote_there_is_no_tenant() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    store.cache_tenants(&[kept("acme", 1), kept("zeta", 2)]).await.unwrap();
    server.command(&["DEL", "tenant:{acme}"]);
    server.command(&["HSET", "tenant:{zeta}", "change", "soon"]);
    assert_eq!(store.cached_tenants().await.unwrap(), [], "a hash that is gone was lost, and is not told as deleted");
}
