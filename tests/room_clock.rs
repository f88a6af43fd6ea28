//! The controls of time, over a room at 120 that started at `NOW + LEAD`.

mod room_support;

use downbeat::room::{Applied, BeatView, Room, Source};
use room_support::*;
use serde_json::{Value, json};

/// 10.1 beats after the start, with the lead: at 5.05 s.
const LATER: i64 = NOW + 5_050_000;
const START: i64 = NOW + LEAD;
const BEAT_US: i64 = 500_000;

fn later(room: &mut Room, event: &str, payload: Value) -> Applied {
    ask_at(room, &teacher(), event, payload, LATER)
}

fn time_of(room: &Room, beat: i64) -> i64 {
    room.controls.timeline.as_ref().expect("it ran").time_of(beat * 1_000_000)
}

#[test]
fn a_tempo_now_takes_effect_a_lead_ahead_in_the_middle_of_a_beat() {
    let mut room = class();
    let applied = later(&mut room, "set_tempo", json!({ "bpm": 60 }));
    assert_eq!(names(&applied), ["tempo_changed"]);
    let at = (LATER + LEAD) as f64 / 1e3;
    assert_eq!(applied.events[0].payload, json!({ "bpm": 60, "effective_beat": 10.1, "effective_at": at }));
    assert_eq!(time_of(&room, 10), START + 10 * BEAT_US);
    assert_eq!(time_of(&room, 11), LATER + LEAD + 900_000);
}

#[test]
fn a_tempo_waits_for_the_beat_or_the_bar_that_it_is_asked_for() {
    for (at, beat) in [("beat", 11.0), ("bar", 12.0)] {
        let mut room = class();
        let applied = later(&mut room, "set_tempo", json!({ "bpm": 60, "at": at }));
        assert_eq!(applied.events[0].payload["effective_beat"], beat);
        let beat = beat as i64;
        assert_eq!(time_of(&room, beat), START + beat * BEAT_US);
        assert_eq!(time_of(&room, beat + 1), START + beat * BEAT_US + 1_000_000);
    }
}

#[test]
fn a_ramp_reaches_its_tempo_after_its_beats() {
    let mut room = class();
    later(&mut room, "ramp_tempo", json!({ "bpm": 60, "beats": 9 }));
    let timeline = room.controls.timeline.as_ref().expect("it runs");
    // 2L / (v0 + v1): 18 beats at 3 beats a second.
    assert_eq!(timeline.time_of(19_100_000), LATER + LEAD + 6_000_000);
    assert_eq!(timeline.milli_bpm_at(LATER + LEAD + 6_000_000), 60_000);
    assert_eq!(room.controls.bpm, 60);
}

#[test]
fn a_start_while_running_changes_nothing() {
    let mut room = class();
    let before = room.clone();
    assert!(!later(&mut room, "start_clock", json!({ "count_in": 4 })).controls_changed);
    assert_eq!(room, before);
}

#[test]
fn a_stop_lets_the_beats_of_the_lead_out_and_a_resume_goes_on_there_in_the_same_run() {
    let mut room = class();
    let applied = later(&mut room, "stop_clock", json!({}));
    assert_eq!(names(&applied), ["clock_stopped"]);
    assert_eq!(applied.events[0].payload, json!({ "run": 1, "at": (LATER + LEAD) as f64 / 1e3, "beat": 10.1 }));
    assert!(later(&mut room, "stop_clock", json!({})).events.is_empty());
    assert_eq!(room.controls.beat_at(LATER + 60_000_000), Some(10.1));

    let resumed_at = LATER + 60_000_000;
    let applied = ask_at(&mut room, &teacher(), "start_clock", json!({ "resume": true }), resumed_at);
    assert_eq!(applied.events[0].payload["run"], 1);
    assert_eq!(applied.events[0].payload["beat"], 10.1);
    assert_eq!(time_of(&room, 11), resumed_at + LEAD + 450_000);
    assert!(room.controls.playing);
}

#[test]
fn a_tempo_set_while_the_clock_stands_is_that_of_the_next_start_and_of_a_resume() {
    for resume in [false, true] {
        let mut room = class();
        later(&mut room, "stop_clock", json!({}));
        let applied = later(&mut room, "set_tempo", json!({ "bpm": 60 }));
        assert_eq!(applied.events[0].payload["effective_beat"], 10.1);
        later(&mut room, "start_clock", json!({ "resume": resume }));
        let timeline = room.controls.timeline.as_ref().expect("it runs");
        assert_eq!(timeline.milli_bpm_at(LATER + LEAD), 60_000);
    }
}

#[test]
fn a_stop_that_lies_ahead_yet_is_called_off_by_a_resume_and_no_beat_falls_out() {
    let mut room = class();
    later(&mut room, "stop_clock", json!({}));
    let before = time_of(&room, 10);
    later(&mut room, "start_clock", json!({ "resume": true }));
    assert_eq!(time_of(&room, 10), before, "the beat before the stop keeps its time");
    assert_eq!(room.controls.timeline.as_ref().and_then(|timeline| timeline.stop_at_ub()), None);
    assert_eq!(room.controls.run, 1);
}

#[test]
fn a_resume_goes_on_with_a_ramp_that_the_stop_interrupted() {
    let mut room = class();
    later(&mut room, "ramp_tempo", json!({ "bpm": 60, "beats": 9 }));
    let stop = LATER + 3_000_000;
    ask_at(&mut room, &teacher(), "stop_clock", json!({}), stop);
    ask_at(&mut room, &teacher(), "start_clock", json!({ "resume": true }), stop + 1_000_000);
    let timeline = room.controls.timeline.as_ref().expect("it runs");
    assert_eq!(timeline.milli_bpm_at(stop + 1_000_000 + LEAD), 90_000);
    assert_eq!(timeline.milli_bpm_at(stop + 4_100_000 + LEAD), 60_000);
}

#[test]
fn a_count_in_is_numbered_up_to_minus_one_and_opens_a_run() {
    let mut room = class();
    later(&mut room, "stop_clock", json!({}));
    let applied = later(&mut room, "start_clock", json!({ "count_in": 4 }));
    assert_eq!(applied.events[0].payload["beat"], -4.0);
    assert_eq!(applied.events[0].payload["run"], 2);
    let timeline = room.controls.timeline.as_ref().expect("it runs");
    let first = timeline.next_beat(None, 0).expect("a beat");
    assert_eq!((first.beat, first.due_us), (-4, LATER + LEAD));
    let view = BeatView::new(room.controls.run, &room.controls.meter, timeline, -1, first.due_us, Source::Clock);
    assert_eq!((view.bar, view.pulse), (0, 4));
    assert_eq!(serde_json::to_value(view).expect("plain data")["bpm"], 120);
}

#[test]
fn a_reset_makes_the_next_beat_the_first_of_a_new_run_without_moving_it() {
    let mut room = class();
    let applied = later(&mut room, "reset_clock", json!({}));
    assert_eq!(names(&applied), ["clock_started"]);
    let at = (START + 11 * BEAT_US) as f64 / 1e3;
    assert_eq!(applied.events[0].payload, json!({ "run": 2, "at": at, "beat": 0.0 }));
    assert_eq!(time_of(&room, 0), START + 11 * BEAT_US);
    let timeline = room.controls.timeline.as_ref().expect("it runs");
    assert_eq!(timeline.segments()[0].beat0_ub, 0, "the new run begins at beat 0");
    assert_eq!(room.controls.meter.position(0).bar, 1);
}

#[test]
fn a_reset_of_a_clock_that_stands_sends_it_back_to_the_beginning() {
    let mut room = class();
    later(&mut room, "stop_clock", json!({}));
    let applied = later(&mut room, "reset_clock", json!({}));
    assert_eq!(names(&applied), ["clock_stopped"]);
    assert_eq!(applied.events[0].payload["run"], 2);
    let applied = later(&mut room, "start_clock", json!({ "resume": true }));
    assert_eq!(applied.events[0].payload["beat"], 0.0);
    assert_eq!(applied.events[0].payload["run"], 3);
    let mut unused = new_room();
    assert!(!ask(&mut unused, "reset_clock", json!({})).controls_changed);
}

#[test]
fn a_new_meter_begins_at_the_next_bar_line_and_bars_count_on() {
    let mut room = class();
    assert_eq!(room.controls.meter.position(12).bar, 4);
    let applied = later(&mut room, "set_meter", json!({ "beats_per_bar": 7, "groups": [2, 2, 3] }));
    assert_eq!(names(&applied), ["meter_changed"]);
    let place = |beat| {
        let place = room.controls.meter.position(beat);
        (place.bar, place.pulse)
    };
    assert_eq!([11, 12, 18, 19].map(place), [(3, 7), (4, 1), (4, 7), (5, 1)]);
    let same = json!({ "beats_per_bar": 7, "groups": [2, 2, 3] });
    assert!(!later(&mut room, "set_meter", same).controls_changed);
}

#[test]
fn a_meter_set_during_a_count_in_begins_at_beat_zero() {
    let mut room = class();
    later(&mut room, "stop_clock", json!({}));
    later(&mut room, "start_clock", json!({ "count_in": 4 }));
    later(&mut room, "set_meter", json!({ "beats_per_bar": 3 }));
    assert_eq!(room.controls.meter.bar0_ub, 0);
}

#[test]
fn a_tempo_of_a_fraction_is_shown_as_a_fraction() {
    let mut room = class();
    later(&mut room, "ramp_tempo", json!({ "bpm": 121, "beats": 2 }));
    let timeline = room.controls.timeline.as_ref().expect("it runs");
    let view = BeatView::new(
        room.controls.run,
        &room.controls.meter,
        timeline,
        11,
        timeline.time_of(11_100_000),
        Source::Holdover,
    );
    let view = serde_json::to_value(view).expect("plain data");
    assert_eq!(view["source"], "holdover");
    let bpm = view["bpm"].as_f64().expect("a number");
    assert!(bpm > 120.0 && bpm < 121.0, "{bpm}");
}
