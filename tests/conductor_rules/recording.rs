//! What is recorded of a lesson: everything that happened, once, of the right person.

use std::time::Duration;

use downbeat::{
    conductor::NoteLimits,
    participation::{Event, NotePlayed, SessionId},
    room::{CreateRoom, Note, PlayedAt, RoomKey},
};
use serde_json::json;

use super::{
    house::{Guest, House, World, role_of},
    town::pass_all,
};

const STEP_US: i64 = 500_000;
const LIMITS: NoteLimits = NoteLimits { student: 10, teacher: 50 };

async fn house() -> House {
    House::on("a", World::recorded()).await
}

fn line(kind: &str, student: &str, actor: &str) -> (String, Option<String>, Option<String>) {
    let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    (kind.to_owned(), name(student), name(actor))
}

/// What a note of ada's at this moment is recorded as, once its receipt is settled.
async fn played(house: &House, ada: &Guest, played: Option<PlayedAt>) -> Event {
    let note = Note { midi: 60, velocity: 99, played };
    let receipt = ada.room.play("ada", ada.connection, role_of("ada"), note, LIMITS).expect("she may play");
    receipt.settled().await;
    house.world.book().of_kind("note_played").pop().expect("it is recorded before its receipt is settled")
}

fn timing(event: &Event) -> (Option<i32>, bool) {
    let NotePlayed { offset_us, assigned, .. } = event.note.expect("a note");
    (offset_us, assigned)
}

/// Goes to this many µs after beat `beat` of the first run, at 120.
async fn go_to(house: &House, key: &RoomKey, beat: i64, after_us: i64) {
    let timeline = house.record(key).await.controls.timeline.expect("it plays");
    let there_us = timeline.time_of(beat * 1_000_000) + after_us;
    go_on(house, there_us - house.now_us()).await;
}

/// Lets this time pass, with the session renewed.
async fn go_on(house: &House, us: i64) {
    for step_us in std::iter::repeat_n(STEP_US, (us / STEP_US) as usize).chain([us % STEP_US]) {
        house.world.clock.advance(step_us);
        house.renew().await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_happens_in_a_lesson_is_recorded_once_with_who_did_it() {
    let house = house().await;
    let request = CreateRoom { autostart: Some(false), name: Some("4b".into()), ..CreateRoom::default() };
    let key = house.open_room_with(request).await;
    let _ray = house.join(&key, "ms-ray", 1).await;
    let ada = house.join(&key, "ada", 2).await;
    let _also_ada = house.join(&key, "ada", 3).await;
    let bob = house.join(&key, "bob", 4).await;
    for (event, payload) in [
        ("start_clock", json!({})),
        ("set_tempo", json!({"bpm": 90})),
        ("mute_student", json!({"student_id": "ada"})),
        ("mute_student", json!({"student_id": "ada"})),
        ("unmute_all", json!({})),
        ("assign_beat", json!({"student_id": "bob", "beat": 2})),
        ("assign_role", json!({"student_id": "ada", "role": "soloist"})),
        ("lock_room", json!({})),
    ] {
        house.ask(&key, event, payload).await.expect("stored");
    }
    house.ask(&key, "mute_student", json!({"student_id": "nobody"})).await.expect_err("unknown");
    ada.leave().await;
    bob.leave().await;
    house.ask(&key, "close_room", json!({})).await.expect("closed");
    house.mirror_settles().await;
    let book = house.world.book();
    let expected = [
        line("room_opened", "", ""),
        line("joined", "ms-ray", ""),
        line("joined", "ada", ""),
        line("joined", "bob", ""),
        line("clock_started", "", "ms-ray"),
        line("tempo_changed", "", "ms-ray"),
        line("student_muted", "ada", "ms-ray"),
        line("student_unmuted", "ada", "ms-ray"),
        line("beats_assigned", "", "ms-ray"),
        line("role_assigned", "ada", "ms-ray"),
        line("room_locked", "", "ms-ray"),
        line("left", "bob", ""),
        line("room_closed", "", "ms-ray"),
        line("left", "ada", "ms-ray"),
        line("left", "ms-ray", ""),
    ];
    assert_eq!(book.lines(), expected);
    let session = book.events()[0].session.clone();
    assert_eq!(session.code(), Some(key.code.clone()));
    assert!(book.events().iter().all(|event| event.session == session));
    let details = |kind: &str| book.of_kind(kind)[0].details.clone().expect("details");
    assert_eq!(details("room_opened"), json!({"name": "4b", "teacher_id": "ms-ray", "bpm": 120, "beats_per_bar": 4}));
    assert_eq!(details("beats_assigned"), json!({"assignments": {"2": ["bob"]}, "beats_per_bar": 4, "bar0_ub": 0}));
    assert_eq!(details("tempo_changed")["bpm"], 90);
    assert_eq!(details("role_assigned"), json!({"role": "soloist"}));
}

#[tokio::test(start_paused = true)]
async fn a_note_is_recorded_with_how_it_sat_on_the_nearest_beat_and_whether_that_was_the_player_s() {
    let house = house().await;
    let (key, [_ray, ada, _bob]) = house.class().await;
    house.ask(&key, "assign_beat", json!({"student_id": "ada", "beat": 3})).await.expect("stored");
    for (beat, after_us, expected) in [
        (6, 20_000, (Some(20_000), true)),
        (7, -30_000, (Some(-30_000), false)),
        (10, -249_000, (Some(-249_000), true)),
        (10, 251_000, (Some(-249_000), false)),
    ] {
        go_to(&house, &key, beat, after_us).await;
        assert_eq!(timing(&played(&house, &ada, None).await), expected, "beat {beat} and {after_us} µs");
    }
    house.ask(&key, "stop_clock", json!({})).await.expect("stored");
    go_on(&house, 10_000_000).await;
    assert_eq!(timing(&played(&house, &ada, None).await), (None, false), "there is no beat while the clock stands");
}

#[tokio::test(start_paused = true)]
async fn a_synchronised_client_says_when_a_note_was_played_and_an_impossible_time_is_not_believed() {
    let house = house().await;
    let (key, [_ray, ada, _bob]) = house.class().await;
    go_to(&house, &key, 8, 90_000).await;
    let now_us = house.now_us();
    let said = |at_us| Some(PlayedAt { at_us, uncertainty_us: 2_000 });
    let note = played(&house, &ada, said(now_us - 85_000)).await;
    assert_eq!(timing(&note), (Some(5_000), false));
    let uncertainty_us = note.note.expect("a note").uncertainty_us;
    assert!(uncertainty_us >= 2_000, "the client's is part of it: {uncertainty_us}");
    assert_eq!(note.at_us, now_us, "when it arrived stays what it is");
    for impossible in [now_us - 2_000_001, now_us + 10_000] {
        let note = played(&house, &ada, said(impossible)).await;
        assert_eq!(timing(&note).0, Some(90_000), "by its arrival");
    }
}

#[tokio::test(start_paused = true)]
async fn a_control_is_answered_once_it_is_recorded() {
    let house = house().await;
    let (key, _guests) = house.class().await;
    house.ask(&key, "set_tempo", json!({"bpm": 60})).await.expect("stored");
    assert_eq!(house.world.book().of_kind("tempo_changed").len(), 1, "no later than its ok");
    house.ask_again(&key, "r1", "set_tempo", json!({"bpm": 61})).await.expect("stored");
    house.ask_again(&key, "r1", "set_tempo", json!({"bpm": 61})).await.expect("answered again");
    assert_eq!(house.world.book().of_kind("tempo_changed").len(), 2, "what is answered again happened once");
}

#[tokio::test(start_paused = true)]
async fn a_new_conductor_records_who_is_there() {
    let world = World::recorded();
    let (a, b) = (House::on("a", world.clone()).await, House::on("b", world.clone()).await);
    pass_all(&[&a, &b], 600).await;
    let key = a.open_room().await;
    let owner_is_a = a.record(&key).await.owner == "a";
    let (owner, other) = if owner_is_a { (&a, &b) } else { (&b, &a) };
    let _ray = other.join(&key, "ms-ray", 1).await;
    let _ada = other.join(&key, "ada", 2).await;
    other.ask(&key, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    pass_all(&[&a, &b], 1_000).await;
    owner.freeze();
    pass_all(&[&a, &b], 6_000).await;
    let rolls = world.book().of_kind("roll");
    let [roll] = &rolls[..] else { panic!("one new reign, not {rolls:?}") };
    let details = roll.details.as_ref().expect("details");
    assert_eq!((&details["students"], &details["muted"]), (&json!(["ada", "ms-ray"]), &json!(["ada"])));
    assert_eq!(roll.session, SessionId::of(&key, other.record(&key).await.controls.created_at_us));
}

impl House {
    /// Until everything that was put to the recorder is kept.
    async fn mirror_settles(&self) {
        self.recorder.emptied(Duration::from_secs(5)).await;
    }
}
