use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats},
    house::House,
};

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_takes_up_every_room_with_its_timeline_and_a_higher_epoch() {
    let house = House::new().await;
    let (playing, guests) = house.class().await;
    let (silent, tempo) = (house.open_room().await, json!({"bpm": 77}));
    house.ask(&playing, "set_tempo", tempo.clone()).await.expect("stored");
    house.ask(&playing, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    house.ask(&silent, "set_tempo", tempo).await.expect("stored");
    house.pass(3_000).await;
    let before = [house.record(&playing).await, house.record(&silent).await];
    let world = house.world.clone();
    drop(guests);
    drop(house);

    let house = House::on("a", world).await;
    assert_eq!(house.router.search().await, Ok(2));
    house.settle().await;
    assert_eq!(house.metrics.rooms.get(), 2, "before anybody has joined");
    for (key, before) in [&playing, &silent].into_iter().zip(before) {
        let after = house.record(key).await;
        assert!(after.epoch > before.epoch);
        assert_eq!(Some(after.incarnation), house.membership.standing());
        assert_eq!(after.controls, before.controls);
    }
    let timeline = house.record(&playing).await.controls.timeline.expect("it runs");
    let _ada = house.join(&playing, "ada", 12).await;
    house.pass(5_000).await;
    let heard = house.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    for beat in heard.iter().filter(|heard| heard.name() == "beat").map(|heard| heard.payload()) {
        let due_us = timeline.time_of(beat["beat"].as_i64().expect("a number") * 1_000_000);
        assert_eq!(beat["at"], due_us as f64 / 1_000.0, "no beat is anchored anew");
    }
    assert_eq!(house.record(&playing).await.controls.run, 1, "the first join after the start starts no clock");
}

#[tokio::test(start_paused = true)]
async fn who_was_in_a_room_before_the_node_stopped_has_to_come_back() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    let world = house.world.clone();
    drop(guests);
    drop(house);
    let house = House::on("a", world).await;
    house.router.search().await.expect("answered");
    assert_eq!(house.members(&key).await, 0);
    let _ada = house.join(&key, "ada", 12).await;
    assert_eq!(house.members(&key).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_rooms_takes_up_none() {
    let house = House::new().await;
    assert_eq!(house.router.search().await, Ok(0));
    assert_eq!(house.metrics.rooms.get(), 0);
}
