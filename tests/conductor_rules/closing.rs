use downbeat::{conductor::ControlRefused, room::EMPTY_ROOM_LIFETIME_US};
use serde_json::json;

use super::{
    ears::{Heard, What, names},
    house::House,
};

const HOUR_S: i64 = EMPTY_ROOM_LIFETIME_US / 1_000_000;

#[tokio::test(start_paused = true)]
async fn closing_a_room_ends_every_channel_and_frees_its_code() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    house.pass(1_000).await;
    house.heard();
    house.ask(&key, "close_room", json!({})).await.expect("closed");
    let heard = house.heard();
    assert_eq!(names(&heard), ["room_closed", "-eject", "-eject", "-eject", "-end"]);
    let mut ended: Vec<u64> = heard.iter().flat_map(ejected).collect();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3]);
    assert_eq!(heard.last().map(|heard| &heard.what), Some(&What::Ended { for_good: true }));

    assert_eq!(house.stored(&key).await, None);
    assert_eq!(house.router.standing(&key).await, Err(ControlRefused::NotFound));
    let again = house.ask(&key, "close_room", json!({})).await;
    assert_eq!(again, Err(ControlRefused::NotFound));
    let late = house.try_join(&key, "cleo", 4).await.map(|_| ());
    assert_eq!(late, Err(ControlRefused::NotFound));
    assert_eq!(house.metrics.rooms.get(), 0);
    drop(guests);
}

fn ejected(heard: &Heard) -> Vec<u64> {
    match &heard.what {
        What::Ejected { connections, event } => {
            assert_eq!(*event, None);
            connections.clone()
        }
        _ => Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn no_beat_comes_after_a_room_is_closed() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.pass(1_000).await;
    house.ask(&key, "close_room", json!({})).await.expect("closed");
    house.heard();
    house.pass(3_000).await;
    assert_eq!(house.heard().iter().filter(|heard| heard.name() == "beat").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_student_who_is_removed_hears_why_and_everybody_else_stays() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let tablet = house.join(&key, "ada", 4).await;
    house.heard();
    house.ask(&key, "remove_student", json!({"student_id": "ada"})).await.expect("stored");
    let heard = house.heard();
    let last: Vec<_> = heard.iter().filter(|heard| heard.name() == "-eject").map(|heard| heard.what.clone()).collect();
    let farewell = ("removed_from_room", json!({"student_id": "ada"}));
    assert_eq!(last, [What::Ejected { connections: vec![2, 4], event: Some((farewell.0.to_owned(), farewell.1)) }]);
    assert_eq!(house.members(&key).await, 2);
    tablet.leave().await;
    assert!(house.try_join(&key, "ada", 5).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_room_is_closed_once_it_has_been_empty_for_an_hour() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    for guest in guests {
        guest.leave().await;
    }
    house.settle().await;
    house.doze(HOUR_S - 10).await;
    house.pass(2_000).await;
    assert!(house.stored(&key).await.is_some(), "not yet an hour");
    house.doze(10).await;
    house.pass(1_000).await;
    assert_eq!(house.stored(&key).await, None);
    assert_eq!(house.metrics.rooms.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_hour_begins_anew_when_somebody_has_come_and_gone() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    for guest in guests {
        guest.leave().await;
    }
    house.doze(HOUR_S - 10).await;
    house.join(&key, "ada", 5).await.leave().await;
    house.doze(HOUR_S - 10).await;
    house.pass(2_000).await;
    assert!(house.stored(&key).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_room_with_people_in_it_is_never_closed_for_being_quiet() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.doze(2 * HOUR_S).await;
    house.pass(1_000).await;
    assert!(house.stored(&key).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_ever_joined_is_closed_too() {
    let house = House::new().await;
    let key = house.open_room().await;
    house.doze(HOUR_S).await;
    house.pass(1_000).await;
    assert_eq!(house.stored(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_empty_room_waits_for_the_store() {
    let house = House::new().await;
    let key = house.open_room().await;
    house.store().refuse_writes();
    house.doze(HOUR_S).await;
    house.pass(2_000).await;
    assert!(house.stored(&key).await.is_some());
    house.store().heal();
    house.pass(1_000).await;
    assert_eq!(house.stored(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_conductor_dies_in_closing_it_is_closed_to_everybody_all_the_same() {
    let house = House::new().await;
    let (key, guests) = house.class().await;
    house.heard();
    house.store().panic_after_the_next_write();
    house.order_and_go(&key, "close_room", json!({})).await;
    house.pass(1_000).await;
    assert_eq!(house.stored(&key).await, None);
    let heard = house.heard();
    assert_eq!(heard.iter().filter(|heard| heard.what == What::Ended { for_good: true }).count(), 1);
    assert_eq!(heard.iter().filter(|heard| heard.name() == "room_closed").count(), 1);
    assert!(guests[0].room.lock().room.controls.closed);
}
