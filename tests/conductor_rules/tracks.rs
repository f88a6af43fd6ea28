//! What connections show of themselves in a room's presence, over two nodes: a conducts, and bob (3) is on b.

use std::{sync::Arc, time::Duration};

use downbeat::{
    conductor::ControlRefused,
    relay::{Body, CallFailed},
    room::{Join, Refusal, RoomKey, TokenRole},
    store::{MemberWrite, Store},
};
use serde_json::{Value, json};

use super::{
    ears::of,
    house::{Guest, House},
    presence::Seen,
    town::Town,
};

async fn track(house: &House, key: &RoomKey, student_id: &str, connection: u64, fields: Value) {
    let fields = Some(fields.to_string().into());
    house.router.track(key, student_id, connection, fields).await.expect("stored");
    house.settle().await;
}

async fn untrack(house: &House, key: &RoomKey, student_id: &str, connection: u64) {
    house.router.track(key, student_id, connection, None).await.expect("stored");
    house.settle().await;
}

/// Everybody's metas as the node of this guest would tell a newcomer; a person's in the order of their names.
fn presence(guest: &Guest) -> Value {
    let mut state: Value = serde_json::from_str(&guest.room.lock().roster.state_json()).expect("JSON");
    for person in state.as_object_mut().expect("people").values_mut() {
        let metas = person["metas"].as_array_mut().expect("metas");
        metas.sort_by_key(|meta| meta["phx_ref"].as_str().expect("a name").to_owned());
    }
    state
}

/// The only meta of a student.
fn meta(guest: &Guest, student_id: &str) -> Value {
    let metas = presence(guest)[student_id]["metas"].as_array().cloned().unwrap_or_default();
    assert_eq!(metas.len(), 1, "{metas:?}");
    metas[0].clone()
}

/// What b told its members of changes since it was last asked.
fn diffs(house: &House) -> Vec<Value> {
    of(&house.heard(), "presence_diff").map(|heard| heard.payload()).collect()
}

async fn stored_tracks(house: &House, key: &RoomKey) -> usize {
    let stored = house.store().inner().members(key).await.expect("it is in memory");
    stored.members.iter().map(|member| member.tracks.len()).sum()
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_tracks_takes_the_place_of_its_meta_on_every_node() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let plain = meta(&guests[0], "bob");
    let fields = json!({
        "instrument": "horn", "name": "Mallory", "role": "teacher", "joined_at": 1, "phx_ref": "x", "phx_ref_prev": "y",
    });
    track(&town.b, &key, "bob", 3, fields).await;
    let tracked = json!({
        "instrument": "horn", "name": "BOB", "role": "student", "joined_at": plain["joined_at"],
        "phx_ref": "3.1", "phx_ref_prev": "3",
    });
    town.pass(100).await;
    for (house, guest) in [(&town.a, &guests[0]), (&town.b, &guests[2])] {
        assert_eq!(meta(guest, "bob"), tracked);
        let told = json!({"joins": {"bob": {"metas": [tracked]}}, "leaves": {"bob": {"metas": [plain]}}});
        assert_eq!(diffs(house), [told]);
    }
    track(&town.b, &key, "bob", 3, json!({"instrument": "oboe"})).await;
    untrack(&town.a, &key, "bob", 3).await;
    track(&town.b, &key, "bob", 3, json!({"instrument": "horn"})).await;
    town.pass(100).await;
    for (house, guest) in [(&town.a, &guests[0]), (&town.b, &guests[2])] {
        let meta = meta(guest, "bob");
        assert_eq!((&meta["phx_ref"], &meta["phx_ref_prev"]), (&json!("3.4"), &json!("3")));
        let told = json!({"joins": {"bob": {"metas": [meta]}}, "leaves": {"bob": {"metas": [tracked]}}});
        assert_eq!(diffs(house), [told], "what came and went in between is not told");
    }
    untrack(&town.a, &key, "bob", 3).await;
    assert_eq!((meta(&guests[0], "bob"), meta(&guests[2], "bob")), (plain.clone(), plain));
}

#[tokio::test(start_paused = true)]
async fn each_track_is_one_change_of_the_members_and_the_same_again_is_none() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = town.a.record(&key).await;
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    let after = town.a.record(&key).await;
    assert_eq!(after.members_rev, before.members_rev + 1);
    assert_eq!(after.controls, before.controls);
    town.quiet();
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    untrack(&town.a, &key, "ada", 2).await;
    assert_eq!(town.a.record(&key).await.members_rev, after.members_rev);
    assert!(!town.a.relay.said().iter().any(|said| matches!(said.body, Body::RoomUpdate(_))));
    assert_eq!(meta(&guests[2], "bob")["phx_ref"], "3.1");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_later_to_a_node_that_knew_nothing_of_the_room_sees_it_too() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    let ray = town.a.join(&key, "ms-ray", 1).await;
    let _phone = town.a.join(&key, "ms-ray", 11).await;
    track(&town.a, &key, "ms-ray", 1, json!({"at": "desk"})).await;
    track(&town.a, &key, "ms-ray", 1, json!({"at": "door"})).await;
    let bob = town.b.join(&key, "bob", 3).await;
    town.a.settle().await;
    assert_eq!(presence(&bob), presence(&ray));
    assert_eq!(presence(&bob)["ms-ray"]["metas"][0]["at"], "door");
    assert_eq!(presence(&bob)["ms-ray"]["metas"][0]["phx_ref_prev"], "1.1");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_another_name_bears_it_in_every_meta_on_every_node() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    let ray = town.a.join(&key, "ms-ray", 1).await;
    let _ada = town.a.join(&key, "ada", 2).await;
    track(&town.a, &key, "ada", 2, json!({"seat": 1})).await;
    let join =
        |connection| Join { student_id: "ada".into(), name: "Ada L.".into(), role: TokenRole::Student, connection };
    town.a.router.admit(&key, join(22)).await.expect("let in");
    let bob = town.b.join(&key, "bob", 3).await;
    town.a.settle().await;
    assert_eq!(presence(&ray), presence(&bob));
    let metas = &presence(&bob)["ada"]["metas"];
    assert_eq!((&metas[0]["name"], &metas[1]["name"]), (&json!("Ada L."), &json!("Ada L.")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_s_fields_go_with_it() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    let [ray, _ada, bob] = guests;
    town.pass(100).await;
    town.quiet();
    bob.leave().await;
    town.pass(100).await;
    assert_eq!(diffs(&town.a)[0]["leaves"]["bob"]["metas"][0]["phx_ref"], "3.1");
    assert_eq!(stored_tracks(&town.a, &key).await, 0);
    let bob = town.b.join(&key, "bob", 3).await;
    town.a.settle().await;
    assert_eq!(meta(&bob, "bob")["phx_ref"], "3");
    assert_eq!(meta(&ray, "bob"), meta(&bob, "bob"));
}

#[tokio::test(start_paused = true)]
async fn only_a_member_s_own_connection_tracks() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let before = presence(&guests[0]);
    for (student_id, connection) in [("bob", 2), ("eve", 9), ("ada", 3)] {
        let refused = town.b.router.track(&key, student_id, connection, Some("{}".into())).await;
        assert_eq!(refused, Err(ControlRefused::Refused(Refusal::UnknownStudent)));
    }
    assert_eq!(presence(&guests[0]), before);
    town.a.ask(&key, "close_room", json!({})).await.expect("closed");
    let refused = town.b.router.track(&key, "bob", 3, Some("{}".into())).await;
    assert_eq!(refused, Err(ControlRefused::NotFound));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_not_shown() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.store().go_away();
    let refused = town.b.router.track(&key, "bob", 3, Some("{}".into())).await;
    assert_eq!(refused, Err(ControlRefused::Unavailable));
    town.a.store().heal();
    assert_eq!(meta(&guests[0], "bob")["phx_ref"], "3");
    track(&town.b, &key, "bob", 3, json!({})).await;
    assert_eq!(meta(&guests[2], "bob")["phx_ref"], "3.1");
}

#[tokio::test(start_paused = true)]
async fn a_takeover_keeps_what_everybody_tracks_and_goes_on_from_there() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    track(&town.b, &key, "bob", 3, json!({"seat": 3})).await;
    track(&town.a, &key, "ada", 2, json!({"seat": 2})).await;
    let _phone = town.a.join(&key, "bob", 33).await;
    track(&town.a, &key, "bob", 33, json!({"at": "phone"})).await;
    let before = presence(&guests[0]);
    town.a.kill_conductor(&key).await;
    town.pass(1_000).await;
    assert_eq!((presence(&guests[0]), presence(&guests[2])), (before.clone(), before.clone()));
    town.a.freeze();
    town.pass(6_000).await;
    assert_eq!(town.b.record(&key).await.owner, "b");
    assert_eq!(meta(&guests[2], "bob"), before["bob"]["metas"][1], "his phone was on a");
    assert_eq!(stored_tracks(&town.b, &key).await, 1, "what was tracked on a went with it");
    track(&town.b, &key, "bob", 3, json!({"seat": 4})).await;
    let after = meta(&guests[2], "bob");
    assert_eq!((&after["phx_ref"], &after["phx_ref_prev"]), (&json!("3.2"), &json!("3.1")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_missing_at_the_roll_call_takes_with_it_what_it_tracked() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let [ray, _ada, bob] = guests;
    let _phone = town.a.join(&key, "bob", 33).await;
    track(&town.a, &key, "bob", 33, json!({"at": "phone"})).await;
    track(&town.b, &key, "bob", 3, json!({"at": "desk"})).await;
    // Gone without a goodbye, and b was where nobody else is.
    bob.room.lock().unsettle(3);
    drop(bob);
    town.a.kill_conductor(&key).await;
    town.pass(1_000).await;
    assert_eq!(meta(&ray, "bob")["at"], "phone");
    assert_eq!(stored_tracks(&town.a, &key).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_lost_of_it_the_gateways_say_when_the_roll_is_called() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    track(&town.a, &key, "ada", 2, json!({"seat": 1})).await;
    town.a.store().lose_writes();
    track(&town.b, &key, "bob", 3, json!({"seat": 2})).await;
    untrack(&town.a, &key, "ada", 2).await;
    town.a.store().heal();
    let before = presence(&guests[0]);
    town.a.kill_conductor(&key).await;
    town.pass(2_000).await;
    assert_eq!((presence(&guests[0]), presence(&guests[2])), (before.clone(), before.clone()));
    assert_eq!(before["bob"]["metas"][0]["seat"], 2);
    assert_eq!(before["ada"]["metas"][0]["seat"], Value::Null, "untracked is later than tracked");
    let stored = town.a.store().inner().members(&key).await.expect("it is in memory");
    let versions: Vec<u64> =
        stored.members.iter().flat_map(|member| member.tracks.iter()).map(|(_, track)| track.version).collect();
    assert_eq!(versions, [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn who_is_given_back_by_his_gateway_shows_what_he_did() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    town.pass(100).await;
    town.quiet();
    let before = presence(&guests[0]);
    // b is not asked who is there: nothing that is stored names it.
    let record = town.a.record(&key).await;
    let gone = MemberWrite { student_id: "bob".into(), member: None };
    let store = town.a.store().inner();
    store.write_members(&key, &record.fence(), record.members_rev + 1, &[gone]).await.expect("stored");
    town.a.kill_conductor(&key).await;
    town.pass(6_000).await;
    assert_eq!((presence(&guests[0]), presence(&guests[2])), (before.clone(), before));
    assert_eq!(stored_tracks(&town.a, &key).await, 1);
    assert_eq!(diffs(&town.b).iter().filter(|diff| diff["leaves"]["bob"].is_object()).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_is_given_it_back() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    town.pass(100).await;
    town.quiet();
    let before = presence(&guests[0]);
    town.a.store().lose_everything();
    town.pass(3_500).await;
    assert_eq!(stored_tracks(&town.a, &key).await, 1);
    assert_eq!((presence(&guests[0]), presence(&guests[2])), (before.clone(), before));
    assert_eq!(diffs(&town.b), [Value::Null; 0], "nobody notices");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_shows_as_much_as_it_may_is_still_told_in_one_message() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    let ray = town.a.join(&key, "ms-ray", 1).await;
    let full = |letter: &str| json!({"a": letter.repeat((16 << 10) - r#"{"a":""}"#.len())});
    let mut guests = Vec::new();
    for connection in 100..116 {
        let student_id = format!("student-{connection}");
        guests.push(town.b.join(&key, &student_id, connection).await);
        track(&town.b, &key, &student_id, connection, full("x")).await;
    }
    let refused = town.a.router.track(&key, "ms-ray", 1, Some("{}".into())).await;
    assert_eq!(refused, Err(ControlRefused::Refused(Refusal::TrackedTooMuch)));
    // What the roll call alone can tell.
    town.a.store().lose_writes();
    track(&town.b, &key, "student-100", 100, full("y")).await;
    town.a.store().heal();
    let before = presence(&ray);
    town.a.kill_conductor(&key).await;
    town.pass(2_000).await;
    assert_eq!(presence(&ray), before);
    assert_eq!(before["student-100"]["metas"][0]["a"], full("y")["a"]);
    let c = House::on("c", town.world.clone()).await;
    let cleo = c.join(&key, "cleo", 4).await;
    town.a.settle().await;
    assert_eq!(presence(&cleo), presence(&ray));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_missed_it_reads_it_again() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.relay.loses(|body| matches!(body, Body::RoomUpdate(_)));
    track(&town.b, &key, "bob", 3, json!({"seat": 1})).await;
    assert_eq!(meta(&guests[2], "bob")["phx_ref"], "3");
    town.a.relay.heal();
    town.pass(2_000).await;
    assert_eq!(presence(&guests[2]), presence(&guests[0]));
    assert_eq!(meta(&guests[2], "bob")["phx_ref"], "3.1");
}

#[tokio::test(start_paused = true)]
async fn states_and_diffs_add_up_on_both_nodes_whatever_people_track() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let [ray, _ada, bob] = &guests;
    let mut seen = [ray, bob].map(|guest| Seen::of(&guest.room.lock().roster.state_json()));
    town.quiet();
    let mut visitors = Vec::new();
    for step in 0..120_u64 {
        let pick = step.wrapping_mul(2_654_435_761) >> 7;
        let house = if pick % 2 == 0 { &town.a } else { &town.b };
        match pick % 7 {
            0 => visitors.push(house.join(&key, &format!("student-{}", pick % 3), 100 + step).await),
            1 if !visitors.is_empty() => {
                let at = usize::try_from(pick).expect("64 bits") % visitors.len();
                visitors.swap_remove(at).leave().await;
            }
            2 => untrack(house, &key, "bob", 3).await,
            3 | 4 => track(house, &key, "bob", 3, json!({"seat": pick % 3})).await,
            _ => track(house, &key, "ada", 2, json!({"seat": pick % 3})).await,
        }
        if step == 50 {
            town.a.kill_conductor(&key).await;
        }
        if pick % 3 == 0 {
            town.pass(50).await;
        }
        if step % 30 == 29 {
            town.pass(1_000).await;
            assert_eq!(presence(ray), presence(bob), "after step {step}");
        }
    }
    town.pass(2_000).await;
    for ((house, guest), seen) in [(&town.a, ray), (&town.b, bob)].into_iter().zip(&mut seen) {
        diffs(house).iter().for_each(|diff| seen.take_in(diff));
        assert_eq!(*seen, Seen::of(&guest.room.lock().roster.state_json()));
    }
    assert_eq!(presence(ray), presence(bob));
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_a_release_does_not_know_stays_unanswered_and_breaks_nothing() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let unknown = json!({"key": key, "ask": {"of_the_next_release": {"student_id": "bob"}}});
    let call = rmp_serde::to_vec_named(&unknown).expect("plain data");
    let conductor: Arc<str> = "a".into();
    let answer = town.b.calls.ask(&conductor, "rooms", call, Duration::from_millis(100)).await;
    assert!(matches!(answer, Err(CallFailed::NoAnswer { .. })), "{answer:?}");
    town.b.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_track_that_nobody_answers_is_given_up_within_a_client_s_patience() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    // As a conductor of the release before does.
    town.b.relay.loses(|body| matches!(body, Body::Call(_)));
    let (router, asked) = (town.b.router.clone(), key.clone());
    let tracking = tokio::spawn(async move { router.track(&asked, "bob", 3, Some("{}".into())).await });
    town.pass(7_000).await;
    assert!(tracking.is_finished());
    assert_eq!(tracking.await.expect("it runs"), Err(ControlRefused::NoConductor));
    assert_eq!(meta(&guests[2], "bob")["phx_ref"], "3");
}
