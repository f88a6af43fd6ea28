//! Every kind of broadcast at one rate, in turns, and notes at the same.

use super::{
    super::play::{Pace, Played, play},
    speak::{HEARERS, Spoken, speak},
    topic::{MEMBERS, Way, gather},
    with_redis,
};
use crate::{
    error::LoadError,
    lab::{Lab, assemble, settle, undisturbed},
    report::{Figure, Goal, Report, Row},
    server::Subject,
};

const PER_SECOND: f64 = 200.0;
/// In the order of a round.
const WAYS: [(Way, &str); 7] = [
    (Way::Bare, "bare"),
    (Way::Public, "public"),
    (Way::Acknowledged, "acknowledged"),
    (Way::Private, "private"),
    (Way::Octets, "octets"),
    (Way::TwoNodes, "two nodes"),
    (Way::TwoNodesPrivate, "two nodes, private"),
];

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let rounds = lab.options.rounds;
    report.title(&format!(
        "Broadcasts: a topic of {MEMBERS}, 1 KiB, {PER_SECOND} a second ({} delivered), {rounds} rounds",
        PER_SECOND * HEARERS as f64
    ));
    let mut spoken = [const { Vec::new() }; WAYS.len()];
    let mut notes = Vec::new();
    for _ in 0..rounds {
        for (rounds, (way, name)) in spoken.iter_mut().zip(WAYS) {
            let is_left_out = if way.is_bare() { lab.options.no_bare } else { lab.options.only_bare };
            if is_left_out {
                continue;
            }
            let once = undisturbed(report, Spoken::usage, || {
                speak(&mut gather(lab, way)?, way, PER_SECOND, lab.duration_us() / 3)
            });
            if let Some(once) = with_redis(report, once)? {
                report.note(&format!("{name}: {}", once.summary()));
                rounds.push(once);
            }
        }
        if !lab.options.only_bare {
            let played = undisturbed(report, Played::usage, || play_notes(lab))?;
            report.note(&format!("notes: {}", played.summary()));
            notes.push(played);
        }
    }
    rows(report, &spoken, &notes);
    Ok(())
}

/// A note is a seventh of the bytes, is heard by its player too, and is always answered.
fn play_notes(lab: &Lab) -> Result<Played, LoadError> {
    let server = lab.start(Subject::Downbeat)?;
    let mut fleet = assemble(&server, 1, MEMBERS, false)?;
    settle(&mut fleet, 300_000)?;
    let pace = Pace { rooms: 1, members: MEMBERS, notes_per_second: PER_SECOND, for_us: lab.duration_us() / 3 };
    play(&mut fleet, &server, pace)
}

fn rows(report: &mut Report, spoken: &[Vec<Spoken>; WAYS.len()], notes: &[Played]) {
    let bare = &spoken[0];
    for (rounds, (way, name)) in spoken.iter().zip(WAYS).skip(1) {
        let figure = |what: &str, unit, of| Figure::new(format!("{what}, {name}"), unit, of, Goal::None);
        let ms = |what: &str, of| figure(what, "ms", of);
        let who = if way.needs_redis() { "CPU of nodes and Redis" } else { "CPU" };
        let figures = [
            figure(&format!("{who} per delivered broadcast"), "µs", Spoken::cpu_per_delivered_us),
            ms("broadcast's delay p50", |spoken| spoken.near.p50 / 1e3),
            ms("… p99", |spoken| spoken.near.p99 / 1e3),
            ms("… p99.9", |spoken| spoken.near.p999 / 1e3),
        ];
        report.rounds(&figures, rounds, bare);
        if way.needs_redis() {
            let figures = [
                ms("… on the other node, p50", |spoken| spoken.far.p50 / 1e3),
                ms("… on the other node, p99", |spoken| spoken.far.p99 / 1e3),
                ms("… on the other node, p99.9", |spoken| spoken.far.p999 / 1e3),
            ];
            report.rounds(&figures, rounds, &[]);
        }
    }
    let name = format!("CPU per delivered note, a room of {MEMBERS}");
    report.rounds(&[Figure::new(name, "µs", Played::cpu_per_delivered_us, Goal::None)], notes, &[]);
    let missing = spoken.iter().flatten().map(Spoken::missing).fold(0.0, f64::max);
    let name = "broadcasts lost, doubled or refused, worst measurement";
    report.row(Row::new(name, "broadcasts", missing, Goal::AtMost(0.0)));
}
