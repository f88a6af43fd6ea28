use std::collections::HashSet;

use downbeat::{
    auth::Limits,
    conductor::{ControlRefused, CreateRefused},
    room::{CreateRoom, RoomKey},
    store::{RoomRecord, Store},
};
use serde_json::json;

use super::{
    ears::names,
    house::{House, tenant},
};

fn with_rooms(max_rooms_per_tenant: u32) -> Limits {
    Limits { max_rooms_per_tenant, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn no_two_rooms_of_a_tenant_have_one_code() {
    let house = House::new().await;
    let acme = tenant("acme", with_rooms(1_000));
    let mut codes = HashSet::new();
    // By chance alone, about fifty of a thousand codes of four digits would be drawn twice.
    for _ in 0..1_000 {
        let made = house.router.create(&acme, CreateRoom::default(), "ms-ray").await.expect("there is space");
        assert!(codes.insert(made.room_id.clone()), "{} was given out twice", made.room_id);
    }
    assert_eq!(house.store().live_rooms("acme").await, Ok(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_its_rooms_and_no_more_until_one_is_closed() {
    let house = House::new().await;
    let (acme, other) = (tenant("acme", with_rooms(2)), tenant("other", with_rooms(2)));
    let create = |of| house.router.create(of, CreateRoom::default(), "ms-ray");
    let first = create(&acme).await.expect("the first");
    create(&acme).await.expect("the second");
    assert_eq!(create(&acme).await, Err(CreateRefused::TooManyRooms { limit: 2 }));
    assert!(create(&other).await.is_ok(), "another tenant's rooms do not count");

    let key = RoomKey { tenant: "acme".into(), code: first.room_id };
    house.ask(&key, "close_room", json!({})).await.expect("closed");
    assert!(create(&acme).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn two_tenants_may_own_one_code_and_nothing_crosses() {
    let house = House::new().await;
    let ours = house.open_room().await;
    let theirs = RoomKey { tenant: "other".into(), code: ours.code.clone() };
    let twin = RoomRecord { key: theirs.clone(), ..house.record(&ours).await };
    house.store().create_room(twin, 10).await.expect("a code of their own");

    let _ray = house.join(&ours, "ms-ray", 1).await;
    let _ada = house.join(&ours, "ada", 2).await;
    let untouched = house.record(&theirs).await;
    assert_eq!(untouched.controls.run, 0, "our first join starts our clock");
    let _bob = house.join(&theirs, "bob", 3).await;
    assert_eq!((house.members(&ours).await, house.members(&theirs).await), (2, 1));
    house.heard();

    house.ask(&ours, "set_tempo", json!({"bpm": 60})).await.expect("stored");
    house.ask(&ours, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    let unknown = house.ask(&theirs, "mute_student", json!({"student_id": "ada"})).await;
    assert!(matches!(unknown, Err(ControlRefused::Refused(_))), "ada is not with them");
    house.pass(1_000).await;
    let (heard_here, heard_there): (Vec<_>, Vec<_>) = house.heard().into_iter().partition(|heard| heard.key == ours);
    assert!(names(&heard_here).contains(&"student_muted"));
    assert_eq!(names(&heard_there), ["presence_diff"], "bob himself, and nothing of ours");
    assert_eq!(house.record(&theirs).await.controls.bpm, 120);

    house.ask(&ours, "close_room", json!({})).await.expect("closed");
    assert_eq!(house.stored(&ours).await, None);
    house.heard();
    house.pass(1_000).await;
    assert!(house.heard().iter().any(|heard| heard.key == theirs && heard.name() == "beat"));
    assert_eq!(house.members(&theirs).await, 1);
    let (rooms, _) = house.router.list("other", 10, None).await.expect("answered");
    assert_eq!(rooms.len(), 1);
    let (rooms, _) = house.router.list("acme", 10, None).await.expect("answered");
    assert_eq!(rooms.len(), 0);
}
