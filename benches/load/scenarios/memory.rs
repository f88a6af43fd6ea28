//! What an idle connection that has joined a room keeps in memory.

use crate::{
    client::Fleet,
    error::LoadError,
    lab::{Lab, Meter, settle},
    report::{Goal, Report, Row},
    server::Subject,
};

const MEMBERS: usize = 20;
const STEPS: [usize; 2] = [1_000, 5_000];

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let most = lab.connections(lab.options.connections) / MEMBERS * MEMBERS;
    let mut steps: Vec<usize> = STEPS.into_iter().filter(|step| *step < most).collect();
    steps.push(most);
    report.title(&format!(
        "Memory: rooms of {MEMBERS}, up to {most} connections ({} open files for each process)",
        lab.open_files
    ));
    for clocks in [false, true] {
        let mut bare = vec![None; steps.len()];
        for subject in lab.subjects(clocks).into_iter().rev() {
            let kib = climb(lab, report, subject, &steps, clocks)?;
            if subject != Subject::Downbeat {
                bare = kib.into_iter().map(Some).collect();
                continue;
            }
            let with = if clocks { "with" } else { "without" };
            for ((step, kib), bare) in steps.iter().zip(kib).zip(&bare) {
                let name = format!("RSS per joined idle connection, {step}, {with} clocks");
                report.row(Row::new(name, "KiB", kib, Goal::AtMost(6.0)).beside(*bare));
            }
        }
    }
    Ok(())
}

/// The KiB for each connection at every step: all that the process has grown by, rooms included.
fn climb(lab: &Lab, report: &Report, subject: Subject, steps: &[usize], clocks: bool) -> Result<Vec<f64>, LoadError> {
    let server = lab.start(subject)?;
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, 300_000)?;
    let empty_kib = server.rss_kib()?;
    let mut figures = Vec::new();
    for step in steps {
        let count = (step - fleet.len()) / MEMBERS;
        let before_kib = server.rss_kib()?;
        let topics = server.rooms(count, MEMBERS, clocks)?;
        let rooms_kib = server.rss_kib()?.saturating_sub(before_kib) as f64 / count as f64;
        let meter = Meter::start(&server)?;
        fleet.join(server.address, &server.joins(&topics, MEMBERS))?;
        let joining = meter.read()?;
        settle(&mut fleet, 2_000_000)?;
        let meter = Meter::start(&server)?;
        settle(&mut fleet, 1_000_000)?;
        let (idle, _) = meter.read()?.shares();
        let kib = server.rss_kib()?.saturating_sub(empty_kib) as f64 / *step as f64;
        report.note(&format!(
            "{subject:?}, clocks {clocks}: {step} connections · {kib:.2} KiB each ({rooms_kib:.1} for an empty room) · idle {idle:.1} % of a core · joined in {:.1} s",
            joining.elapsed_us / 1e6
        ));
        figures.push(kib);
    }
    Ok(figures)
}
