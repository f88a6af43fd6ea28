use serde_json::{Value, json};

use super::{
    ears::{Heard, assert_no_gap_and_no_repeat, beats, names, of},
    house::{HOLDOVER_US, House},
};

/// What is heard while no plan comes for `ms`.
async fn without_plans(house: &House, ms: i64) -> Vec<Heard> {
    house.ticks.set(false);
    house.pass(ms).await;
    house.heard()
}

fn sources(heard: &[Heard], name: &str) -> Vec<Value> {
    of(heard, name).map(|heard| heard.payload()["source"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_room_without_plans_plays_on_and_says_so_after_three_intervals() {
    let house = House::new().await;
    let (_key, _guests) = house.class().await;
    house.pass(2_000).await;
    let mut heard = house.heard();
    let silent_from_us = house.now_us();
    heard.extend(without_plans(&house, 10_000).await);

    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(beats(&heard).len(), 24);
    let relocks: Vec<_> = of(&heard, "timeline").filter(|heard| heard.payload()["source"] == "holdover").collect();
    let after_us = relocks[0].at_us - silent_from_us;
    assert!((2_000_000..=3_200_000).contains(&after_us), "the last plan was up to a second old: {after_us} µs");
    let says_so = |heard: &&Heard| heard.payload()["source"] == "holdover";
    let of_holdover: Vec<_> = of(&heard, "beat").filter(says_so).collect();
    assert!(of_holdover.iter().all(|beat| beat.at_us >= relocks[0].at_us));
    assert!((14..=16).contains(&of_holdover.len()), "every beat from then on: {}", of_holdover.len());
    assert_eq!(house.metrics.rooms_in_holdover.get(), 1);
    let counted_s = house.metrics.holdover_seconds.get();
    let lasted_s = of_holdover.len() as f64 * 0.5;
    assert!((counted_s - lasted_s).abs() < 0.6, "{counted_s} s are counted, and it lasted {lasted_s} s");
}

#[tokio::test(start_paused = true)]
async fn plans_that_come_each_second_never_let_a_room_into_holdover() {
    let house = House::new().await;
    let (_key, _guests) = house.class().await;
    house.pass(30_000).await;
    let heard = house.heard();
    assert!(sources(&heard, "timeline").iter().all(|source| source == "clock"));
    assert!(sources(&heard, "beat").iter().all(|source| source == "clock"));
    assert_eq!(house.metrics.rooms_in_holdover.get(), 0);
    assert_eq!(house.metrics.holdover_seconds.get(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_the_clock_is_lost_once_and_the_beats_end() {
    let house = House::new().await;
    let (_key, _guests) = house.class().await;
    house.pass(2_000).await;
    house.heard();
    let silent_from_us = house.now_us();
    let heard = without_plans(&house, HOLDOVER_US / 1_000 + 10_000).await;
    let lost: Vec<_> = of(&heard, "clock_lost").collect();
    assert_eq!(lost.len(), 1);
    let since_us = lost[0].payload()["since"].as_f64().expect("a time in ms") * 1_000.0;
    let silent_us = lost[0].at_us as f64 - since_us;
    assert!((silent_us - HOLDOVER_US as f64).abs() < 200_000.0, "{silent_us}");
    assert!((0.0..=1_000_000.0).contains(&(silent_from_us as f64 - since_us)), "since the last plan");
    let last_beat = of(&heard, "beat").last().expect("beats before");
    assert!(last_beat.at_us <= lost[0].at_us);
    assert!(last_beat.at_us > lost[0].at_us - 600_000, "they go on until the limit");
}

#[tokio::test(start_paused = true)]
async fn when_a_plan_comes_again_the_clock_is_restored_and_the_same_timeline_goes_on() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let timeline = house.record(&key).await.controls.timeline.expect("it runs");
    house.pass(2_000).await;
    without_plans(&house, HOLDOVER_US / 1_000 + 10_000).await;
    house.ticks.set(true);
    house.pass(3_000).await;
    let heard = house.heard();
    assert_eq!(of(&heard, "clock_restored").count(), 1);
    assert_eq!(names(&heard)[..2], ["clock_restored", "timeline"]);
    assert_eq!(of(&heard, "timeline").next().map(|heard| heard.payload()["source"].clone()), Some(json!("clock")));
    assert_no_gap_and_no_repeat(&beats(&heard));
    for beat in of(&heard, "beat").map(Heard::payload) {
        let due_us = timeline.time_of(beat["beat"].as_i64().expect("a number") * 1_000_000);
        assert_eq!(beat["at"], due_us as f64 / 1_000.0, "no beat is anchored anew");
        assert_eq!(beat["source"], "clock");
    }
    let restored_us = of(&heard, "clock_restored").map(|heard| heard.at_us).sum::<i64>();
    let first = of(&heard, "beat").next().map(|beat| beat.payload()["at"].as_f64().expect("ms"));
    assert!(first >= Some(restored_us as f64 / 1_000.0), "the beats of the silence are not made up for");
}

#[tokio::test(start_paused = true)]
async fn out_of_holdover_the_timeline_comes_before_the_beats_that_follow_it() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    without_plans(&house, 5_000).await;
    house.ask(&key, "set_tempo", json!({"bpm": 240})).await.expect("stored");
    house.pass(1_000).await;
    let heard = house.heard();
    let first = |name: &str| heard.iter().position(|heard| heard.name() == name).expect(name);
    assert!(first("timeline") < first("beat"));
    assert!(sources(&heard, "beat").iter().all(|source| source == "clock"));
    let late = of(&heard, "beat").map(|beat| beat.at_us as f64 / 1_000.0 - beat.payload()["at"].as_f64().expect("ms"));
    assert!(late.into_iter().all(|ms| (0.0..=50.0).contains(&ms)), "the faster beats are woken for in time");
}
