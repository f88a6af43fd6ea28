//! `cargo bench --bench frames`: what the smallest steps of a note and of a beat cost, in nanoseconds.
//!
//! Each is timed in rounds of many calls, and the median round is printed. No network, no server, one thread.

use std::{hint::black_box, process::ExitCode, time::Instant};

use downbeat::{
    protocol::{InboundPayload, Vsn, decode_text, encode_broadcast},
    tempo::{BEAT_UB, Timeline},
};

const ROUNDS: usize = 21;
const CALLS: u32 = 50_000;

const TOPIC: &str = "music_room:MUSIC-1234";
const NOTE: &str = r#"["1","7","music_room:MUSIC-1234","play_note",{"midi":60,"velocity":100}]"#;
const NOTE_V1: &str =
    r#"{"topic":"music_room:MUSIC-1234","event":"play_note","payload":{"midi":60,"velocity":100},"ref":"7"}"#;
const STUDENT_NOTE: &str =
    r#"{"midi":60,"velocity":100,"student_id":"ada","timestamp":1700000000000,"beat":12.345678}"#;
const START_US: i64 = 1_700_000_000_000_000;

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benches too, and says so by not saying `--bench`.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("nothing measured: use `cargo bench --bench frames`");
        return ExitCode::SUCCESS;
    }
    println!("{:<44} {:>8}", "median of 21 rounds", "ns");
    decoding();
    encoding();
    timeline();
    ExitCode::SUCCESS
}

fn decoding() {
    print("read a play_note frame, V2", || payload_bytes(Vsn::V2, black_box(NOTE)));
    print("read a play_note frame, V1", || payload_bytes(Vsn::V1, black_box(NOTE_V1)));
    print("… and its payload as JSON", || {
        let Ok(frame) = decode_text(Vsn::V2, black_box(NOTE)) else {
            return 0;
        };
        let InboundPayload::Json(json) = frame.payload else {
            return 0;
        };
        serde_json::from_str::<serde_json::Value>(json.get())
            .map_or(0, |value| value["midi"].as_u64().unwrap_or_default() as usize)
    });
    print("refuse half a frame", || payload_bytes(Vsn::V2, black_box(&NOTE[..40])));
}

fn payload_bytes(vsn: Vsn, text: &str) -> usize {
    decode_text(vsn, text).map_or(0, |frame| frame.payload.len_bytes())
}

fn encoding() {
    for (name, vsn) in [("write a student_note, V2", Vsn::V2), ("write a student_note, V1", Vsn::V1)] {
        print(name, || encode_broadcast(vsn, black_box(TOPIC), "student_note", black_box(STUDENT_NOTE)).len());
    }
}

fn timeline() {
    let steady = Timeline::starting(START_US, 0, 120_000);
    let mut beat = 0;
    print("next beat", || {
        beat += 1;
        steady.next_beat(Some(black_box(beat)), i64::MIN).map_or(0, |due| due.due_us as usize)
    });
    let mut now_us = START_US;
    print("beat at a moment", || {
        now_us += 1_237;
        steady.beat_at(black_box(now_us)) as usize
    });
    print("moment of a beat", || {
        now_us += 1_237;
        steady.time_of(black_box(100_000 * BEAT_UB + now_us % BEAT_UB)) as usize
    });
}

/// Prints the median round's time for one call. What `act` returns is kept from being optimised away.
fn print(name: &str, mut act: impl FnMut() -> usize) {
    let mut rounds_ns: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CALLS {
                black_box(act());
            }
            began.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    rounds_ns.sort_by(f64::total_cmp);
    println!("{name:<44} {:>8.1}", rounds_ns[ROUNDS / 2]);
}
