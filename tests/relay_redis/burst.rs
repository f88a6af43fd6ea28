//! More than the bus can take at once.

use downbeat::relay::{NotPublished, Relay};

use crate::{
    node::{Node, room, until},
    redis_support::RedisServer,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_a_burst_is_heard_or_counted_where_it_was_lost() {
    const MESSAGES: u64 = 50_000;
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server.url(), "a").await, Node::join(&server.url(), "b").await);
    b.relay.subscribe(&room(1)).await.unwrap();
    let mut refused = 0;
    for number in 0..MESSAGES {
        while let Err(error) = a.say(&room(1), &number.to_string()) {
            assert_eq!(error, NotPublished::QueueFull);
            refused += 1;
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(a.relay.figures().published, MESSAGES);
    until(|| b.relay.figures().received + a.relay.figures().not_published - refused == MESSAGES).await;
    let mut b = b;
    let mut last = None;
    for _ in 0..b.relay.figures().received {
        let crate::node::Heard::Text(text) = b.hear().await else { panic!("nothing was lost here") };
        let number: u64 = text.parse().unwrap();
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
    }
}
