//! Redis Cluster: each room's channel lives on the servers of its slot alone.

use downbeat::relay::{Relay, Topic};

use crate::{
    node::{Node, room},
    redis_support::RedisCluster,
};

#[tokio::test]
async fn rooms_are_heard_wherever_their_slot_lies_and_beside_their_record() {
    let cluster = RedisCluster::start();
    let (a, mut b) = (Node::join(&cluster.url(), "a").await, Node::join(&cluster.url(), "b").await);
    for number in 0..30 {
        b.relay.subscribe(&room(number)).await.unwrap();
    }
    for number in 0..30 {
        a.say(&room(number), &number.to_string()).unwrap();
        b.hears(&number.to_string()).await;
    }
    a.say(&Topic::node("b"), "to b").unwrap();
    b.hears("to b").await;
    for number in 0..30 {
        let record = format!("room:{{acme:MUSIC-{number:04}}}");
        let channels = cluster.node_of(&record).command(&["PUBSUB", "SHARDCHANNELS"]);
        assert!(
            channels.contains(&format!("acme:music_room:MUSIC-{number:04}:{{acme:MUSIC-{number:04}}}")),
            "{channels}"
        );
    }
    assert!(cluster.node_of("lease:{b}").command(&["PUBSUB", "SHARDCHANNELS"]).contains("node:b:{b}"));
}

#[tokio::test]
async fn a_slot_that_moves_takes_its_subscriptions_along() {
    let cluster = RedisCluster::start();
    let (a, mut b) = (Node::join(&cluster.url(), "a").await, Node::join(&cluster.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    let key = "{acme:MUSIC-0001}";
    let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
    let from = cluster.node_of(key).port();
    let to = cluster.nodes.iter().find(|node| node.port() != from).unwrap();
    let id = to.command(&["CLUSTER", "MYID"]);
    to.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
    for node in &cluster.nodes {
        assert_eq!(node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]), "OK");
    }
    assert_eq!(cluster.node_of(key).port(), to.port());
    b.loses_all().await;
    a.say(&room(1), "from its new place").unwrap();
    b.hears("from its new place").await;
}

#[tokio::test]
async fn one_server_that_stands_still_is_noticed_though_the_others_answer() {
    let cluster = RedisCluster::start();
    let mut b = Node::join(&cluster.url(), "b").await;
    b.relay.subscribe(&room(1)).await.unwrap();
    let node = cluster.node_of("{acme:MUSIC-0001}");
    node.freeze();
    b.loses_all().await;
    b.is_unreachable().await;
    node.thaw();
    b.is_reachable().await;
    let a = Node::join(&cluster.url(), "a").await;
    a.say(&room(1), "again").unwrap();
    b.hears("again").await;
}
