//! A reign that began with less than was acknowledged, because the store has lost the last writes of the one before.

use downbeat::{
    relay::{Body, Envelope, Snapshot},
    room::RoomKey,
};
use serde_json::json;

use super::{
    ears::{Heard, assert_no_gap_and_no_repeat, beats, of},
    house::Guest,
    town::{Town, counted},
};

/// The last acknowledged changes of a's reign are lost by the store. Bob's gateway, b, knows of them.
async fn lost_by_the_store(town: &Town, key: &RoomKey) {
    town.a.store().lose_writes();
    town.a.ask(key, "set_tempo", json!({"bpm": 60})).await.expect("acknowledged");
    town.a.ask(key, "mute_student", json!({"student_id": "bob"})).await.expect("acknowledged");
    town.a.settle().await;
    town.a.store().heal();
    assert_eq!(town.a.record(key).await.controls.bpm, 120, "lost");
    town.quiet();
}

fn snapshot_in(said: &Envelope) -> Option<&Snapshot> {
    match &said.body {
        Body::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    }
}

fn bpm_and_mute(guest: &Guest) -> (u32, bool) {
    let state = guest.room.lock();
    (state.room.controls.bpm, state.room.controls.is_muted("bob"))
}

#[tokio::test(start_paused = true)]
async fn what_the_next_conductor_s_own_gateway_knows_is_put_back() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    lost_by_the_store(&town, &key).await;
    town.a.freeze();
    town.pass(4_000).await;
    let record = town.b.record(&key).await;
    assert_eq!((&record.owner[..], record.controls.bpm, record.controls.is_muted("bob")), ("b", 60, true));
    assert_eq!(bpm_and_mute(&guests[2]), (60, true));
    let heard = town.b.heard();
    assert_eq!(of(&heard, "control_lost").count(), 0);
    assert_eq!(of(&heard, "tempo_changed").count(), 0, "b's members knew it all along");
    assert_no_gap_and_no_repeat(&beats(&heard));
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_knows_is_put_back() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    // Nobody is on a but its conductor, which dies with all that it knew.
    let bob = town.b.join(&key, "bob", 3).await;
    let ray = town.b.join(&key, "ms-ray", 1).await;
    town.pass(1_000).await;
    lost_by_the_store(&town, &key).await;
    town.a.store().panic_before_the_next_write();
    town.a.order_and_go(&key, "reset_clock", json!({})).await;
    town.pass(2_000).await;
    let record = town.a.record(&key).await;
    assert_eq!((&record.owner[..], record.controls.bpm, record.controls.is_muted("bob")), ("a", 60, true));
    assert_eq!(bpm_and_mute(&bob), (60, true));
    assert_eq!(of(&town.b.heard(), "control_lost").count(), 0);
    let said = town.a.relay.said();
    let announced: Vec<u32> = said.iter().filter_map(snapshot_in).map(|snapshot| snapshot.controls.bpm).collect();
    assert!(!announced.is_empty() && announced.iter().all(|bpm| *bpm == 60), "asked for before the reign begins");
    drop(ray);
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_can_give_back_only_later_is_put_under_a_reign_that_has_changed_nothing() {
    let town = Town::new().await;
    let (key, guests) = late_gateway(&town).await;
    town.b.thaw();
    town.pass(7_000).await;
    let record = town.a.record(&key).await;
    assert_eq!((record.controls.bpm, record.controls.is_muted("bob")), (60, true));
    for guest in &guests {
        assert_eq!(bpm_and_mute(guest), (60, true));
    }
    assert_eq!(of(&town.b.heard(), "control_lost").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_back_because_others_have_changed_the_room_since_is_announced_as_lost() {
    let town = Town::new().await;
    let (key, guests) = late_gateway(&town).await;
    town.a.ask(&key, "set_meter", json!({"beats_per_bar": 3})).await.expect("stored");
    town.a.ask(&key, "set_tempo", json!({"bpm": 99})).await.expect("stored");
    town.quiet();
    town.b.thaw();
    town.pass(7_000).await;
    let record = town.a.record(&key).await;
    assert_eq!(
        (record.controls.bpm, record.controls.meter.beats_per_bar),
        (99, 3),
        "what was acknowledged since stays"
    );
    let lost: Vec<_> = of(&town.b.heard(), "control_lost").map(Heard::payload).collect();
    assert_eq!(lost.len(), 1, "said once: {lost:?}");
    assert!(lost[0]["rev"].is_u64());
    assert_eq!(counted(&town.a, "losses", "control_lost"), 1);
    for guest in &guests {
        assert_eq!(guest.room.lock().room.controls, record.controls);
    }
}

/// a conducts anew with less than b knows, and b cannot say so yet. Nobody on a knows it.
async fn late_gateway(town: &Town) -> (RoomKey, Vec<Guest>) {
    let key = town.room_of("a").await;
    let guests = vec![town.b.join(&key, "bob", 3).await, town.b.join(&key, "ms-ray", 1).await];
    town.pass(1_000).await;
    lost_by_the_store(town, &key).await;
    town.b.freeze();
    town.a.store().panic_before_the_next_write();
    town.a.order_and_go(&key, "reset_clock", json!({})).await;
    // The roll is called in vain for a moment; b's session outlives it.
    town.pass(1_000).await;
    assert_eq!(town.a.record(&key).await.controls.bpm, 120);
    assert_eq!(town.a.metrics.rooms.get(), 1, "a conducts again");
    (key, guests)
}
