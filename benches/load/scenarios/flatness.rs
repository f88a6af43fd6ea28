//! Whether a room and a socket cost the same when there are ten and when there are ten thousand.

use super::listen::{Listened, listen};
use crate::{
    client::Fleet,
    error::LoadError,
    lab::{Lab, settle},
    report::{Goal, Report, Row},
    server::Subject,
};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// So many come first and are not counted: with them the server touches what it has only once.
const FIRST: usize = 10;

/// What there is more and more of.
struct Kind {
    name: &'static str,
    members: usize,
    clock: bool,
}

const KINDS: [Kind; 2] = [
    Kind { name: "beating room with its member", members: 1, clock: true },
    Kind { name: "idle socket in rooms of ten", members: 10, clock: false },
];

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title("Flatness: what one more costs");
    if lab.options.only_bare {
        report.note("only of Downbeat");
        return Ok(());
    }
    let most = lab.connections(lab.options.rooms + FIRST) - FIRST;
    for kind in &KINDS {
        for size in SIZES.into_iter().filter(|size| *size <= most) {
            grow(lab, report, kind, size)?;
        }
    }
    Ok(())
}

fn grow(lab: &Lab, report: &mut Report, kind: &Kind, size: usize) -> Result<(), LoadError> {
    let server = lab.start(Subject::Downbeat)?;
    let mut fleet = Fleet::new()?;
    let first = server.rooms(FIRST / kind.members, kind.members, kind.clock)?;
    fleet.join(server.address, &server.joins(&first, kind.members))?;
    settle(&mut fleet, 1_000_000)?;
    let before_kib = server.rss_kib()?;
    let before = per_second(&listen(&mut fleet, &server, 1_000_000)?);
    let topics = server.rooms(size / kind.members, kind.members, kind.clock)?;
    fleet.join(server.address, &server.joins(&topics, kind.members))?;
    settle(&mut fleet, 1_500_000)?;
    let grown_kib = server.rss_kib()?.saturating_sub(before_kib) as f64;
    let listened = listen(&mut fleet, &server, lab.duration_us())?;
    report.note(&format!(
        "{size} × {}: {} beats, {} other messages · {}",
        kind.name, listened.beats, listened.others, listened.usage
    ));
    report.row(Row::new(
        format!("CPU a second, {}, of {size}", kind.name),
        "µs each",
        (per_second(&listened) - before) / size as f64,
        Goal::None,
    ));
    report.row(Row::new(format!("RSS, {}, of {size}", kind.name), "KiB each", grown_kib / size as f64, Goal::None));
    Ok(())
}

fn per_second(listened: &Listened) -> f64 {
    listened.usage.server_us / (listened.usage.elapsed_us / 1e6)
}
