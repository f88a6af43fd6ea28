//! Two nodes over one store, of which one has taken the room from the other.

use downbeat::{
    conductor::ControlRefused,
    relay::Body,
    room::RoomKey,
    store::{Owner, Store, TakeOver},
};
use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats},
    house::{House, actor, control},
    town::Town,
};

/// The room is b's from now on, and its conductor on a does not know it.
async fn give_to(b: &House, key: &RoomKey) {
    let before = b.record(key).await;
    let claim = TakeOver {
        expected_reign: None,
        from_beat: None,
        expected: Owner { node: before.owner, incarnation: before.incarnation },
        claimant: Owner { node: "b".into(), incarnation: b.membership.incarnation() },
        nonce: 1,
        highest_seen_epoch: 0,
        now_ms: 0,
    };
    b.store().take_over(key, claim).await.expect("taken over");
}

#[tokio::test(start_paused = true)]
async fn a_conductor_never_overwrites_what_its_successor_stored() {
    let Town { a, b, .. } = &Town::new().await;
    let (key, _guests) = a.class().await;
    let first = a.record(&key).await;

    give_to(b, &key).await;
    b.ask(&key, "set_meter", json!({"beats_per_bar": 3})).await.expect("b conducts");
    let second = a.record(&key).await;
    assert_eq!(second.owner, "b");
    assert!(second.epoch > first.epoch);

    a.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("a's conductor ends, and b is asked");
    let third = a.record(&key).await;
    assert_eq!((third.owner.as_str(), third.epoch), ("b", second.epoch), "a wrote in its old reign");
    assert_eq!((third.controls.bpm, third.controls.meter.beats_per_bar), (60, 3), "b's change is lost");
}

#[tokio::test(start_paused = true)]
async fn a_conductor_whose_room_was_taken_over_steps_down_and_acknowledges_nothing() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let before = house.record(&key).await;
    let claim = TakeOver {
        expected_reign: None,
        from_beat: None,
        expected: Owner { node: "a".into(), incarnation: before.incarnation },
        claimant: Owner { node: "b".into(), incarnation: 999 },
        nonce: 1,
        highest_seen_epoch: 0,
        now_ms: 0,
    };
    let taken = house.store().take_over(&key, claim).await.expect("taken over");
    house.heard();
    house.store().refuse_takeovers();
    let answer = house.ask(&key, "mute_student", json!({"student_id": "ada"})).await;
    assert_eq!(answer, Err(ControlRefused::NoConductor));
    assert_eq!(house.record(&key).await, taken, "the successor's record stays as it is");
    assert_eq!(house.heard(), []);
    house.settle().await;
    assert_eq!(house.metrics.rooms.get(), 0, "it has stepped down");
}

#[tokio::test(start_paused = true)]
async fn a_deposed_conductor_cannot_close_the_room_either() {
    let Town { a, b, .. } = &Town::new().await;
    let (key, _guests) = a.class().await;
    give_to(b, &key).await;
    b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("b conducts");
    a.relay.loses(|body| matches!(body, Body::Call(_)));
    assert_eq!(a.ask(&key, "close_room", json!({})).await, Err(ControlRefused::NoConductor));
    assert_eq!(a.record(&key).await.controls.bpm, 60);
    b.ask(&key, "set_tempo", json!({"bpm": 61})).await.expect("b still conducts");
}

#[tokio::test(start_paused = true)]
async fn a_mirror_follows_no_conductor_of_an_earlier_reign() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    house.pass(1_000).await;
    // On the same node and in the same session, so that nothing but the epoch tells the two reigns apart.
    let successor = house.another_router();
    let faster = control("set_tempo", &json!({"bpm": 240}));
    successor.control(&key, actor("ms-ray", 1), faster, None).await.expect("the successor took the room up");
    house.heard();
    house.pass(5_000).await;
    let record = house.record(&key).await;
    let stamp = guests[0].room.lock().stamp;
    assert_eq!((stamp.epoch, stamp.nonce, stamp.rev), (record.epoch, record.nonce, record.controls.rev));
    let heard = house.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert!((19..=21).contains(&beats(&heard).len()), "the successor's tempo: {:?}", beats(&heard));
    assert!(house.metrics.exposition().contains("relay_messages_total{kind=\"fenced\"} 1\n"), "its first plan told it");
}
