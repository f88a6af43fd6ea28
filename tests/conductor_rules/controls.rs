use downbeat::{conductor::ControlRefused, room::Refusal};
use serde_json::{Value, json};

use super::{
    ears::{names, of},
    house::{House, actor, control},
};

const CONTROLS: [(&str, &str); 6] = [
    ("set_tempo", r#"{"bpm":90}"#),
    ("mute_student", r#"{"student_id":"ada"}"#),
    ("assign_beat", r#"{"student_id":"ada","beat":3}"#),
    ("lock_room", "{}"),
    ("stop_clock", "{}"),
    ("remove_student", r#"{"student_id":"ada"}"#),
];

fn payload(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn a_control_is_acknowledged_and_told_only_once_it_is_stored() {
    for (event, text) in CONTROLS {
        let house = House::new().await;
        let (key, guests) = house.class().await;
        let before = house.record(&key).await;
        house.heard();
        let held = house.store().hold_writes();
        let asked = house.begin(&key, event, payload(text));
        house.settle().await;
        assert!(!asked.is_finished(), "{event}: acknowledged before it was stored");
        assert_eq!(house.heard(), [], "{event}: told before it was stored");
        assert_eq!(guests[0].room.lock().room.controls, before.controls, "{event}");

        held.release();
        house.settle().await;
        let answer = asked.await.expect("it runs");
        assert_eq!(answer, Ok(json!({})), "{event}");
        let after = house.record(&key).await;
        assert_eq!(after.controls.rev, before.controls.rev + 1, "{event}");
        assert_eq!(guests[0].room.lock().room.controls, after.controls, "{event}");
        assert_ne!(names(&house.heard()), [""; 0], "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_control_that_the_store_refuses_is_taken_back_and_nobody_hears_of_it() {
    for (event, text) in CONTROLS {
        let house = House::new().await;
        let (key, guests) = house.class().await;
        let before = house.record(&key).await;
        house.heard();
        house.store().refuse_writes();
        let answer = house.ask(&key, event, payload(text)).await;
        assert_eq!(answer, Err(ControlRefused::Unavailable), "{event}");
        assert_eq!(house.heard(), [], "{event}");
        assert_eq!(house.record(&key).await, before, "{event}");
        assert_eq!(guests[0].room.lock().room.controls, before.controls, "{event}");
        assert_eq!(house.members(&key).await, 3, "{event}");

        house.store().heal();
        house.ask(&key, "set_tempo", json!({"bpm": 77})).await.expect("the next control works");
        let after = house.record(&key).await.controls;
        // The number of the write that was not answered is never used again: it may yet be carried out.
        assert_eq!((after.rev, after.bpm), (before.controls.rev + 2, 77), "{event}");
        let settled = (&after.muted, &after.assignments, &after.removed, after.settings.locked, after.playing);
        let was = &before.controls;
        let unsettled = (&was.muted, &was.assignments, &was.removed, was.settings.locked, was.playing);
        assert_eq!(settled, unsettled, "{event}: nothing of it came back with the next one");
        let heard = house.heard();
        assert_eq!(names(&heard), ["tempo_changed", "timeline"], "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_student_may_not_do_is_refused_without_asking_the_store() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    let before = house.record(&key).await;
    house.heard();
    house.store().refuse_writes();
    let order = control("mute_all", &json!({}));
    let answer = house.router.control(&key, actor("ada", 2), order, None).await;
    assert_eq!(answer, Err(ControlRefused::Refused(Refusal::Unauthorized)));
    assert_eq!(house.heard(), []);
    assert_eq!(house.record(&key).await, before);
}

#[tokio::test(start_paused = true)]
async fn controls_are_heard_in_the_order_in_which_they_were_stored() {
    let house = House::new().await;
    let (key, _guests) = house.class().await;
    house.heard();
    let held = house.store().hold_writes();
    let asked: Vec<_> = (60..70).map(|bpm| house.begin(&key, "set_tempo", json!({ "bpm": bpm }))).collect();
    house.settle().await;
    held.release();
    for asked in asked {
        asked.await.expect("it runs").expect("stored");
    }
    let heard = house.heard();
    let bpms: Vec<Value> = of(&heard, "tempo_changed").map(|heard| heard.payload()["bpm"].clone()).collect();
    assert_eq!(bpms, (60..70).map(Value::from).collect::<Vec<_>>());
    let revs: Vec<_> = of(&heard, "timeline").map(|heard| heard.payload()["rev"].as_u64()).collect();
    assert!(revs.is_sorted() && revs.len() == 10, "{revs:?}");
    assert_eq!(house.record(&key).await.controls.bpm, 69);
}
