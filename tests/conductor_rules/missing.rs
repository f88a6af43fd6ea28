//! Messages between two nodes that are lost on the way, and what is done about it.

use downbeat::{
    relay::{Body, Topic},
    room::RoomKey,
};
use serde_json::{Value, json};

use super::{
    ears::{Heard, assert_no_gap_and_no_repeat, beats, names, of},
    house::Guest,
    town::{Town, people},
};

fn is_update(body: &Body) -> bool {
    matches!(body, Body::RoomUpdate(_))
}

/// A changes the room while b hears nothing of it.
async fn unheard(town: &Town, key: &RoomKey) {
    town.a.relay.loses(is_update);
    town.a.ask(key, "set_tempo", json!({"bpm": 60})).await.expect("stored");
    town.a.ask(key, "assign_beat", json!({"student_id": "ada", "beat": 3})).await.expect("stored");
    town.a.ask(key, "lock_room", json!({})).await.expect("stored");
    town.a.settle().await;
    town.a.relay.heal();
}

async fn assert_caught_up(town: &Town, key: &RoomKey, guests: &[Guest; 3], heard: &[Heard]) {
    let record = town.a.record(key).await;
    for guest in guests {
        let state = guest.room.lock();
        assert_eq!(
            (state.stamp.epoch, state.stamp.nonce, state.stamp.rev),
            (record.epoch, record.nonce, record.controls.rev)
        );
        assert_eq!(state.room.controls, record.controls);
    }
    for event in ["tempo_changed", "beat_assignment_updated", "room_locked"] {
        assert_eq!(of(heard, event).count(), 1, "{event}: {:?}", names(heard));
    }
    let last = of(heard, "timeline").last().map(Heard::payload).expect("a timeline goes with them");
    assert_eq!((&last["epoch"], &last["rev"]), (&json!(record.epoch), &json!(record.controls.rev)));
}

#[tokio::test(start_paused = true)]
async fn changes_that_were_lost_on_the_way_are_told_with_the_next_plan() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    unheard(&town, &key).await;
    assert_eq!(names(&town.b.heard()), [""; 0]);
    assert_eq!(guests[2].room.lock().room.controls.bpm, 120, "b knows nothing of it");
    town.pass(1_100).await;
    let heard = town.b.heard();
    assert_caught_up(&town, &key, &guests, &heard).await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_were_lost_on_the_way_are_told_with_the_next_change() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    unheard(&town, &key).await;
    town.a.ask(&key, "set_meter", json!({"beats_per_bar": 3})).await.expect("stored");
    town.a.settle().await;
    let heard = town.b.heard();
    assert_caught_up(&town, &key, &guests, &heard).await;
    assert_eq!(of(&heard, "meter_changed").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_that_were_lost_on_the_way_are_told_once_the_relay_reports_a_gap() {
    for is_of_this_room in [true, false] {
        let town = Town::new().await;
        let (key, guests) = town.class().await;
        unheard(&town, &key).await;
        let topics = [Topic::Room(key.clone())];
        town.b.mirror.note_gap(is_of_this_room.then_some(&topics[..]));
        town.a.settle().await;
        let heard = town.b.heard();
        assert_caught_up(&town, &key, &guests, &heard).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_another_room_costs_no_look_at_this_one() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    unheard(&town, &key).await;
    let other = RoomKey { tenant: "other".into(), code: key.code.clone() };
    town.b.mirror.note_gap(Some(&[Topic::Room(other)]));
    town.a.settle().await;
    assert_eq!(guests[2].room.lock().room.controls.bpm, 120);
}

#[tokio::test(start_paused = true)]
async fn beats_follow_a_change_that_was_lost_on_the_way_within_a_second() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    unheard(&town, &key).await;
    town.pass(6_000).await;
    let (here, there) = (town.a.heard(), town.b.heard());
    assert_no_gap_and_no_repeat(&beats(&there));
    let late = |heard: &[Heard]| {
        let beats = of(heard, "beat").filter(|beat| beat.at_us > town.a.now_us() - 4_500_000);
        beats.map(|beat| (beat.at_us, beat.payload())).collect::<Vec<_>>()
    };
    assert_eq!(late(&here), late(&there));
    assert!(!late(&there).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_came_and_went_unheard_is_known_with_the_next_plan() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let [ray, ada, bob] = guests;
    town.a.relay.loses(is_update);
    let _cleo = town.a.join(&key, "cleo", 4).await;
    ada.leave().await;
    town.a.settle().await;
    town.a.relay.heal();
    assert!(people(&bob).contains_key("ada"));
    town.pass(1_500).await;
    assert_eq!(people(&bob), people(&ray));
    let diffs: Vec<Value> = of(&town.b.heard(), "presence_diff").map(Heard::payload).collect();
    assert_eq!(diffs.len(), 1);
    assert!(diffs[0]["joins"]["cleo"].is_object() && diffs[0]["leaves"]["ada"].is_object(), "{diffs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_or_two_that_are_lost_change_nothing() {
    let town = Town::new().await;
    let (_key, _guests) = town.class().await;
    let mut lost = 0;
    town.a.relay.loses(move |body| {
        lost += u32::from(matches!(body, Body::Plan(_)));
        lost <= 2
    });
    town.pass(4_000).await;
    let heard = town.b.heard();
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert!(of(&heard, "beat").all(|beat| beat.payload()["source"] == "clock"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hears_no_plans_is_in_holdover_and_relocks_with_the_next() {
    let town = Town::new().await;
    let (_key, _guests) = town.class().await;
    town.a.relay.loses(|body| matches!(body, Body::Plan(_)));
    town.pass(5_000).await;
    assert_eq!((town.a.metrics.rooms_in_holdover.get(), town.b.metrics.rooms_in_holdover.get()), (0, 1));
    town.a.relay.heal();
    town.pass(2_000).await;
    assert_eq!(town.b.metrics.rooms_in_holdover.get(), 0);
    assert_no_gap_and_no_repeat(&beats(&town.b.heard()));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_asked_for_until_it_can() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    unheard(&town, &key).await;
    town.a.store().go_away();
    town.pass(3_000).await;
    assert_eq!(guests[2].room.lock().room.controls.bpm, 120);
    assert_no_gap_and_no_repeat(&beats(&town.b.heard()));
    town.a.store().heal();
    town.pass(1_500).await;
    let record = town.a.record(&key).await;
    assert_eq!(guests[2].room.lock().room.controls, record.controls);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_a_new_reign_that_is_lost_is_made_up_for_by_its_plan() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    unheard(&town, &key).await;
    town.a.relay.loses(|body| matches!(body, Body::Snapshot(_)) || is_update(body));
    town.a.kill_conductor(&key).await;
    town.pass(1_500).await;
    let heard = town.b.heard();
    assert_caught_up(&town, &key, &guests, &heard).await;
    assert_no_gap_and_no_repeat(&beats(&heard));
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_closing_was_not_heard_ends_once_nobody_speaks_of_it() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.relay.loses(|_| true);
    town.a.ask(&key, "close_room", json!({})).await.expect("closed");
    assert!(!guests[2].room.lock().room.controls.closed, "b has heard nothing of it");
    town.pass(10_000).await;
    let heard = town.b.heard();
    assert_eq!(of(&heard, "room_closed").count(), 1);
    assert_eq!(heard.last().map(Heard::name), Some("-end"));
}
