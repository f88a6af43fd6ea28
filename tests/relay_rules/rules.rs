use std::time::Duration;

use downbeat::relay::{Body, ENVELOPE_BYTES_MAX, Gap, Inbound, Plan, Relay, RelayFigures, Topic};

use super::{
    Bus,
    samples::{envelope, every_body, message, note, plan, room},
};

pub async fn every_kind_of_body_arrives_as_it_was_sent(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (b, mut inbox) = bus.join("b", 16).await;
    let topic = room("acme", "MUSIC-1234");
    b.subscribe(&topic).await.unwrap();
    let not_started = Body::Plan(Plan { timeline: None, ..as_plan(plan()) });
    for body in every_body().map(|(_, body)| body).into_iter().chain([not_started]) {
        let sent = envelope("a", body);
        a.publish(&topic, sent.clone()).unwrap();
        assert_eq!(inbox.recv().await, message(&topic, sent));
    }
}

pub fn as_plan(body: Body) -> Plan {
    match body {
        Body::Plan(plan) => plan,
        other => panic!("{other:?} is no plan"),
    }
}

pub async fn a_node_hears_only_what_it_subscribed_to(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (b, mut inbox) = bus.join("b", 16).await;
    let (left, marker) = (room("acme", "MUSIC-0001"), room("acme", "MUSIC-0002"));
    b.subscribe(&left).await.unwrap();
    b.subscribe(&left).await.unwrap();
    b.subscribe(&marker).await.unwrap();
    b.unsubscribe(&left).await;
    for topic in [&left, &room("acme", "MUSIC-0003"), &Topic::node("c"), &marker] {
        a.publish(topic, note("a", "1")).unwrap();
    }
    assert_eq!(inbox.recv().await, message(&marker, note("a", "1")));
}

pub async fn a_node_never_hears_itself(bus: &dyn Bus) {
    let (a, mut inbox) = bus.join("a", 16).await;
    let (b, _b_inbox) = bus.join("b", 16).await;
    let topic = room("acme", "MUSIC-1234");
    a.subscribe(&topic).await.unwrap();
    b.subscribe(&topic).await.unwrap();
    a.publish(&topic, note("a", "mine")).unwrap();
    a.publish(&Topic::node("a"), note("a", "mine")).unwrap();
    b.publish(&topic, note("b", "theirs")).unwrap();
    assert_eq!(inbox.recv().await, message(&topic, note("b", "theirs")));
}

pub async fn a_node_hears_its_own_inbox_from_the_start(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (_b, mut inbox) = bus.join("b", 16).await;
    a.publish(&Topic::node("b"), note("a", "to b")).unwrap();
    assert_eq!(inbox.recv().await, message(&Topic::node("b"), note("a", "to b")));
}

pub async fn messages_of_a_node_arrive_in_order_and_once(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (b, mut inbox) = bus.join("b", 1_000).await;
    let topic = room("acme", "MUSIC-1234");
    b.subscribe(&topic).await.unwrap();
    for n in 0..500 {
        a.publish(&topic, note("a", &n.to_string())).unwrap();
    }
    for n in 0..500 {
        assert_eq!(inbox.recv().await, message(&topic, note("a", &n.to_string())));
    }
    let figures = |relay: &dyn Relay| RelayFigures { probe_us: 0, ..relay.figures() };
    assert_eq!(figures(&*a), RelayFigures { published: 500, ..RelayFigures::default() });
    assert_eq!(figures(&*b), RelayFigures { received: 500, ..RelayFigures::default() });
    assert!(a.is_reachable() && b.is_reachable());
}

pub async fn rooms_of_different_tenants_never_meet(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (b, mut inbox) = bus.join("b", 16).await;
    let own = room("t", "MUSIC-1234");
    b.subscribe(&own).await.unwrap();
    for tenant in ["t-private", "t:music_room", "node", "T", "t ", "t%"] {
        a.publish(&room(tenant, "MUSIC-1234"), note("a", "theirs")).unwrap();
    }
    a.publish(&own, note("a", "own")).unwrap();
    assert_eq!(inbox.recv().await, message(&own, note("a", "own")));
}

pub async fn an_inbox_that_overflows_ends_in_a_gap_that_names_the_topics(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (b, mut inbox) = bus.join("b", 2).await;
    let topics = [room("acme", "MUSIC-0001"), room("acme", "MUSIC-0002"), room("acme", "MUSIC-0003")];
    for topic in &topics {
        b.subscribe(topic).await.unwrap();
    }
    for topic in [&topics[0], &topics[0], &topics[2], &topics[1], &topics[2]] {
        a.publish(topic, note("a", "1")).unwrap();
    }
    until(|| b.figures().received == 5).await;
    let mut gaps = Vec::new();
    let mut messages = 0;
    while messages < 2 {
        match inbox.recv().await {
            Some(Inbound::Message { .. }) => messages += 1,
            Some(Inbound::Gap(gap)) => gaps.push(gap),
            None => panic!("the bus has ended"),
        }
    }
    assert_eq!(gaps, [Gap::Topics(vec![topics[1].clone(), topics[2].clone()])]);
    assert_eq!((b.figures().received, b.figures().lost), (5, 3));
    a.publish(&topics[0], note("a", "2")).unwrap();
    assert_eq!(inbox.recv().await, message(&topics[0], note("a", "2")), "a gap is reported once");
}

pub async fn an_envelope_that_is_too_long_is_refused_and_counted(bus: &dyn Bus) {
    let (a, _a_inbox) = bus.join("a", 16).await;
    let (_b, mut inbox) = bus.join("b", 16).await;
    let to_b = Topic::node("b");
    let refused = a.publish(&to_b, note("a", &"x".repeat(ENVELOPE_BYTES_MAX)));
    assert!(refused.is_err());
    a.publish(&to_b, note("a", "short")).unwrap();
    assert_eq!(inbox.recv().await, message(&to_b, note("a", "short")));
    assert_eq!((a.figures().published, a.figures().not_published), (1, 1));
}

/// Waits for a figure, which nothing announces.
async fn until(mut reached: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    while !reached() {
        looks.tick().await;
    }
}
