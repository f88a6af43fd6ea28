//! What must hold on every gateway before it is acknowledged.

use downbeat::{
    conductor::NoteLimits,
    relay::Body,
    room::{Note, TokenRole},
};
use serde_json::{Value, json};

use super::{
    ears::of,
    house::Guest,
    town::{Town, pass_all},
};

fn plays(guest: &Guest, student_id: &str) -> bool {
    let (note, limits) = (Note { midi: 60, velocity: 64, played: None }, NoteLimits { student: 10, teacher: 50 });
    guest.room.play(student_id, guest.connection, TokenRole::Student, note, limits).is_ok()
}

/// Every control that takes a student's notes away, bob's.
fn silencers() -> [(&'static str, Value); 4] {
    [
        ("mute_student", json!({"student_id": "bob"})),
        ("mute_all", json!({})),
        ("assign_role", json!({"student_id": "bob", "role": "listener"})),
        ("remove_student", json!({"student_id": "bob"})),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_mute_is_acknowledged_only_once_the_other_gateway_has_confirmed_it() {
    for (event, payload) in silencers() {
        let town = Town::new().await;
        let (key, guests) = town.class().await;
        town.b.freeze();
        let asked = town.a.begin(&key, event, payload);
        town.a.settle().await;
        assert!(plays(&guests[2], "bob"), "{event}: b has not heard of it");
        assert!(!asked.is_finished(), "{event}: acknowledged while bob can play");
        town.b.thaw();
        town.a.settle().await;
        assert!(asked.is_finished(), "{event}");
        assert_eq!(asked.await.expect("it runs"), Ok(json!({})), "{event}");
        assert!(!plays(&guests[2], "bob"), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_conductor_goes_on_with_other_requests_while_a_mute_is_being_confirmed() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.b.freeze();
    let muting = town.a.begin(&key, "mute_student", json!({"student_id": "bob"}));
    town.a.settle().await;
    let tempo = town.a.begin(&key, "set_tempo", json!({"bpm": 60}));
    town.a.settle().await;
    assert!(tempo.is_finished() && !muting.is_finished());
    pass_all(&[&town.a, &town.b], 1_000).await;
    assert!(!muting.is_finished(), "b still lives");
    assert_eq!(guests[0].room.lock().room.controls.bpm, 60);
}

#[tokio::test(start_paused = true)]
async fn a_mute_waits_for_a_dead_gateway_no_longer_than_its_session_lives() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    town.b.freeze();
    let muting = town.a.begin(&key, "mute_student", json!({"student_id": "bob"}));
    let mut waited_ms = 0;
    while !muting.is_finished() {
        town.pass(50).await;
        waited_ms += 50;
        assert!(waited_ms < 10_000, "nobody will ever answer");
    }
    assert!((2_000..4_500).contains(&waited_ms), "{waited_ms} ms");
    assert_eq!(muting.await.expect("it runs"), Ok(json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_mute_whose_news_was_lost_on_the_way_holds_on_the_other_node_all_the_same() {
    for (event, payload) in silencers() {
        let town = Town::new().await;
        let (key, guests) = town.class().await;
        town.a.relay.loses(|body| matches!(body, Body::RoomUpdate(_)));
        town.a.ask(&key, event, payload).await.expect("acknowledged");
        assert!(!plays(&guests[2], "bob"), "{event}");
        town.pass(7_000).await;
        assert!(!plays(&guests[2], "bob"), "{event}");
        let heard = town.b.heard();
        let told = heard.iter().filter(|heard| heard.name().contains("mute") || heard.name().contains("role"));
        let sent_away = of(&heard, "student_removed").count();
        // mute_all names ada and bob.
        let expected = if event == "mute_all" { 2 } else { 1 };
        assert_eq!(told.count() + sent_away, expected, "{event}: it is told there, once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_under_way_from_a_gateway_that_does_not_know_of_the_mute_yet_is_dropped_by_the_others() {
    for (event, payload) in silencers() {
        let town = Town::new().await;
        let (key, guests) = town.class().await;
        town.b.freeze();
        let muting = town.a.begin(&key, event, payload);
        town.a.settle().await;
        assert!(plays(&guests[2], "bob"), "{event}: b has not heard of it");
        town.a.settle().await;
        assert_eq!(of(&town.a.heard(), "student_note").count(), 0, "{event}");
        town.b.thaw();
        town.a.settle().await;
        assert_eq!(muting.await.expect("it runs"), Ok(json!({})));
        assert!(!plays(&guests[2], "bob"), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_holds_on_the_other_node_before_its_list_of_members_is_there() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.relay.loses(|body| matches!(body, Body::RoomUpdate(_)));
    town.b.freeze();
    let removing = town.a.begin(&key, "remove_student", json!({"student_id": "bob"}));
    town.a.settle().await;
    town.a.store().go_away();
    town.b.thaw();
    town.a.settle().await;
    assert!(removing.is_finished(), "confirmed");
    assert!(!plays(&guests[2], "bob"));
    assert!(guests[2].room.lock().room.members.contains_key("bob"), "the list could not be read yet");
}
