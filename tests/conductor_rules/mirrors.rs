use downbeat::{
    conductor::ControlRefused,
    relay::{Body, Envelope, INBOX_CAPACITY, Relay, Topic, Usage},
    room::{Code, CodeLength, RoomKey},
    store::Store,
};
use serde_json::json;

use super::{ears::beats, house::House};

/// Whether a message to this room from another node reaches the house.
async fn hears(house: &House, key: &RoomKey) -> bool {
    house.settle().await;
    let (neighbour, _inbox) = house.world.bus.join("neighbour", INBOX_CAPACITY);
    let before = house.relay.figures().received;
    let envelope = Envelope { origin: "neighbour".into(), incarnation: 77, body: Body::Usage(Usage::default()) };
    neighbour.publish(&Topic::Room(key.clone()), envelope).expect("handed over");
    house.relay.figures().received > before
}

#[tokio::test(start_paused = true)]
async fn a_room_is_mirrored_and_heard_from_its_first_seat_to_its_last() {
    let house = House::new().await;
    let key = house.open_room().await;
    assert!(!hears(&house, &key).await);
    assert!(house.mirror.room(&key).is_none());

    let ray = house.join(&key, "ms-ray", 1).await;
    let ada = house.join(&key, "ada", 2).await;
    ray.leave().await;
    assert!(house.mirror.room(&key).is_some(), "ada is there");
    assert!(hears(&house, &key).await);
    assert_eq!(*house.ears.present.lock(), std::slice::from_ref(&key));
    assert_eq!(house.metrics.rooms_attended.get(), 1);

    ada.leave().await;
    assert!(house.mirror.room(&key).is_none());
    assert!(!hears(&house, &key).await);
    assert_eq!(*house.ears.present.lock(), []);
    assert_eq!(house.metrics.rooms_attended.get(), 0);
    house.heard();
    house.pass(2_000).await;
    assert_eq!(house.heard(), [], "nothing is computed for nobody");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_left_and_joined_again_is_heard_again() {
    let house = House::new().await;
    let key = house.open_room().await;
    for connection in 1..4 {
        house.join(&key, "ada", connection).await.leave().await;
    }
    let _ada = house.join(&key, "ada", 9).await;
    assert!(hears(&house, &key).await);
    assert_eq!(house.metrics.rooms_attended.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn codes_of_no_room_leave_nothing_behind() {
    let house = House::new().await;
    for number in 0..100 {
        let key = RoomKey { tenant: "acme".into(), code: Code::from_number(number, CodeLength::Four) };
        let refused = house.try_join(&key, "ada", 2).await.map(|_| ());
        assert_eq!(refused, Err(ControlRefused::NotFound));
        assert_eq!(house.router.standing(&key).await, Err(ControlRefused::NotFound));
        assert_eq!(house.ask(&key, "mute_all", json!({})).await, Err(ControlRefused::NotFound));
        assert!(house.mirror.room(&key).is_none());
        assert!(!hears(&house, &key).await);
    }
    assert_eq!((house.metrics.rooms.get(), house.metrics.rooms_attended.get()), (0, 0));
    assert_eq!(*house.ears.present.lock(), []);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_leaves_no_mirror_behind() {
    let house = House::new().await;
    let key = house.open_room().await;
    house.ask(&key, "lock_room", json!({})).await.expect("stored");
    assert!(house.try_join(&key, "ada", 2).await.is_err());
    assert!(house.mirror.room(&key).is_none());
    assert!(!hears(&house, &key).await);
    assert_eq!(house.metrics.rooms_attended.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_is_given_out_again_is_a_new_room_even_to_a_seat_of_the_old_one() {
    let house = House::new().await;
    let key = house.open_room().await;
    let created = house.record(&key).await;
    let old = house.join(&key, "ms-ray", 1).await;
    house.ask(&key, "close_room", json!({})).await.expect("closed");
    let closed_at_rev = old.room.lock().room.controls.rev;
    house.pass(1_000).await;

    let mut record = created;
    record.epoch += 1;
    record.controls.rev = closed_at_rev;
    record.controls.settings.autostart = false;
    house.store().create_room(record, 10).await.expect("the code is free");
    let ada = house.join(&key, "ada", 2).await;
    assert!(!ada.room.lock().room.controls.closed, "ada would be told that there is no such room");
    assert!(ada.room.lock().is_here("ada", 2));
    house.ask(&key, "start_clock", json!({})).await.expect("stored");
    house.heard();
    house.pass(1_000).await;
    assert_eq!(beats(&house.heard()), [0, 1]);
}
