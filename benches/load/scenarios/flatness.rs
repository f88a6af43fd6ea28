//! Whether a room and a socket cost the same when there are ten and when there are ten thousand.

use super::listen::listen;
use crate::{
    client::Fleet,
    error::LoadError,
    lab::{Lab, Meter, settle},
    report::{Goal, Report, Row},
    server::Subject,
};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const MEMBERS: usize = 10;

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title("Flatness: a room with its clock and one member; a socket in a silent room of ten");
    if lab.options.only_bare {
        report.note("only of Downbeat");
        return Ok(());
    }
    let most = lab.connections(lab.options.rooms);
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        rooms(lab, report, size)?;
        sockets(lab, report, size)?;
    }
    Ok(())
}

fn rooms(lab: &Lab, report: &mut Report, size: usize) -> Result<(), LoadError> {
    let server = lab.start(Subject::Downbeat)?;
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, 300_000)?;
    let empty_kib = server.rss_kib()?;
    let topics = server.rooms(size, 2, true)?;
    fleet.join(server.address, &server.joins(&topics, 1))?;
    settle(&mut fleet, 1_500_000)?;
    let kib = server.rss_kib()?.saturating_sub(empty_kib) as f64 / size as f64;
    let listened = listen(&mut fleet, &server, lab.duration_us())?;
    report.note(&format!("{size} rooms: {}", listened.summary()));
    report.row(Row::new(
        format!("CPU a second for a beating room and its member, at {size}"),
        "µs",
        listened.usage.server_us / (listened.usage.elapsed_us / 1e6) / size as f64,
        Goal::None,
    ));
    report.row(Row::new(
        format!("RSS for a beating room and its member, at {size}"),
        "KiB",
        kib,
        Goal::None,
    ));
    Ok(())
}

fn sockets(lab: &Lab, report: &mut Report, size: usize) -> Result<(), LoadError> {
    let server = lab.start(Subject::Downbeat)?;
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, 300_000)?;
    let empty_kib = server.rss_kib()?;
    let topics = server.rooms(size.div_ceil(MEMBERS), MEMBERS, false)?;
    fleet.join(server.address, &server.joins(&topics, MEMBERS)[..size])?;
    settle(&mut fleet, 1_500_000)?;
    let kib = server.rss_kib()?.saturating_sub(empty_kib) as f64 / size as f64;
    let meter = Meter::start(&server)?;
    settle(&mut fleet, lab.duration_us())?;
    let usage = meter.read()?;
    report.row(Row::new(
        format!("CPU a second for an idle socket, at {size}"),
        "µs",
        usage.server_us / (usage.elapsed_us / 1e6) / size as f64,
        Goal::None,
    ));
    report.row(Row::new(
        format!("RSS for an idle socket, at {size}"),
        "KiB",
        kib,
        Goal::None,
    ));
    Ok(())
}
