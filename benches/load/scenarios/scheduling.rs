//! 10,000 rooms with clocks: what it costs to conduct them, and then to beat them for a member each.

use super::listen::listen;
use crate::{
    client::Fleet,
    clock,
    error::LoadError,
    lab::{Lab, Meter, settle},
    report::{Goal, Report, Row},
    server::Subject,
};

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let rooms = lab.options.rooms;
    report.title(&format!("Scheduling: {rooms} rooms with clocks"));
    if lab.options.only_bare {
        report.note("only of Downbeat");
        return Ok(());
    }
    let server = lab.start(Subject::Downbeat)?;
    let began_us = clock::monotonic_us();
    let topics = server.rooms(rooms, 2, true)?;
    let seconds = |since_us: i64| (clock::monotonic_us() - since_us) as f64 / 1e6;
    report.note(&format!("{rooms} rooms made in {:.1} s", seconds(began_us)));
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, 1_000_000)?;
    let meter = Meter::start(&server)?;
    settle(&mut fleet, lab.duration_us())?;
    let (without, _) = meter.read()?.shares();
    let began_us = clock::monotonic_us();
    server.start_clocks(&topics)?;
    report.note(&format!("clocks started in {:.1} s", seconds(began_us)));
    settle(&mut fleet, 1_000_000)?;
    let meter = Meter::start(&server)?;
    settle(&mut fleet, lab.duration_us())?;
    let (conducting, _) = meter.read()?.shares();
    report.row(Row::new(format!("{rooms} rooms without clocks, nobody in them"), "% of a core", without, Goal::None));
    report.row(Row::new(
        format!("{rooms} rooms with clocks, nobody in them"),
        "% of a core",
        conducting,
        Goal::AtMost(30.0),
    ));
    let attended = lab.connections(rooms);
    fleet.join(server.address, &server.joins(&topics[..attended], 1))?;
    settle(&mut fleet, 1_000_000)?;
    let listened = listen(&mut fleet, &server, lab.duration_us())?;
    report.note(&listened.summary());
    let (share, _) = listened.usage.shares();
    let name = format!("{attended} rooms with clocks and a member each, delivery included");
    report.row(Row::new(name, "% of a core", share, Goal::None));
    report.row(Row::new(
        format!("CPU per delivered beat, {attended} rooms × 1"),
        "µs",
        listened.cpu_per_beat_us(),
        Goal::AtMost(18.0),
    ));
    Ok(())
}
