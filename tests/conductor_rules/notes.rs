use downbeat::{
    conductor::{NoteLimits, NoteRefused},
    room::{Note, Refusal},
};
use serde_json::{Value, json};

use super::{
    ears::{Heard, To, What, of},
    house::{Guest, House, role_of},
};

const LIMITS: NoteLimits = NoteLimits { student: 10, teacher: 50 };

fn play(guest: &Guest, student_id: &str) -> Result<(), NoteRefused> {
    let note = Note { midi: 60, velocity: 99, played: None };
    guest.room.play(student_id, guest.connection, role_of(student_id), note, LIMITS).map(drop)
}

fn players(heard: &[Heard]) -> Vec<Value> {
    of(heard, "student_note").map(|note| note.payload()["student_id"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn after_a_mute_is_acknowledged_not_one_note_of_that_student_is_sent() {
    let house = House::new().await;
    let (key, [_teacher, ada, bob]) = house.class().await;
    let held = house.store().hold_writes();
    let muting = house.begin(&key, "mute_student", json!({"student_id": "ada"}));
    house.settle().await;
    play(&ada, "ada").expect("not muted until it is stored");
    held.release();
    house.settle().await;
    assert!(muting.is_finished());
    house.heard();
    for _ in 0..20 {
        assert_eq!(play(&ada, "ada"), Err(NoteRefused::Rule(Refusal::Muted)));
        play(&bob, "bob").expect("bob is not muted");
        house.pass(200).await;
    }
    assert_eq!(players(&house.heard()), vec![json!("bob"); 20]);
}

#[tokio::test(start_paused = true)]
async fn a_mute_outlives_the_conductor_that_acknowledged_it() {
    let house = House::new().await;
    let (key, [_teacher, ada, _bob]) = house.class().await;
    house.ask(&key, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    house.kill_conductor_and_store(&key).await;
    assert_eq!(play(&ada, "ada"), Err(NoteRefused::Rule(Refusal::Muted)));
    house.store().heal();
    house.pass(2_000).await;
    assert_eq!(play(&ada, "ada"), Err(NoteRefused::Rule(Refusal::Muted)));
    house.ask(&key, "unmute_student", json!({"student_id": "ada"})).await.expect("stored");
    assert_eq!(play(&ada, "ada"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_all_are_muted_is_muted_from_the_first_note() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.ask(&key, "mute_all", json!({})).await.expect("stored");
    let cleo = house.join(&key, "cleo", 4).await;
    assert_eq!(play(&cleo, "cleo"), Err(NoteRefused::Rule(Refusal::Muted)));
}

#[tokio::test(start_paused = true)]
async fn each_student_has_a_rate_of_notes_of_their_own() {
    let house = House::new().await;
    let (_key, [teacher, ada, bob]) = house.class().await;
    let at_once = |guest: &Guest, id: &str| (0..100).filter(|_| play(guest, id).is_ok()).count();
    assert_eq!(at_once(&ada, "ada"), 10);
    assert_eq!(play(&ada, "ada"), Err(NoteRefused::TooFast));
    assert_eq!(at_once(&bob, "bob"), 10, "ada's notes are not bob's");
    assert_eq!(at_once(&teacher, "ms-ray"), 50, "a teacher may play more");
    house.pass(1_000).await;
    assert_eq!(at_once(&ada, "ada"), 10);
    let notes = players(&house.heard());
    assert_eq!(notes.len(), 80, "what is refused is not sent");
}

#[tokio::test(start_paused = true)]
async fn a_second_device_does_not_double_the_rate() {
    let house = House::new().await;
    let (key, [_teacher, ada, _bob]) = house.class().await;
    let tablet = house.join(&key, "ada", 4).await;
    let sent = (0..50).filter(|at| play(if at % 2 == 0 { &ada } else { &tablet }, "ada").is_ok()).count();
    assert_eq!(sent, 10);
}

#[tokio::test(start_paused = true)]
async fn teachers_are_told_each_five_seconds_who_has_played_and_who_not_yet() {
    let house = House::new().await;
    let (_key, [_teacher, ada, _bob]) = house.class().await;
    house.pass(4_000).await;
    play(&ada, "ada").expect("played");
    play(&ada, "ada").expect("played");
    let played_us = house.now_us();
    house.pass(16_000).await;
    let heard = house.heard();
    let told: Vec<_> = of(&heard, "participation").collect();
    assert!(told.windows(2).all(|pair| pair[1].at_us - pair[0].at_us == 5_000_000));
    assert_eq!(told.len(), 4);
    for one in told {
        assert!(matches!(&one.what, What::Sent { to: To::Teachers, .. }), "{one:?}");
        let expected = json!({
            "students": [
                { "student_id": "ada", "name": "ADA", "notes": 2, "last_note_at": played_us as f64 / 1_000.0 },
                { "student_id": "bob", "name": "BOB", "notes": 0, "last_note_at": null },
            ],
            "not_yet": ["bob"],
        });
        assert_eq!(one.payload(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_left_plays_no_more() {
    let house = House::new().await;
    let (key, [_teacher, ada, bob]) = house.class().await;
    let room = ada.room.clone();
    ada.leave().await;
    house.ask(&key, "remove_student", json!({"student_id": "bob"})).await.expect("stored");
    house.heard();
    let note = Note { midi: 60, velocity: 99, played: None };
    let ada = room.play("ada", 2, role_of("ada"), note, LIMITS).map(drop);
    assert_eq!(ada, Err(NoteRefused::Rule(Refusal::RemovedFromRoom)));
    assert_eq!(play(&bob, "bob"), Err(NoteRefused::Rule(Refusal::RemovedFromRoom)), "the socket may not know it yet");
    assert_eq!(players(&house.heard()), [0; 0]);
}
