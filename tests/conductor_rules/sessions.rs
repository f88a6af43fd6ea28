use downbeat::{
    conductor::{ControlRefused, NoteLimits},
    relay::{INBOX_CAPACITY, Inbound, Inbox, LocalRelay, Relay, Topic},
    room::{Note, RoomKey},
};
use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats},
    house::{House, actor, control, role_of},
};

async fn neighbour(house: &House, key: &RoomKey) -> (LocalRelay, Inbox) {
    let (relay, inbox) = house.world.bus.join("neighbour", INBOX_CAPACITY);
    relay.subscribe(&Topic::Room(key.clone())).await.expect("heard");
    (relay, inbox)
}

/// The incarnations of all messages that have come.
async fn incarnations(inbox: &mut Inbox) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(inbound) = inbox.recv() => match inbound {
                Inbound::Message { envelope, .. } => found.push(envelope.incarnation),
                Inbound::Gap(gap) => panic!("{gap:?}"),
            },
            () = std::future::ready(()) => return found,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conductor_publishes_a_plan_each_second() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let (_relay, mut inbox) = neighbour(&house, &key).await;
    house.pass(10_000).await;
    let session = house.membership.standing().expect("trusted");
    assert_eq!(incarnations(&mut inbox).await, [session; 10]);
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_node_acknowledges_nothing_and_publishes_nothing() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    house.pass(1_000).await;
    let before = house.record(&key).await;
    let (_relay, mut inbox) = neighbour(&house, &key).await;
    house.renews.set(false);
    // Nobody has looked at the session since: the first request itself must find it lapsed.
    house.world.clock.advance(2_000_000);
    house.heard();
    let raised = house.router.control(&key, actor("ada", 2), control("raise_hand", &json!({})), None).await;
    assert_eq!(raised, Err(ControlRefused::NoConductor), "there is nothing to store, but it would be acknowledged");
    let answer = house.ask(&key, "set_tempo", json!({"bpm": 60})).await;
    assert_eq!(answer, Err(ControlRefused::NoConductor));
    let answer = house.try_join(&key, "cleo", 4).await.map(|_| ());
    assert_eq!(answer, Err(ControlRefused::NoConductor));
    assert_eq!(house.heard(), []);

    house.pass(3_000).await;
    let note = Note { midi: 60, velocity: 64, played: None };
    let limits = NoteLimits { student: 10, teacher: 50 };
    guests[1].room.play("ada", 2, role_of("ada"), note, limits).expect("the class plays on here");
    assert_eq!(incarnations(&mut inbox).await, [0; 0]);
    assert_eq!(house.record(&key).await, before);
    assert_no_gap_and_no_repeat(&beats(&house.heard()));
}

#[tokio::test(start_paused = true)]
async fn under_a_new_session_a_node_takes_its_rooms_up_again() {
    for silent_ms in [2_000, 3_000, 7_000] {
        let house = House::new().await;
        let (key, _guests) = house.class().await;
        house.pass(1_000).await;
        let before = house.record(&key).await;
        let old = house.membership.standing().expect("trusted");
        let (_relay, mut inbox) = neighbour(&house, &key).await;
        house.renews.set(false);
        house.pass(silent_ms).await;
        incarnations(&mut inbox).await;
        house.renews.set(true);
        house.pass(2_500).await;

        let new = house.membership.standing().expect("trusted again");
        assert_ne!(new, old);
        let after = house.record(&key).await;
        assert!(after.epoch > before.epoch, "after {silent_ms} ms nobody conducts the room");
        assert_eq!((after.incarnation, &after.controls), (new, &before.controls));
        assert!(incarnations(&mut inbox).await.iter().all(|incarnation| *incarnation == new));
        assert_eq!(house.members(&key).await, 3);
        assert_no_gap_and_no_repeat(&beats(&house.heard()));
        house.ask(&key, "mute_student", json!({"student_id": "ada"})).await.expect("acknowledged");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_replaced_unnoticed_ends_the_old_reign_all_the_same() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let before = house.record(&key).await;
    house.world.clock.advance(2_000_000);
    house.membership.renew().await.expect("answered");
    house.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("by another conductor");
    let after = house.record(&key).await;
    assert!(after.epoch > before.epoch);
    assert_eq!(Some(after.incarnation), house.membership.standing());
}
