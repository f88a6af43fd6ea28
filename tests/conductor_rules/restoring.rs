//! A store that comes back empty, and is given everything back by the nodes.

use downbeat::{
    conductor::{ControlRefused, RequestId},
    room::RoomKey,
    store::Store,
};
use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats, of},
    house::{Guest, House, actor, control},
    town::{Town, people, stored_people},
};

/// The rooms are conducted again within TTL, margin and what a look takes.
const RESTORED_MS: i64 = 3_500;

async fn controls_of(house: &House, key: &RoomKey) -> (u64, u32) {
    let record = house.record(key).await;
    (record.epoch, record.controls.bpm)
}

fn assert_all_there(guests: &[Guest]) {
    for guest in guests {
        assert_eq!(people(guest).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_gets_the_room_back_under_a_higher_epoch_and_nobody_notices() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("stored");
    let before = town.a.record(&key).await;
    town.quiet();
    town.a.store().lose_everything();
    town.pass(RESTORED_MS).await;
    let after = town.a.record(&key).await;
    assert!(after.epoch > before.epoch);
    assert_eq!(after.controls, before.controls);
    assert_all_there(&guests);
    assert_eq!(stored_people(&town.a, &key).await, people(&guests[0]));
    town.b.ask(&key, "mute_student", json!({"student_id": "bob"})).await.expect("controls work again");
    town.pass(2_000).await;
    for house in [&town.a, &town.b] {
        let heard = house.heard();
        assert_no_gap_and_no_repeat(&beats(&heard));
        assert_eq!(of(&heard, "-end").count() + of(&heard, "-eject").count(), 0);
        assert_eq!(of(&heard, "control_lost").count(), 0);
        let left = of(&heard, "presence_diff").filter(|diff| diff.payload()["leaves"] != json!({})).count();
        assert_eq!(left, 0, "nobody left");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_a_room_over_before_everybody_has_had_time_to_give_back_what_he_knows() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let before = town.a.record(&key).await;
    town.a.store().lose_everything();
    let mut seen_back_ms = None;
    for waited_ms in (50..=1_000).step_by(50) {
        town.pass(50).await;
        if let Some(record) = town.a.stored(&key).await {
            seen_back_ms.get_or_insert(waited_ms);
            assert_eq!((record.epoch, record.nonce), (before.epoch, before.nonce), "taken over after {waited_ms} ms");
        }
    }
    assert!(seen_back_ms.is_some_and(|ms| ms <= 600), "{seen_back_ms:?}");
}

#[tokio::test(start_paused = true)]
async fn the_greatest_of_what_is_given_back_wins() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    // Whoever conducts dies with the store; c, which hears less than b, gives back first or last.
    town.a.relay.loses(|body| matches!(body, downbeat::relay::Body::RoomUpdate(_)));
    town.a.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("stored");
    assert_eq!(guests[2].room.lock().room.controls.bpm, 120, "b knows less");
    town.a.store().lose_everything();
    town.pass(RESTORED_MS).await;
    assert_eq!(controls_of(&town.a, &key).await.1, 90);
    assert_eq!(guests[2].room.lock().room.controls.bpm, 90);
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_conductor_s_node_died_with_the_store_is_given_back_by_the_gateways() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    town.a.freeze();
    town.a.store().lose_everything();
    town.pass(6_000).await;
    let after = town.b.record(&key).await;
    assert_eq!((&after.owner[..], &after.controls), ("b", &before.controls));
    assert!(after.epoch > before.epoch);
    assert_eq!(people(&guests[2]).keys().collect::<Vec<_>>(), ["bob"]);
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    town.b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("controls work again");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_has_nobody_in_it_comes_back_with_its_conductor() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    town.a.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("stored");
    town.pass(1_000).await;
    let before = controls_of(&town.a, &key).await;
    town.a.store().lose_everything();
    town.pass(RESTORED_MS).await;
    let after = controls_of(&town.a, &key).await;
    assert!(after.0 > before.0);
    assert_eq!(after.1, 90);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_closed_stays_closed() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    // b does not hear of it: to b, the room lives.
    town.a.relay.loses(|_| true);
    town.a.ask(&key, "close_room", json!({})).await.expect("closed");
    assert!(!guests[2].room.lock().room.controls.closed);
    town.a.relay.heal();
    town.a.store().lose_everything();
    // Before b would ask by itself why nobody speaks of the room.
    town.pass(1_500).await;
    assert_eq!(town.a.stored(&key).await, None);
    assert_eq!(town.a.router.standing(&key).await, Err(ControlRefused::NotFound));
    assert!(guests[2].room.lock().room.controls.closed, "b has learnt of it");
    assert_eq!(of(&town.b.heard(), "room_closed").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_control_that_was_acknowledged_before_the_loss_is_not_applied_again_after_it() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let request = RequestId { connection: 1, request: "7".into() };
    let reset = || control("reset_clock", &json!({}));
    let order = |house: &House| {
        let (router, key, request) = (house.router.clone(), key.clone(), request.clone());
        async move { router.control(&key, actor("ms-ray", 1), reset(), Some(request)).await }
    };
    order(&town.a).await.expect("stored");
    let run = town.a.record(&key).await.controls.run;
    town.a.store().lose_everything();
    town.pass(RESTORED_MS).await;
    assert_eq!(order(&town.b).await, Ok(json!({})));
    assert_eq!(town.a.record(&key).await.controls.run, run);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_the_store_is_empty_is_not_told_that_there_is_no_such_room() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.store().lose_everything();
    let asked = [town.a.begin(&key, "set_tempo", json!({"bpm": 61})), town.b.begin(&key, "lock_room", json!({}))];
    town.pass(RESTORED_MS + 1_500).await;
    for asked in asked {
        assert!(asked.is_finished());
        let answer = asked.await.expect("it runs");
        assert!(answer == Ok(json!({})) || answer == Err(ControlRefused::NoConductor), "{answer:?}");
    }
    assert_all_there(&guests);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_only_restarts_with_all_it_had_is_given_nothing() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.store().move_to("first");
    town.pass(1_000).await;
    let owners = async || -> Vec<_> {
        let owned = town.a.store().inner().owners().await.expect("in memory");
        owned.into_iter().map(|owned| (owned.key, owned.owner)).collect()
    };
    let before = owners().await;
    town.a.store().move_to("second");
    town.pass(3_000).await;
    assert_eq!(owners().await, before);
    assert_eq!(super::town::counted(&town.a, "losses", "room_given_back"), 0);
    assert!(town.a.stored(&key).await.is_some());
}
