//! 50 rooms of 20: how many notes a second each client may play before notes are late or lost.

use super::play::{Pace, Played, play};
use crate::{
    error::LoadError,
    lab::{Lab, assemble, settle, undisturbed},
    report::{Goal, Report, Row},
    server::Subject,
};

const ROOMS: usize = 50;
const MEMBERS: usize = 20;
const DELAY_P99_US_MAX: f64 = 50_000.0;
/// The first rate tried: the goal.
const LOWEST: f64 = 6.0;
/// How finely the ceiling is sought, as a share of it.
const STEP: f64 = 0.2;
/// A rate is given up when it has failed so often in a row: one failure may be the machine's.
const FAILURES: usize = 2;
/// Beyond it the numbers by which notes are told apart would come round too soon.
const HIGHEST: f64 = 96.0;

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title(&format!("Ceiling: {ROOMS} rooms of {MEMBERS}, p99 below 50 ms, nothing lost"));
    let (mut ours, mut bare) = (None, None);
    for subject in lab.subjects(false) {
        let ceiling = search(lab, report, subject)?;
        match subject {
            Subject::Downbeat => ours = Some(ceiling),
            _ => bare = Some(ceiling),
        }
    }
    if let Some(ours) = ours {
        let name = "highest sustained notes per client, 50 rooms × 20, one core";
        report.row(Row::new(name, "1/s", ours, Goal::AtLeast(6.0)).beside(bare));
    }
    Ok(())
}

/// Doubles until it fails, then halves the gap.
fn search(lab: &Lab, report: &Report, subject: Subject) -> Result<f64, LoadError> {
    let (mut good, mut bad) = (0.0, f64::INFINITY);
    let mut rate = LOWEST;
    while bad - good > good.max(LOWEST) * STEP && rate <= HIGHEST {
        let mut sustained = false;
        for _ in 0..FAILURES {
            sustained = sustained || is_sustained(lab, report, subject, rate)?;
        }
        if sustained {
            good = rate;
        } else {
            bad = rate;
        }
        rate = if bad.is_finite() { (good + bad) / 2.0 } else { good * 2.0 };
    }
    Ok(good)
}

fn is_sustained(lab: &Lab, report: &Report, subject: Subject, rate: f64) -> Result<bool, LoadError> {
    match undisturbed(report, Played::usage, || attempt(lab, subject, rate)) {
        Ok(played) => {
            report.note(&format!("{subject:?} {rate}/s: {}", played.summary()));
            let all_played = played.lost == 0 && played.refused == 0;
            Ok(all_played && played.delay.p99 < DELAY_P99_US_MAX)
        }
        // A server that cannot keep up may close those who do not read in time.
        Err(error @ LoadError::Closed { .. }) => {
            report.note(&format!("{subject:?} {rate}/s: {error}"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn attempt(lab: &Lab, subject: Subject, rate: f64) -> Result<Played, LoadError> {
    let server = lab.start(subject)?;
    let mut fleet = assemble(&server, ROOMS, MEMBERS, false)?;
    settle(&mut fleet, 300_000)?;
    let pace = Pace {
        rooms: ROOMS,
        members: MEMBERS,
        notes_per_second: rate * (ROOMS * MEMBERS) as f64,
        for_us: lab.duration_us(),
    };
    play(&mut fleet, &server, pace)
}
