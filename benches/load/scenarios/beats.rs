//! 1,000 rooms of 2: what a delivered beat costs, how late it is, and whether the beat drifts.

use super::listen::{Listened, listen};
use crate::{
    client::Fleet,
    clock::monotonic_us,
    error::LoadError,
    histogram::Histogram,
    lab::{Lab, settle, undisturbed},
    report::{Figure, Goal, Report},
    server::Subject,
};

const ROOMS: usize = 1_000;
const MEMBERS: usize = 2;
const LATENESS: &str = "downbeat_beat_lateness_seconds";
/// Classes do not begin in the same moment: so long it takes until all have, four beats, so that they lie evenly.
const BEGIN_OVER_US: i64 = 2_000_000;
/// Ten beats a room at least, or a slope says nothing.
const SHORTEST_US: i64 = 5_000_000;

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title(&format!("Beats: {ROOMS} rooms of {MEMBERS}, 120 beats a minute"));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..lab.options.rounds.min(2) {
        for subject in lab.subjects(true) {
            let listened = undisturbed(report, Listened::usage, || once(lab, report, subject))?;
            report.note(&format!("{subject:?}: {}", listened.summary()));
            match subject {
                Subject::Downbeat => ours.push(listened),
                _ => bare.push(listened),
            }
        }
    }
    report.rounds(&figures(), &ours, &bare);
    Ok(())
}

fn once(lab: &Lab, report: &Report, subject: Subject) -> Result<Listened, LoadError> {
    let server = lab.start(subject)?;
    let topics = server.rooms(ROOMS, MEMBERS, true)?;
    let joins = server.joins(&topics, MEMBERS);
    let mut fleet = Fleet::new()?;
    let began_us = monotonic_us();
    for (room, members) in joins.chunks(MEMBERS).enumerate() {
        let due_us = began_us + room as i64 * BEGIN_OVER_US / ROOMS as i64;
        settle(&mut fleet, due_us - monotonic_us())?;
        fleet.join(server.address, members)?;
    }
    settle(&mut fleet, 1_000_000)?;
    let before = Histogram::read(&server.metrics()?, LATENESS);
    let listened = listen(&mut fleet, &server, lab.duration_us().max(SHORTEST_US))?;
    let own = Histogram::read(&server.metrics()?, LATENESS).since(&before);
    if let (Some(p50), Some(p99), Some(p999)) = (own.at_most_ms(0.5), own.at_most_ms(0.99), own.at_most_ms(0.999)) {
        report.note(&format!("its own histogram: p50 ≤ {p50} p99 ≤ {p99} p99.9 ≤ {p999} ms"));
    }
    Ok(listened)
}

fn figures() -> [Figure<Listened>; 7] {
    [
        Figure::new("CPU per delivered beat, 1,000 rooms × 2", "µs", Listened::cpu_per_beat_us, Goal::AtMost(18.0)),
        Figure::new(
            "beat's lateness at the client, p50",
            "ms",
            |listened: &Listened| listened.late.p50 / 1e3,
            Goal::AtMost(0.05),
        ),
        Figure::new(
            "beat's lateness at the client, p99",
            "ms",
            |listened: &Listened| listened.late.p99 / 1e3,
            Goal::None,
        ),
        Figure::new(
            "beat's lateness at the client, p99.9",
            "ms",
            |listened: &Listened| listened.late.p999 / 1e3,
            Goal::AtMost(2.0),
        ),
        // The goal is 0; rounding `at` to a microsecond alone shows as this much over a few seconds.
        Figure::new(
            "beat drift, `at` against beat number, worst room",
            "ppm",
            |listened: &Listened| listened.drift_ppm,
            Goal::AtMost(0.5),
        )
        .worst(),
        Figure::new(
            "beat drift as heard, middle room",
            "ppm",
            |listened: &Listened| listened.heard_drift_ppm,
            Goal::None,
        ),
        Figure::new(
            "beats missing, doubled or out of order, worst round",
            "beats",
            |listened: &Listened| listened.out_of_order as f64,
            Goal::AtMost(0.0),
        )
        .worst(),
    ]
}
