//! A primary that dies, and the replica that Sentinel puts in its place.

use downbeat::relay::Relay;

use crate::{
    node::{Node, room},
    redis_support::SentinelSet,
};

#[tokio::test]
async fn the_nodes_follow_a_failover_and_report_a_gap() {
    let mut set = SentinelSet::start();
    let (a, mut b) = (Node::join(&set.url(), "a").await, Node::join(&set.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    a.say(&room(1), "to the old primary").unwrap();
    b.hears("to the old primary").await;
    set.fail_over();
    b.loses_all().await;
    a.is_reachable().await;
    b.is_reachable().await;
    a.say(&room(1), "to the new one").unwrap();
    b.hears("to the new one").await;
    assert!(set.replica.command(&["PUBSUB", "CHANNELS"]).contains("acme:music_room:MUSIC-0001"));
}
