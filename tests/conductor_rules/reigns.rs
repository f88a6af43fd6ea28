use downbeat::room::EMPTY_ROOM_LIFETIME_US;
use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats, of},
    house::House,
};

#[tokio::test(start_paused = true)]
async fn a_conductor_that_fails_is_replaced_within_a_second_and_the_class_plays_on() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.ask(&key, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    house.pass(3_000).await;
    let before = house.record(&key).await;
    house.kill_conductor(&key).await;
    house.pass(1_000).await;
    assert_eq!(house.metrics.rooms.get(), 1, "conducted again, and nobody had to ask");
    let after = house.record(&key).await;
    assert!(after.epoch > before.epoch);
    assert_eq!(after.controls, before.controls, "timeline, run, mutes");
    assert_eq!(house.members(&key).await, 3);

    house.pass(3_000).await;
    let heard = house.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(beats(&heard).len(), 14, "7 s at 120 a minute, from 150 ms on");
    assert_eq!(of(&heard, "presence_diff").count(), 1, "the class came once");
    house.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("the new conductor conducts");
    house.ask(&key, "assign_beat", json!({"student_id": "bob", "beat": 1})).await.expect("it knows who is here");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_a_failed_conductor_is_answered_by_the_next_one() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let before = house.record(&key).await;
    house.store().panic_before_the_next_write();
    let answer = house.ask(&key, "set_tempo", json!({"bpm": 60})).await;
    assert_eq!(answer, Ok(json!({})));
    let after = house.record(&key).await;
    assert!(after.epoch > before.epoch);
    assert_eq!((after.controls.bpm, after.controls.rev), (60, before.controls.rev + 1));
}

#[tokio::test(start_paused = true)]
async fn a_room_waits_for_its_conductor_until_the_store_answers_again() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.kill_conductor_and_store(&key).await;
    house.pass(5_000).await;
    house.store().heal();
    house.pass(1_000).await;
    assert_eq!(house.metrics.rooms.get(), 1, "conducted again, and nobody had to ask");
    assert_no_gap_and_no_repeat(&beats(&house.heard()));
}

#[tokio::test(start_paused = true)]
async fn a_class_that_a_new_conductor_took_over_does_not_count_as_empty() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.kill_conductor(&key).await;
    house.pass(1_000).await;
    house.doze(EMPTY_ROOM_LIFETIME_US / 1_000_000 + 1).await;
    house.pass(1_000).await;
    assert!(house.stored(&key).await.is_some(), "three people are in it");
    assert_eq!(house.members(&key).await, 3);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_nobody_conducts_has_left() {
    let house = House::new().await;
    let (key, [_teacher, ada, _bob]) = house.class().await;
    house.kill_conductor_and_store(&key).await;
    let leaving = tokio::spawn(ada.leave());
    house.pass(1_000).await;
    house.store().heal();
    house.pass(2_000).await;
    assert!(leaving.is_finished());
    assert_eq!(house.members(&key).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_conductor_stored_and_could_not_tell_its_successor_brings_to_the_mirrors() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    house.heard();
    house.store().panic_after_the_next_write();
    house.order_and_go(&key, "set_tempo", json!({"bpm": 60})).await;
    house.pass(50).await;
    let record = house.record(&key).await;
    assert_eq!(record.controls.bpm, 60);
    assert_eq!(guests[0].room.lock().room.controls, record.controls);
    let heard = house.heard();
    let told: Vec<_> = of(&heard, "timeline").map(|timeline| timeline.payload()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["epoch"], &told[0]["rev"]), (&json!(record.epoch), &json!(record.controls.rev)));
}
