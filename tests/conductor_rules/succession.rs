//! A room whose conductor's node dies, stands still or is cut off: who conducts it then.

use downbeat::{
    conductor::ControlRefused,
    relay::{Body, Envelope, Plan, Stamp},
    room::RoomKey,
    store::Store,
};
use serde_json::json;

use super::{
    ears::{Heard, assert_no_gap_and_no_repeat, beats, of},
    house::{Guest, House},
    town::{Town, counted, pass_all, people, stored_people},
};

/// TTL and a second, and what a step of this clock may add.
const TAKEN_OVER_WITHIN_MS: i64 = 3_050;

/// Waits until the record names this owner; answers how long that took.
async fn until_owned_by(town: &Town, key: &RoomKey, owner: &str) -> i64 {
    let mut waited_ms = 0;
    while town.b.record(key).await.owner != owner {
        town.pass(50).await;
        waited_ms += 50;
        assert!(waited_ms < 20_000, "{owner} never takes the room over");
    }
    waited_ms
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_conductor_s_node_died_is_conducted_again_within_ttl_and_a_second() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let before = town.b.record(&key).await;
    town.a.freeze();
    let waited_ms = until_owned_by(&town, &key, "b").await;
    assert!((1_500..=TAKEN_OVER_WITHIN_MS).contains(&waited_ms), "{waited_ms} ms");
    let after = town.b.record(&key).await;
    assert!(after.epoch > before.epoch);
    assert_eq!((after.incarnation, &after.taken_from[..]), (town.b.membership.incarnation(), "a"));
    assert_eq!(after.controls, before.controls);
    town.b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("controls work again");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ran_out_in_the_store_is_dead_at_the_next_look() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.freeze();
    let incarnation = town.a.membership.incarnation();
    assert_eq!(town.b.store().inner().close_session("a", incarnation).await, Ok(true));
    let waited_ms = until_owned_by(&town, &key, "b").await;
    assert!(waited_ms <= 1_000, "{waited_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn no_child_on_a_living_node_hears_the_conductor_s_node_die() {
    let town = Town::new().await;
    let (_key, guests) = town.class().await;
    town.pass(2_000).await;
    town.a.freeze();
    town.pass(10_000).await;
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(beats(&heard).len(), 24);
    let timeline = guests[2].room.lock().room.controls.timeline.clone().expect("it runs");
    for beat in of(&heard, "beat") {
        let due_us = timeline.time_of(beat.payload()["beat"].as_i64().expect("a number") * 1_000_000);
        assert!((0..50_000).contains(&(beat.at_us - due_us)), "late by {} µs", beat.at_us - due_us);
    }
    let last = of(&heard, "beat").last().map(Heard::payload).expect("beats");
    assert_eq!(last["source"], "clock");
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_dead_node_leave_within_five_seconds_and_nobody_else() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let _bob_too = town.a.join(&key, "bob", 9).await;
    town.pass(500).await;
    town.a.freeze();
    town.pass(5_000).await;
    assert_eq!(people(&guests[2]).into_iter().collect::<Vec<_>>(), [("bob".into(), ("BOB".into(), vec![3], false))]);
    assert_eq!(stored_people(&town.b, &key).await, people(&guests[2]));
    let left: Vec<String> = of(&town.b.heard(), "presence_diff")
        .flat_map(|diff| diff.payload()["leaves"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>())
        .collect();
    assert_eq!(left, ["ada", "bob", "ms-ray"], "bob's other connection");
}

#[tokio::test(start_paused = true)]
async fn members_of_a_node_that_dies_without_conducting_leave_as_well() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.b.freeze();
    town.pass(5_000).await;
    assert_eq!(people(&guests[0]).keys().collect::<Vec<_>>(), ["ada", "ms-ray"]);
    assert_eq!(stored_people(&town.a, &key).await, people(&guests[0]));
    assert_no_gap_and_no_repeat(&beats(&town.a.heard()));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_has_nobody_on_a_living_node_is_taken_over_too() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    let _ray = town.a.join(&key, "ms-ray", 1).await;
    town.pass(500).await;
    town.a.freeze();
    let waited_ms = until_owned_by(&town, &key, "b").await;
    assert!(waited_ms <= TAKEN_OVER_WITHIN_MS, "{waited_ms} ms");
    town.pass(3_000).await;
    assert_eq!(town.b.members(&key).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_the_conductor_is_dead_is_answered_by_the_next() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.freeze();
    let asked = town.b.begin(&key, "set_tempo", json!({"bpm": 66}));
    town.pass(TAKEN_OVER_WITHIN_MS + 450).await;
    assert!(asked.is_finished());
    assert_eq!(asked.await.expect("it runs"), Ok(json!({})));
    assert_eq!(town.b.record(&key).await.controls.bpm, 66);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_frozen_comes_back_as_a_gateway_and_follows_the_new_conductor() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.freeze();
    town.pass(10_000).await;
    town.b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("b conducts");
    let taken = town.b.record(&key).await;
    town.quiet();
    town.a.thaw();
    town.pass(3_000).await;
    let now = town.b.record(&key).await;
    assert_eq!(
        (now.owner, now.epoch, now.controls),
        (taken.owner, taken.epoch, taken.controls.clone()),
        "a writes nothing"
    );
    let stale = |said: &Envelope| match &said.body {
        Body::Plan(Plan { stamp, .. }) => stamp.epoch < taken.epoch,
        Body::RoomUpdate(update) => update.stamp.epoch < taken.epoch,
        Body::Snapshot(snapshot) => snapshot.stamp.epoch < taken.epoch,
        _ => false,
    };
    assert!(!town.a.relay.said().iter().any(stale), "nothing stale is said");
    assert_eq!((town.a.metrics.rooms.get(), town.b.metrics.rooms.get()), (0, 1), "a's conductor has ended");
    let stamp = guests[0].room.lock().stamp;
    assert_eq!((stamp.epoch, stamp.nonce, stamp.rev), (taken.epoch, taken.nonce, taken.controls.rev));
    assert_eq!(guests[0].room.lock().room.controls.bpm, 60);
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(of(&heard, "control_lost").count(), 0, "nothing was lost");
    // Its members may have been taken for gone once more before a look showed it: the next reconciliation returns them.
    town.pass(4_000).await;
    assert_eq!(people(&guests[0]), people(&guests[2]), "a's members are back");
    assert_eq!(people(&guests[2]).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_a_frozen_node_was_about_to_publish_is_dropped_and_counted() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.relay.said();
    town.pass(1_000).await;
    let old = town.a.relay.said().into_iter().find(|said| matches!(said.body, Body::Plan(_))).expect("a plan");
    town.a.freeze();
    town.pass(4_000).await;
    town.b.ask(&key, "set_tempo", json!({"bpm": 240})).await.expect("b conducts");
    town.pass(500).await;
    town.quiet();
    let before = (guests[2].room.lock().stamp, counted(&town.b, "relay_messages", "fenced"));
    town.b.mirror.hear(&key, old);
    assert_eq!(guests[2].room.lock().stamp, before.0);
    assert_eq!(counted(&town.b, "relay_messages", "fenced"), before.1 + 1);
    town.pass(2_000).await;
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert!((7..=9).contains(&beats(&heard).len()), "b's tempo: {:?}", beats(&heard));
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_session_lapsed_takes_its_own_rooms_back_at_once() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let (before, mine) = (town.a.record(&key).await, town.a.membership.incarnation());
    town.a.renews.set(false);
    town.pass(1_700).await;
    assert_eq!(town.a.membership.standing(), None);
    town.a.renews.set(true);
    town.pass(1_000).await;
    let after = town.a.record(&key).await;
    assert_eq!((&after.owner[..], after.incarnation), ("a", town.a.membership.incarnation()));
    assert!(after.incarnation != mine && after.epoch > before.epoch);
    town.pass(5_000).await;
    assert_eq!(town.b.record(&key).await.epoch, after.epoch, "b leaves it be");
    assert_eq!(people(&guests[2]).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"]);
    assert_eq!(guests[2].room.lock().stamp.epoch, after.epoch);
    assert_no_gap_and_no_repeat(&beats(&town.b.heard()));
    assert_no_gap_and_no_repeat(&beats(&town.a.heard()));
}

#[tokio::test(start_paused = true)]
async fn its_own_rooms_a_node_takes_back_even_while_others_rooms_are_barred() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.store().move_to("first");
    town.pass(5_000).await;
    town.a.renews.set(false);
    town.pass(1_700).await;
    town.a.store().move_to("second");
    town.pass(300).await;
    town.a.renews.set(true);
    town.pass(1_000).await;
    let after = town.a.record(&key).await;
    assert_eq!((&after.owner[..], after.incarnation), ("a", town.a.membership.incarnation()));
    assert!(town.a.directory.is_barred(town.a.now_us()), "still");
    town.b.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("controls work again");
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_over_others_rooms_right_after_the_store_has_moved_to_another_server() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.a.store().move_to("first");
    town.pass(10_000).await;
    town.a.freeze();
    town.pass(1_800).await;
    town.a.store().move_to("second");
    town.pass(2_400).await;
    assert_eq!(town.b.record(&key).await.owner, "a", "the session of a may have been lost with the last writes");
    let waited_ms = until_owned_by(&town, &key, "b").await;
    assert!(waited_ms <= 1_500, "{waited_ms} ms");
    assert_no_gap_and_no_repeat(&beats(&town.b.heard()));
}

#[tokio::test(start_paused = true)]
async fn a_conductor_re_asserts_its_reign_when_the_store_has_moved_to_another_server() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.store().move_to("first");
    town.pass(5_000).await;
    let before = town.a.record(&key).await;
    town.a.store().move_to("second");
    town.pass(1_000).await;
    let after = town.a.record(&key).await;
    assert_eq!((&after.owner, &after.controls), (&before.owner, &before.controls));
    assert!(after.epoch > before.epoch);
    assert_eq!(guests[2].room.lock().stamp.epoch, after.epoch);
    assert_eq!(people(&guests[2]), people(&guests[0]));
}

#[tokio::test(start_paused = true)]
async fn a_conductor_whose_plans_are_too_low_for_a_gateway_re_asserts_above_what_it_knows() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    let known = Stamp { epoch: before.epoch + 1_000_000, nonce: 5, rev: before.controls.rev };
    guests[2].room.lock().stamp = known;
    assert!(guests[2].room.lock().stamp > guests[0].room.lock().stamp);
    town.pass(2_000).await;
    let after = town.a.record(&key).await;
    assert!(after.epoch > known.epoch, "b would be deaf for ever");
    assert_eq!(after.owner, "a");
    assert_eq!(guests[2].room.lock().stamp.epoch, after.epoch);
    town.a.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("stored");
    town.a.settle().await;
    assert_eq!(guests[2].room.lock().room.controls.bpm, 60);
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(of(&heard, "control_lost").count(), 0, "nothing was lost");
    // Its members may have been taken for gone once more before a look showed it: the next reconciliation returns them.
    town.pass(4_000).await;
    assert_eq!(people(&guests[0]), people(&guests[2]), "a's members are back");
    assert_eq!(people(&guests[2]).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_when_all_others_are_dead_takes_their_rooms_up() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let incarnation = town.a.membership.incarnation();
    town.a.freeze();
    town.b.freeze();
    for (node, incarnation) in [("a", incarnation), ("b", town.b.membership.incarnation())] {
        assert_eq!(town.a.store().inner().close_session(node, incarnation).await, Ok(true));
    }
    town.world.clock.advance(20_000);
    let c = House::on("c", town.world.clone()).await;
    // A look and a question never come in the same microsecond.
    town.world.clock.advance(7_777);
    let mut asked = c.begin(&key, "set_tempo", json!({"bpm": 77}));
    for _ in 0..60 {
        town.world.clock.advance(7_777);
        pass_all(&[&c], 50).await;
    }
    assert_eq!((&mut asked).await.expect("it runs"), Ok(json!({})));
    assert_eq!(c.record(&key).await.owner, "c");
}

#[tokio::test(start_paused = true)]
async fn three_nodes_agree_on_who_takes_a_dead_node_s_rooms_over() {
    let town = Town::new().await;
    let c = House::on("c", town.world.clone()).await;
    pass_all(&[&town.a, &town.b, &c], 600).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(town.room_of("a").await);
    }
    town.a.freeze();
    pass_all(&[&town.b, &c], TAKEN_OVER_WITHIN_MS).await;
    let mut owners = Vec::new();
    for key in &keys {
        owners.push(town.b.record(key).await.owner);
        assert_eq!(town.b.directory.named(key).as_deref(), owners.last().map(String::as_str));
        assert_eq!(town.b.directory.named(key), c.directory.named(key));
    }
    assert!(owners.contains(&"b".to_owned()) && owners.contains(&"c".to_owned()), "{owners:?}");
    let reigns = |house: &House| counted(house, "reigns", "taken_over");
    assert_eq!(reigns(&town.b) + reigns(&c), 20, "each room is taken over once");
}

#[tokio::test(start_paused = true)]
async fn a_conductor_s_node_that_cannot_be_reached_is_asked_and_not_deposed_while_it_lives() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    town.b.relay.loses(|_| true);
    let asked = town.b.begin(&key, "set_tempo", json!({"bpm": 60}));
    town.pass(20_000).await;
    assert_eq!(asked.await.expect("it runs"), Err(ControlRefused::NoConductor));
    assert_eq!(town.a.record(&key).await.epoch, before.epoch);
    assert!(present(&guests[0], "bob"), "b's session lives");
}

fn present(guest: &Guest, student_id: &str) -> bool {
    people(guest).contains_key(student_id)
}
