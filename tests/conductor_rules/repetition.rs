use downbeat::conductor::{ControlRefused, RequestId};
use serde_json::json;

use super::{
    ears::of,
    house::{House, actor, control},
};

#[tokio::test(start_paused = true)]
async fn a_control_that_is_repeated_is_applied_once_and_answered_the_same() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.heard();
    let first = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    let stored = house.record(&key).await;
    let second = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    assert!(first.is_ok());
    assert_eq!(first, second);
    assert_eq!(house.record(&key).await, stored);
    assert_eq!(of(&house.heard(), "clock_started").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_request_or_another_connection_is_no_repetition() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.ask_again(&key, "7", "reset_clock", json!({})).await.expect("stored");
    house.ask_again(&key, "8", "reset_clock", json!({})).await.expect("stored");
    let request = RequestId { connection: 9, request: "7".into() };
    let order = control("reset_clock", &json!({}));
    let answer = house.router.control(&key, actor("ms-ray", 9), order, Some(request)).await;
    assert_eq!(answer, Ok(json!({})));
    assert_eq!(house.record(&key).await.controls.run, 4);
}

#[tokio::test(start_paused = true)]
async fn the_next_conductor_knows_what_the_dead_one_had_acknowledged() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let first = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    let stored = house.record(&key).await;
    house.kill_conductor(&key).await;
    let second = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    assert_eq!((first, second), (Ok(json!({})), Ok(json!({}))));
    let taken_up = house.record(&key).await;
    assert!(taken_up.epoch > stored.epoch, "another conductor answered");
    assert_eq!(taken_up.controls, stored.controls, "and applied nothing");
}

#[tokio::test(start_paused = true)]
async fn a_conductor_that_dies_between_storing_and_answering_has_done_it_once() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let before = house.record(&key).await;
    house.store().panic_after_the_next_write();
    let answer = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    assert_eq!(answer, Ok(json!({})));
    let after = house.record(&key).await;
    assert!(after.epoch > before.epoch, "another conductor answered");
    assert_eq!(after.controls.run, before.controls.run + 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_failed_may_be_repeated_until_it_works() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.store().refuse_writes();
    let refused = house.ask_again(&key, "7", "reset_clock", json!({})).await;
    assert_eq!(refused, Err(ControlRefused::Unavailable));
    house.store().heal();
    assert_eq!(house.ask_again(&key, "7", "reset_clock", json!({})).await, Ok(json!({})));
    assert_eq!(house.record(&key).await.controls.run, 2);
}
