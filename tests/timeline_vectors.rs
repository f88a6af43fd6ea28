//! The timeline's arithmetic in numbers that the browser's client is held to, too (`web/src/downbeat/`).
//!
//! `DOWNBEAT_BLESS=1 cargo test --test timeline_vectors` writes the file anew, after a change that is meant.

use std::{env, fs, path::Path};

use downbeat::tempo::{BEAT_UB, Meter, Timeline};
use serde_json::{Value, json};

const START_US: i64 = 1_790_000_000_123_457;
const SECOND_US: i64 = 1_000_000;

/// Positions whose times are told: whole beats from a count-in to a long lesson, and some between beats.
const POSITIONS_UB: [i64; 16] = [
    -8 * BEAT_UB,
    -4 * BEAT_UB,
    -1,
    0,
    1,
    333_333,
    BEAT_UB,
    2 * BEAT_UB,
    3 * BEAT_UB + 500_000,
    7 * BEAT_UB,
    8 * BEAT_UB,
    15 * BEAT_UB + 999_999,
    16 * BEAT_UB,
    63 * BEAT_UB,
    1_000 * BEAT_UB,
    100_000 * BEAT_UB,
];

fn timelines() -> Vec<(&'static str, Timeline, Meter)> {
    let meter = |length, groups: &[u32], bar0_ub| Meter::new(length, groups.to_vec(), bar0_ub).expect("a metre");
    let at = |seconds: i64| START_US + seconds * SECOND_US;
    let steady = Timeline::starting(START_US, 0, 120_000);
    let odd = Timeline::starting(START_US, 0, 97_531);
    let count_in = Timeline::starting(START_US, -4 * BEAT_UB, 88_000);

    let mut changed = Timeline::starting(START_US, 0, 60_000);
    changed.change_tempo(7 * BEAT_UB, 299_000);
    changed.change_tempo(15 * BEAT_UB + 250_000, 1_000);

    let mut faster = Timeline::starting(START_US, 0, 60_000);
    faster.ramp_tempo(2 * BEAT_UB, 180_000, 8 * BEAT_UB);
    let mut slower = Timeline::starting(START_US, 0, 299_000);
    slower.ramp_tempo(1, 1_000, 64 * BEAT_UB);
    let mut hardly = Timeline::starting(START_US, 0, 120_000);
    hardly.ramp_tempo(BEAT_UB, 120_001, 200 * BEAT_UB);

    let mut stopped = Timeline::starting(START_US, 0, 100_000);
    stopped.set_stop(Some(8 * BEAT_UB));
    let mut resumed = Timeline::starting(START_US, 0, 100_000);
    resumed.set_stop(Some(3 * BEAT_UB + 500_000));
    resumed.resume(at(60), Some(132_000));

    vec![
        ("a steady beat", steady, meter(4, &[], 0)),
        ("a tempo that divides nothing", odd, meter(7, &[2, 2, 3], 0)),
        ("a count-in", count_in, meter(4, &[], 0)),
        ("two changes of tempo, one between beats", changed, meter(5, &[3, 2], 3 * BEAT_UB)),
        ("an accelerando", faster, meter(3, &[], 0)),
        ("a long ritardando", slower, meter(12, &[3, 3, 3, 3], 0)),
        ("a ramp that hardly changes anything", hardly, meter(1, &[], 0)),
        ("a stop", stopped, meter(4, &[2, 2], 0)),
        ("a stop between beats, and a resume at another tempo", resumed, meter(64, &[], 0)),
    ]
}

/// What a beat begins: a bar, a group of the metre, or neither.
fn accent(meter: &Meter, pulse: u32) -> &'static str {
    let mut begins = meter.groups.iter().scan(1, |next, group| {
        let begin = *next;
        *next += group;
        Some(begin)
    });
    match pulse {
        1 => "bar",
        _ if begins.any(|begin| begin == pulse) => "group",
        _ => "none",
    }
}

fn vector((name, timeline, meter): &(&'static str, Timeline, Meter)) -> Value {
    let times: Vec<_> = POSITIONS_UB.iter().map(|&beat_ub| json!([beat_ub, timeline.time_of(beat_ub)])).collect();
    // At, just before and just after each of them, and on a coarse grid besides.
    let around = POSITIONS_UB.iter().flat_map(|&beat_ub| {
        let at = timeline.time_of(beat_ub);
        [at - 1, at, at + 1]
    });
    let moments = around.chain((-5..40).map(|step| START_US + step * 777_777));
    let positions: Vec<_> = moments.map(|t_us| json!([t_us, timeline.beat_at(t_us)])).collect();
    let next: Vec<_> = (-3..40)
        .map(|step| {
            let from_us = START_US + step * 333_337;
            let due = timeline.next_beat(None, from_us);
            json!([from_us, due.map(|due| due.beat), due.map(|due| due.due_us)])
        })
        .collect();
    let places: Vec<_> = (-9..=70)
        .map(|beat| {
            let place = meter.position(beat);
            json!([beat, place.bar, place.pulse, accent(meter, place.pulse)])
        })
        .collect();
    json!({
        "name": name,
        "timeline": { "segments": timeline.segments(), "stop_at_ub": timeline.stop_at_ub(), "meter": meter },
        "time_of_beat": times,
        "beat_at": positions,
        "next_beat": next,
        "places": places,
    })
}

#[test]
fn the_timeline_counts_as_the_browser_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/timeline.json");
    let vectors: Vec<String> = timelines().iter().map(|timeline| vector(timeline).to_string()).collect();
    let text = format!("[\n{}\n]\n", vectors.join(",\n"));
    if env::var_os("DOWNBEAT_BLESS").is_some() {
        fs::write(&path, &text).expect("the file can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "tests/vectors/timeline.json says otherwise; see the head of this test");
}
