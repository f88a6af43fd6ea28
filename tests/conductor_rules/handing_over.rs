//! Rooms that are given to another node on purpose: by a node that leaves, or to one that has joined.

use std::sync::{Arc, atomic::Ordering};

use downbeat::room::RoomKey;
use serde_json::json;

use super::{
    ears::{assert_no_gap_and_no_repeat, beats, of},
    house::{Guest, House},
    town::{Town, counted, pass_all, people},
};

/// A's node leaves: it says so, and hands everything over.
async fn drain(house: &House) -> usize {
    house.membership.load().draining.store(true, Ordering::Relaxed);
    house.membership.renew().await.expect("answered");
    house.lookout.look().await.expect("answered");
    house.router.hand_over_all().await
}

async fn assert_b_conducts(town: &Town, key: &RoomKey, guests: &[Guest; 3], before: u64) {
    let record = town.b.record(key).await;
    assert_eq!((&record.owner[..], record.incarnation), ("b", town.b.membership.incarnation()));
    assert!(record.epoch > before);
    assert_eq!((town.a.metrics.rooms.get(), town.b.metrics.rooms.get()), (0, 1));
    for guest in guests {
        assert_eq!(guest.room.lock().stamp.epoch, record.epoch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_handed_over_goes_on_with_the_same_timeline_in_a_higher_epoch() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    assert_eq!(drain(&town.a).await, 1);
    town.pass(5_000).await;
    assert_b_conducts(&town, &key, &guests, before.epoch).await;
    let after = town.b.record(&key).await;
    assert_eq!(after.controls, before.controls);
    for (house, guest) in [(&town.a, &guests[0]), (&town.b, &guests[2])] {
        let heard = house.heard();
        assert_no_gap_and_no_repeat(&beats(&heard));
        assert!(of(&heard, "beat").all(|beat| beat.payload()["source"] == "clock"));
        assert_eq!(of(&heard, "control_lost").count(), 0);
        assert_eq!(people(guest).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"], "nobody has left");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_is_lost_in_a_hand_over_and_none_is_done_twice() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    let held = town.a.store().hold_writes();
    let mut asked: Vec<_> = (0..4).map(|_| town.a.begin(&key, "reset_clock", json!({}))).collect();
    asked.extend((0..4).map(|_| town.b.begin(&key, "reset_clock", json!({}))));
    town.a.settle().await;
    let draining = drain(&town.a);
    let (handed_over, ()) = tokio::join!(draining, async {
        // Behind the hand-over in the mailbox, and asked of a node that has none any more.
        town.a.settle().await;
        asked.extend((0..4).map(|_| town.a.begin(&key, "reset_clock", json!({}))));
        asked.extend((0..4).map(|_| town.b.begin(&key, "reset_clock", json!({}))));
        town.a.settle().await;
        held.release();
    });
    assert_eq!(handed_over, 1);
    town.pass(3_000).await;
    for asked in asked {
        assert!(asked.is_finished());
        assert_eq!(asked.await.expect("it runs"), Ok(json!({})));
    }
    assert_b_conducts(&town, &key, &guests, before.epoch).await;
    assert_eq!(town.b.record(&key).await.controls.run, before.controls.run + 16);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_to_a_node_that_dies_at_once_is_survived() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    town.b.freeze();
    assert_eq!(drain(&town.a).await, 1);
    assert_eq!(town.a.record(&key).await.owner, "b", "which will never conduct it");
    // Nobody else is there: a stays after all.
    town.a.membership.load().draining.store(false, Ordering::Relaxed);
    town.pass(4_000).await;
    let after = town.a.record(&key).await;
    assert_eq!(after.owner, "a");
    assert!(after.epoch > before.epoch + 1);
    assert_eq!(after.controls, before.controls);
    assert_no_gap_and_no_repeat(&beats(&town.a.heard()));
    town.a.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("controls work again");
    assert_eq!(guests[0].room.lock().room.controls.bpm, 60);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_of_which_the_other_is_not_told_is_found_out_with_the_next_request() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    town.a.relay.loses(|body| matches!(body, downbeat::relay::Body::Call(_)));
    assert_eq!(drain(&town.a).await, 1);
    town.a.relay.heal();
    town.b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("stored");
    town.pass(1_500).await;
    assert_b_conducts(&town, &key, &guests, before.epoch).await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_the_store_does_not_take_leaves_the_room_where_it_is() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.store().refuse_takeovers();
    assert_eq!(drain(&town.a).await, 0);
    town.a.store().heal();
    town.a.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("a still conducts");
    assert_eq!(town.a.record(&key).await.owner, "a");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_hands_over_all_its_rooms() {
    let town = Town::new().await;
    let mut keys = Vec::new();
    for _ in 0..30 {
        keys.push(town.room_of("a").await);
    }
    assert_eq!(drain(&town.a).await, 30);
    town.pass(500).await;
    for key in &keys {
        assert_eq!(town.b.record(key).await.owner, "b");
    }
    assert_eq!((town.a.metrics.rooms.get(), town.b.metrics.rooms.get()), (0, 30));
    assert_eq!(counted(&town.a, "reigns", "handed_over"), 30);
    let here = town.a.open_room().await;
    town.a.settle().await;
    assert_eq!(town.b.record(&here).await.owner, "b", "who leaves gets no new rooms");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_joined_gets_its_share_once_the_ring_has_stood_still_and_a_few_at_a_time() {
    let a = House::new().await;
    let other =
        super::house::tenant("other", downbeat::auth::Limits { max_rooms_per_tenant: 1_000, ..Default::default() });
    for _ in 0..200 {
        a.router.create(&other, downbeat::room::CreateRoom::default(), "ms-ray").await.expect("there is space");
    }
    let (key, _guests) = a.class().await;
    a.pass(6_000).await;
    let b = House::on("b", a.world.clone()).await;
    let mut moved = Vec::new();
    for _ in 0..14 {
        pass_all(&[&a, &b], 1_000).await;
        moved.push(counted(&a, "reigns", "handed_over"));
    }
    assert_eq!(moved[..4], [0; 4], "the ring has not stood still for long enough: {moved:?}");
    assert!(moved.windows(2).all(|pair| pair[1] - pair[0] <= 50), "no more than fifty a second: {moved:?}");
    assert!(moved[6] > 0 && moved[13] > 60, "{moved:?}");
    assert_eq!(moved[12], moved[13], "all that is b's is there: {moved:?}");
    let view = Arc::clone(&a.directory);
    let share = a.store().inner();
    for downbeat::store::Owned { key, owner, .. } in downbeat::store::Store::owners(&*share).await.expect("in memory") {
        assert_eq!(view.named(&key).as_deref(), Some(owner.node.as_str()));
    }
    assert_no_gap_and_no_repeat(&beats(&a.heard().into_iter().filter(|heard| heard.key == key).collect::<Vec<_>>()));
}
