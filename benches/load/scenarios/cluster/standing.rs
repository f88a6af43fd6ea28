//! What empty rooms cost the node that conducts them, and how soon others conduct them when it dies.

use super::fall::{Fall, fall};
use crate::{
    client::Fleet,
    cluster::Cluster,
    error::LoadError,
    lab::{Lab, Meter, settle},
    report::{Goal, Report, Row},
};

const WITHIN_S: f64 = 3.0;

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let rooms = lab.options.rooms;
    for round in 1..=lab.options.rounds {
        report.title(&format!("Cluster: one of three nodes dies, {rooms} rooms spread over them, round {round}"));
        let mut cluster = Cluster::start(lab, &["a", "b", "c"])?;
        let topics = cluster.rooms(rooms, 2, true)?;
        rest(lab)?;
        let fell = fall(&mut cluster, &topics, "a")?;
        rows(report, &fell, rooms, round);
    }
    for round in 1..=lab.options.rounds {
        report.title(&format!("Cluster: a node with all {rooms} rooms dies, two remain, round {round}"));
        let mut cluster = Cluster::start(lab, &["a"])?;
        let before_kib = cluster.nodes[0].server.rss_kib()?;
        let topics = cluster.rooms(rooms, 2, true)?;
        rest(lab)?;
        if round == 1 {
            let grown_kib = cluster.nodes[0].server.rss_kib()?.saturating_sub(before_kib) as f64;
            cost(lab, report, &cluster, grown_kib)?;
        }
        // They stand by: no room is moved before the ring has stood still for five seconds.
        cluster.join(lab, &["b", "c"], None)?;
        let fell = fall(&mut cluster, &topics, "a")?;
        rows(report, &fell, rooms, round);
    }
    Ok(())
}

fn rest(lab: &Lab) -> Result<(), LoadError> {
    settle(&mut Fleet::new()?, i64::from(lab.options.settle) * 1_000_000)
}

fn cost(lab: &Lab, report: &mut Report, cluster: &Cluster, grown_kib: f64) -> Result<(), LoadError> {
    let rooms = lab.options.rooms;
    let meter = Meter::start(&cluster.nodes[0].server)?;
    settle(&mut Fleet::new()?, lab.duration_us())?;
    let usage = meter.read()?;
    report.note(&usage.to_string());
    let (share, _) = usage.shares();
    report.row(Row::new(format!("a node with {rooms} empty rooms on Redis"), "% of a core", share, Goal::None));
    report.row(Row::new("RSS per empty room on Redis", "KiB", grown_kib / rooms as f64, Goal::None));
    Ok(())
}

fn rows(report: &mut Report, fell: &Fall, all: usize, round: u32) {
    report.note(&fell.summary());
    let name = format!("{} of {all} rooms conducted again after their node's death, round {round}", fell.rooms);
    report.row(Row::new(name, "s", fell.conducted_s, Goal::AtMost(WITHIN_S)));
    report.row(Row::new("… of that, until the first was taken over", "s", fell.first_s, Goal::None));
    report.row(Row::new("… of that, from the first to the last", "s", fell.conducted_s - fell.first_s, Goal::None));
}
