//! What the store may do as the user that the documents tell operators to make.

use std::time::Duration;

use downbeat::store::EventStream;

use super::{
    redis_support::RedisServer,
    support::{add, connect, waits},
};

#[tokio::test]
async fn the_documented_user_may_do_all_that_a_stream_needs() {
    let server = RedisServer::start();
    let document = include_str!("../../docs/operations.md");
    let (_, rule) = document.split_once("redis-cli ACL SETUSER").expect("the document makes the user");
    let rule = rule.split("```").next().unwrap_or_default().split([' ', '\n', '\\']).filter(|word| !word.is_empty());
    let rule: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(rule.map(|word| word.trim_matches('\''))).collect();
    assert_eq!(server.command(&rule), "OK");
    let store = connect(&server.url().replace("://", "://downbeat:a-long-password@")).await;
    add(&store, "acme", &["one", "two"]).await;
    store.take_events("acme", "dead", 9).await.unwrap();
    let taken = store.reclaim_events("acme", "a", Duration::ZERO, 9).await.unwrap();
    assert_eq!(waits(&store, "acme").await, (2, 2));
    store.settle_events("acme", &taken).await.unwrap();
    assert_eq!(store.tidy_consumers("acme", Duration::ZERO).await.unwrap(), 2);
    store.forget_events("acme").await.unwrap();
}
