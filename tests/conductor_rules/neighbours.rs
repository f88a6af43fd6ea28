//! One room over two living nodes: a conducts it, and b has members in it.

use downbeat::{
    conductor::{NoteLimits, RequestId},
    relay::{Body, Envelope},
    room::{Join, Note, TokenRole},
};
use serde_json::{Value, json};

use super::{
    ears::{Heard, assert_no_gap_and_no_repeat, beats, names, of},
    house::{Guest, actor, control, role_of},
    town::{Town, people, stored_people},
};

const LIMITS: NoteLimits = NoteLimits { student: 10, teacher: 50 };

fn play(guest: &Guest, student_id: &str, midi: u8) {
    let note = Note { midi, velocity: 64, played: None };
    guest.room.play(student_id, guest.connection, role_of(student_id), note, LIMITS).expect("played");
}

fn notes(heard: &[Heard]) -> Vec<Value> {
    of(heard, "student_note").map(|heard| heard.payload()["midi"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn who_joins_on_the_node_that_does_not_conduct_finds_the_room_whole() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("stored");
    town.a.ask(&key, "assign_beat", json!({"student_id": "ada", "beat": 3})).await.expect("stored");
    let cleo = town.b.join(&key, "cleo", 4).await;
    town.a.settle().await;
    let (here, there) = (guests[0].room.lock().stamp, cleo.room.lock().stamp);
    assert_eq!(here, there);
    assert_eq!(guests[0].room.lock().room.controls, cleo.room.lock().room.controls);
    assert_eq!(people(&cleo).keys().collect::<Vec<_>>(), ["ada", "bob", "cleo", "ms-ray"]);
    assert_eq!((town.a.metrics.rooms.get(), town.b.metrics.rooms.get()), (1, 0), "one conductor, on a");
}

#[tokio::test(start_paused = true)]
async fn the_first_who_joins_on_the_other_node_opens_the_room_there() {
    let town = Town::new().await;
    let key = town.room_of("a").await;
    let _ray = town.a.join(&key, "ms-ray", 1).await;
    town.a.ask(&key, "set_tempo", json!({"bpm": 90})).await.expect("stored");
    assert!(town.b.mirror.room(&key).is_none());
    let bob = town.b.join(&key, "bob", 3).await;
    assert_eq!(people(&bob).keys().collect::<Vec<_>>(), ["bob", "ms-ray"]);
    assert_eq!(bob.room.lock().room.controls.bpm, 90);
    town.quiet();
    town.a.ask(&key, "set_tempo", json!({"bpm": 80})).await.expect("stored");
    town.a.settle().await;
    assert_eq!(names(&town.b.heard()), ["tempo_changed", "timeline"]);
}

#[tokio::test(start_paused = true)]
async fn everybody_hears_every_control_once_wherever_it_was_given() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let controls = [
        ("set_tempo", json!({"bpm": 90})),
        ("assign_beat", json!({"student_id": "bob", "beat": 2})),
        ("assign_role", json!({"student_id": "ada", "role": "soloist"})),
        ("lock_room", json!({})),
        ("mute_student", json!({"student_id": "bob"})),
        ("stop_clock", json!({})),
    ];
    for (event, payload) in controls {
        for house in [&town.a, &town.b] {
            town.quiet();
            let answer = house.ask(&key, event, payload.clone()).await;
            assert_eq!(answer, Ok(json!({})), "{event}");
            house.settle().await;
            let (here, there) = (town.a.heard(), town.b.heard());
            let what = |heard: &[Heard]| heard.iter().map(|heard| heard.name().to_owned()).collect::<Vec<_>>();
            assert_eq!(what(&here), what(&there), "{event}");
            let events =
                |heard: &[Heard]| heard.iter().filter(|h| h.name() != "timeline").map(Heard::payload).collect();
            let (here, there): (Vec<Value>, Vec<Value>) = (events(&here), events(&there));
            assert_eq!(here, there, "{event}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_room_is_open_is_not_lost() {
    let town = Town::new().await;
    let Town { a, b, .. } = &town;
    let key = town.room_of("a").await;
    let _ray = a.join(&key, "ms-ray", 1).await;
    let mut seat = b.mirror.enter(&key);
    seat.heard().await;
    let join = Join { student_id: "bob".into(), name: "BOB".into(), role: TokenRole::Student, connection: 3 };
    let joining = b.router.admit(&key, join);
    let meanwhile = async {
        a.settle().await;
        // a has answered, or is about to, and b has not opened the room yet.
        b.freeze();
        a.settle().await;
        a.ask(&key, "set_tempo", json!({"bpm": 77})).await.expect("stored");
        let _ada = a.join(&key, "ada", 2).await;
        a.ask(&key, "lock_room", json!({})).await.expect("stored");
        b.thaw();
    };
    b.relay.said();
    let (admitted, ()) = tokio::join!(
        async {
            // Frozen as soon as it has asked.
            let mut joining = std::pin::pin!(joining);
            tokio::select! {
                biased;
                done = &mut joining => panic!("a has not run yet: {done:?}"),
                () = std::future::ready(()) => b.freeze(),
            }
            joining.await
        },
        meanwhile
    );
    admitted.expect("let in");
    a.settle().await;
    let room = seat.room().expect("open");
    let record = a.record(&key).await;
    assert_eq!(room.lock().room.controls, record.controls);
    assert!(room.lock().is_here("ada", 2));
    let heard = b.heard();
    assert_eq!(of(&heard, "tempo_changed").count(), 1, "said after the snapshot was taken, before it was here");
    assert_eq!(of(&heard, "room_locked").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_beats_of_both_nodes_are_the_same_beats_at_the_same_times() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let mut heard = (Vec::new(), Vec::new());
    for bpm in [120, 93, 171] {
        town.b.ask(&key, "set_tempo", json!({ "bpm": bpm })).await.expect("stored");
        town.pass(4_000).await;
        heard.0.extend(town.a.heard());
        heard.1.extend(town.b.heard());
    }
    assert_no_gap_and_no_repeat(&beats(&heard.0));
    let of_beats = |heard: &[Heard]| of(heard, "beat").map(|beat| (beat.at_us, beat.payload())).collect::<Vec<_>>();
    assert_eq!(of_beats(&heard.0), of_beats(&heard.1));
    assert!(heard.0.iter().all(|beat| beat.name() != "beat" || beat.payload()["source"] == "clock"));
}

#[tokio::test(start_paused = true)]
async fn a_note_goes_to_the_other_node_once_and_never_comes_back() {
    let town = Town::new().await;
    let (_key, guests) = town.class().await;
    town.quiet();
    play(&guests[1], "ada", 60);
    assert_eq!(notes(&town.a.heard()), [60], "its own members hear it at once");
    play(&guests[2], "bob", 62);
    town.a.settle().await;
    assert_eq!(notes(&town.a.heard()), [62]);
    assert_eq!(notes(&town.b.heard()), [62, 60], "each where it was played first, and nowhere twice");
    let is_note = |said: &Envelope| matches!(said.body, Body::Note(_));
    assert_eq!(town.a.relay.said().iter().filter(|said| is_note(said)).count(), 1, "one publish");
    assert_eq!(town.b.relay.said().iter().filter(|said| is_note(said)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn members_and_presence_are_alike_on_both_nodes_whatever_people_do() {
    let town = Town::new().await;
    let Town { a, b, .. } = &town;
    let (key, guests) = town.class().await;
    let [ray, _ada, bob] = &guests;
    let mut visitors = Vec::new();
    for step in 0..60_u64 {
        let pick = step.wrapping_mul(2_654_435_761) >> 7;
        let house = if pick % 2 == 0 { a } else { b };
        match pick % 5 {
            0 | 1 => visitors.push(house.join(&key, &format!("student-{}", pick % 7), 100 + step).await),
            2 if !visitors.is_empty() => {
                let at = usize::try_from(pick).expect("64 bits") % visitors.len();
                visitors.swap_remove(at).leave().await;
            }
            3 => {
                let hand = control(if pick % 4 < 2 { "raise_hand" } else { "lower_hand" }, &json!({}));
                b.router.control(&key, actor("bob", 3), hand, None).await.expect("allowed");
            }
            _ => {
                // The same student again under another name.
                let name = format!("name-{step}");
                let join = Join { student_id: "bob".into(), name, role: TokenRole::Student, connection: 3 };
                b.router.admit(&key, join).await.expect("let in");
            }
        }
        a.settle().await;
        assert_eq!(people(ray), people(bob), "after step {step}");
        assert_eq!(people(ray), stored_people(a, &key).await, "after step {step}");
    }
    town.pass(500).await;
    let presence =
        |guest: &Guest| -> Value { serde_json::from_str(&guest.room.lock().roster.state_json()).expect("JSON") };
    assert_eq!(presence(ray), presence(bob));
    assert_eq!(a.members(&key).await, people(ray).len());
}

#[tokio::test(start_paused = true)]
async fn a_control_that_is_repeated_on_another_node_is_applied_once() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let before = town.a.record(&key).await;
    let request = RequestId { connection: 1, request: "7".into() };
    let mut answers = Vec::new();
    for house in [&town.b, &town.a, &town.b] {
        let order = control("reset_clock", &json!({}));
        answers.push(house.router.control(&key, actor("ms-ray", 1), order, Some(request.clone())).await);
    }
    assert_eq!(answers, [Ok(json!({})), Ok(json!({})), Ok(json!({}))]);
    assert_eq!(town.a.record(&key).await.controls.run, before.controls.run + 1);
}

#[tokio::test(start_paused = true)]
async fn a_control_whose_answer_is_lost_on_the_way_is_applied_once_and_acknowledged() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let before = town.a.record(&key).await;
    let mut lost = 0;
    town.a.relay.loses(move |body| {
        let is_lost = matches!(body, Body::Answer(_)) && lost < 2;
        lost += u32::from(is_lost);
        is_lost
    });
    assert_eq!(town.b.ask(&key, "reset_clock", json!({})).await, Ok(json!({})));
    assert_eq!(town.a.record(&key).await.controls.run, before.controls.run + 1);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_closed_on_one_node_ends_on_both() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.b.ask(&key, "close_room", json!({})).await.expect("closed");
    town.a.settle().await;
    for house in [&town.a, &town.b] {
        let heard = house.heard();
        assert_eq!(of(&heard, "room_closed").count(), 1);
        assert_eq!(heard.last().map(Heard::name), Some("-end"));
    }
    town.pass(2_000).await;
    assert_eq!(of(&town.b.heard(), "beat").count(), 0);
    assert!(guests[2].room.lock().room.controls.closed);
}

#[tokio::test(start_paused = true)]
async fn a_student_who_is_removed_is_sent_away_from_the_node_that_he_is_on() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.ask(&key, "remove_student", json!({"student_id": "bob"})).await.expect("stored");
    town.a.settle().await;
    assert_eq!(names(&town.b.heard()), ["student_removed", "-eject"]);
    assert!(!guests[2].room.lock().is_here("bob", 3));
    town.pass(11_000).await;
    assert!(!people(&guests[0]).contains_key("bob"), "and nobody brings him back");
}

#[tokio::test(start_paused = true)]
async fn a_teacher_is_heard_on_every_node_while_all_students_are_muted() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.a.ask(&key, "mute_all", json!({})).await.expect("stored");
    play(&guests[0], "ms-ray", 72);
    town.a.settle().await;
    assert_eq!(notes(&town.b.heard()), [72]);
}
