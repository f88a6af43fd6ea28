//! One room of 1,000: what a note costs that many hear, and how far apart they hear it.

use super::play::{Pace, Played, play};
use crate::{
    error::LoadError,
    lab::{Lab, assemble, settle, undisturbed},
    report::{Figure, Goal, Report},
    server::Subject,
};

const MEMBERS: usize = 1_000;
const NOTES_PER_SECOND: f64 = 20.0;

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title(&format!("Fan-out: one room of {MEMBERS}, {NOTES_PER_SECOND} notes a second"));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..lab.options.rounds {
        for subject in lab.subjects(false) {
            let played = undisturbed(report, Played::usage, || once(lab, subject))?;
            report.note(&format!("{subject:?}: {}", played.summary()));
            match subject {
                Subject::Downbeat => ours.push(played),
                _ => bare.push(played),
            }
        }
    }
    let figures = [
        Figure::new("CPU per delivered note, 1 × 1,000", "µs", Played::cpu_per_delivered_us, Goal::AtMost(8.0)),
        Figure::new("note's delay p50, 1 × 1,000", "ms", Played::delay_p50_ms, Goal::None),
        Figure::new("note's delay p99, 1 × 1,000", "ms", Played::delay_p99_ms, Goal::None),
        Figure::new(
            "first to last receiver p50, 1 × 1,000",
            "ms",
            |played: &Played| played.spread.p50 / 1e3,
            Goal::None,
        ),
        Figure::new("notes lost, 1 × 1,000, worst round", "notes", Played::missing, Goal::AtMost(0.0)).worst(),
    ];
    report.rounds(&figures, &ours, &bare);
    Ok(())
}

fn once(lab: &Lab, subject: Subject) -> Result<Played, LoadError> {
    let server = lab.start(subject)?;
    let mut fleet = assemble(&server, 1, MEMBERS, false)?;
    settle(&mut fleet, 1_500_000)?;
    let pace = Pace { rooms: 1, members: MEMBERS, notes_per_second: NOTES_PER_SECOND, for_us: lab.duration_us() };
    play(&mut fleet, &server, pace)
}
