use downbeat::relay::{ENVELOPE_BYTES_MAX, Gap, Inbound, LocalBus, Relay, Topic};

use super::samples::{message, note, room};

#[tokio::test]
async fn a_node_that_has_left_the_local_bus_is_forgotten() {
    let bus = LocalBus::new();
    let (a, mut inbox) = bus.join("a", 16);
    let (b, b_inbox) = bus.join("b", 16);
    let topic = room("acme", "MUSIC-1234");
    b.subscribe(&topic).await.unwrap();
    drop((b, b_inbox));
    // Nobody else hears it, so it is not even encoded, and nothing can refuse it.
    a.publish(&topic, note("a", &"x".repeat(ENVELOPE_BYTES_MAX))).unwrap();
    drop(a);
    assert_eq!(inbox.recv().await, None);
}

#[tokio::test]
async fn a_gap_everywhere_wakes_who_waits_and_swallows_smaller_ones() {
    let (sender, mut inbox) = downbeat::relay::inbox(16);
    let mut waiting = Box::pin(inbox.recv());
    assert!(poll_once(waiting.as_mut()).await.is_none());
    sender.lose(&Topic::node("a"));
    sender.lose_all();
    sender.lose(&Topic::node("b"));
    assert_eq!(waiting.await, Some(Inbound::Gap(Gap::All)));
    sender.deliver(&Topic::node("a"), note("b", "1"));
    assert_eq!(inbox.recv().await, message(&Topic::node("a"), note("b", "1")));
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn losses_on_very_many_topics_are_a_gap_everywhere() {
    let (sender, mut inbox) = downbeat::relay::inbox(1);
    for n in 0..2_000 {
        sender.lose(&Topic::node(format!("n{n}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(inbox.recv()), Some(Inbound::Gap(Gap::All)));
}
