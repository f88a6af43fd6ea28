//! 50 rooms of 20: what a delivered note costs.

use super::play::{Pace, Played, play};
use crate::{
    error::LoadError,
    lab::{Lab, assemble, settle, undisturbed},
    report::{Figure, Goal, Report, Row},
    server::Subject,
};

const ROOMS: usize = 50;
const MEMBERS: usize = 20;

struct Rate {
    name: &'static str,
    delivered_per_second: f64,
    cpu_us_max: f64,
    /// The most that Downbeat may take of the bare server's cost.
    ratio_max: Option<f64>,
}

const RATES: [Rate; 2] = [
    Rate { name: "20k/s", delivered_per_second: 20_000.0, cpu_us_max: 10.0, ratio_max: Some(1.3) },
    Rate { name: "80k/s", delivered_per_second: 80_000.0, cpu_us_max: 6.0, ratio_max: None },
];

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    for rate in &RATES {
        report.title(&format!(
            "Notes: {ROOMS} rooms of {MEMBERS}, {} delivered, {} rounds",
            rate.name, lab.options.rounds
        ));
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..lab.options.rounds {
            for subject in lab.subjects(false) {
                let played = undisturbed(report, Played::usage, || once(lab, subject, rate))?;
                report.note(&format!("{subject:?}: {}", played.summary()));
                match subject {
                    Subject::Downbeat => ours.push(played),
                    _ => bare.push(played),
                }
            }
        }
        rows(report, rate, &ours, &bare);
    }
    Ok(())
}

fn once(lab: &Lab, subject: Subject, rate: &Rate) -> Result<Played, LoadError> {
    let server = lab.start(subject)?;
    let mut fleet = assemble(&server, ROOMS, MEMBERS, false)?;
    settle(&mut fleet, 500_000)?;
    let pace = Pace {
        rooms: ROOMS,
        members: MEMBERS,
        notes_per_second: rate.delivered_per_second / MEMBERS as f64,
        for_us: lab.duration_us(),
    };
    play(&mut fleet, &server, pace)
}

fn rows(report: &mut Report, rate: &Rate, ours: &[Played], bare: &[Played]) {
    let name = rate.name;
    let cpu = Figure::new(
        format!("CPU per delivered note, {name}"),
        "µs",
        Played::cpu_per_delivered_us,
        Goal::AtMost(rate.cpu_us_max),
    );
    let p50 = Figure::new(format!("note's delay p50, {name}"), "ms", Played::delay_p50_ms, Goal::None);
    let p99 = Figure::new(format!("note's delay p99, {name}"), "ms", Played::delay_p99_ms, Goal::None);
    let lost =
        Figure::new(format!("notes lost, {name}, worst round"), "notes", Played::missing, Goal::AtMost(0.0)).worst();
    if let (Some(ours), Some(bare)) = (cpu.over(ours), cpu.over(bare)) {
        let goal = rate.ratio_max.map_or(Goal::None, Goal::AtMost);
        let name = format!("… as a multiple of the bare server's, {name}");
        report.row(Row::new(name, "×", ours / bare.max(1e-9), goal));
    }
    if let (Some(ours), Some(bare)) = (p50.over(ours), p50.over(bare)) {
        let name = format!("delay p50 above the bare server's, {name}");
        report.row(Row::new(name, "ms", ours - bare, Goal::AtMost(3.0)));
    }
    report.rounds(&[cpu, p50, p99, lost], ours, bare);
}
