//! How a node comes onto the bus.

use std::time::{Duration, Instant};

use downbeat::{
    redis_url::RedisUrl,
    relay::{FredRelay, RelayError},
};

use crate::{
    node::{Node, room},
    redis_support::RedisServer,
};

#[tokio::test]
async fn a_redis_that_is_not_there_is_an_error_that_names_it_and_no_password() {
    let mut server = RedisServer::start();
    server.kill();
    let url = RedisUrl::parse(&format!("redis://u:hunter2@127.0.0.1:{}", server.port())).unwrap();
    let began = Instant::now();
    let Err(error) = FredRelay::connect(&url, "a", 16).await else { panic!("nobody is there") };
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&began.elapsed()), "{:?}", began.elapsed());
    let said = error.to_string();
    assert!(said.contains(&format!("redis://127.0.0.1:{}/0 could not be reached", server.port())), "{said}");
    assert!(said.contains("refused") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_redis_that_starts_a_moment_later_is_waited_for() {
    let mut server = RedisServer::start();
    server.kill();
    let url = server.url();
    let joining = tokio::spawn(async move { Node::join(&url, "a").await });
    let starting = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let (_server, a) = (starting.await.unwrap(), joining.await.unwrap());
    assert!(downbeat::relay::Relay::is_reachable(&a.relay));
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_named_as_the_reason() {
    let server = RedisServer::start_with(&["--requirepass", "open@sesame"]);
    let port = server.port();
    let a = Node::join(&format!("redis://:open%40sesame@127.0.0.1:{port}"), "a").await;
    let mut b = Node::join(&format!("redis://default:open%40sesame@127.0.0.1:{port}"), "b").await;
    downbeat::relay::Relay::subscribe(&b.relay, &room(1)).await.unwrap();
    a.say(&room(1), "hello").unwrap();
    b.hears("hello").await;
    let url = RedisUrl::parse(&format!("redis://:hunter2@127.0.0.1:{port}")).unwrap();
    let Err(RelayError::Unreachable { reason, .. }) = FredRelay::connect(&url, "c", 16).await else {
        panic!("the password is wrong")
    };
    assert!(reason.contains("invalid username-password pair"), "{reason}");
}

#[tokio::test]
async fn a_node_that_leaves_closes_its_connections() {
    let server = RedisServer::start();
    let connections = || server.command(&["CLIENT", "LIST"]).lines().count();
    let a = Node::join(&server.url(), "a").await;
    assert_eq!(connections(), 3, "one to speak, one to hear, and the one that asks");
    drop(a);
    crate::node::until(|| connections() == 1).await;
}
