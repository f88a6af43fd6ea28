//! The same beat from two nodes: how far apart one listener hears it.

use std::collections::HashMap;

use crate::{
    client::{Fleet, Heard},
    clock::monotonic_us,
    cluster::{Cluster, can_shift_boot_clock},
    error::LoadError,
    lab::{Lab, settle},
    report::{Goal, Report, Row},
    stats::Percentiles,
    wire,
};

/// The most rooms. Their beats lie evenly in half a second, the time from beat to beat.
const ROOMS: usize = 20;
const BEGIN_EVERY_US: i64 = 25_000;
/// In each room: two on the first node, one on the second. Their places in the fleet follow each other.
pub const MEMBERS: usize = 3;
/// Less would be too few beats for a percentile, unless less is asked for on purpose.
const SHORTEST_US: i64 = 20_000_000;
/// A day: how far the second node's boot-time clock is ahead of the first's.
const AHEAD_S: u32 = 86_400;

/// Two nodes, and rooms with members on both.
pub struct Both {
    pub fleet: Fleet,
    pub rooms: usize,
    /// Beneath the fleet, which shall not see it end.
    cluster: Cluster,
}

/// Starts the nodes, and has everybody in.
pub fn assemble(lab: &Lab, report: &Report) -> Result<Both, LoadError> {
    let rooms = lab.options.rooms.min(ROOMS);
    report.title(&format!("Cluster: {rooms} rooms with members on two nodes, 120 beats a minute"));
    let ahead_s = Some(AHEAD_S).filter(|_| can_shift_boot_clock());
    report.note(match ahead_s {
        Some(_) => "the second node's boot-time clock is a day ahead of the first's (a time namespace)",
        None => "both nodes read the same boot-time clock: another needs Linux, root and `unshare`",
    });
    let mut cluster = Cluster::start(lab, &["a"])?;
    cluster.join(lab, &["b"], ahead_s)?;
    let topics = cluster.rooms(rooms, MEMBERS, true)?;
    let mut fleet = Fleet::new()?;
    let [first, second] = &cluster.nodes[..] else {
        return Err(LoadError::NotListening("a cluster of two has other nodes".into()));
    };
    let began_us = monotonic_us();
    for (room, topic) in topics.iter().enumerate() {
        settle(&mut fleet, began_us + room as i64 * BEGIN_EVERY_US - monotonic_us())?;
        let place = |number| (room * MEMBERS + number, topic);
        let joins = |server: &crate::server::Server, numbers: &[usize]| {
            let joins = numbers.iter().map(|number| place(*number));
            joins.map(|(number, topic)| server.join_of(number, topic)).collect::<Vec<_>>()
        };
        fleet.join(first.server.address, &joins(&first.server, &[0, 1]))?;
        fleet.join(second.server.address, &joins(&second.server, &[2]))?;
    }
    // Time for the clocks to settle on each other, and for the count-in.
    settle(&mut fleet, i64::from(lab.options.settle) * 1_000_000)?;
    Ok(Both { fleet, rooms, cluster })
}

/// By room, run and beat: when each of the three heard it.
type Heards = HashMap<(usize, i64, i64), [Option<i64>; MEMBERS]>;

pub fn measure(lab: &Lab, report: &mut Report, both: &mut Both) -> Result<(), LoadError> {
    let mut heards = Heards::new();
    let shortest_us = if lab.options.rooms < ROOMS { 0 } else { SHORTEST_US };
    let until_us = monotonic_us() + lab.duration_us().max(shortest_us);
    while monotonic_us() < until_us {
        both.fleet.turn(until_us - monotonic_us(), &mut |heard| note(&mut heards, &heard))?;
    }
    let apart = |one: usize, other: usize| -> Percentiles {
        let pairs = heards.values().filter_map(|heard| Some((heard[one]? - heard[other]?).abs()));
        Percentiles::of(&mut pairs.collect::<Vec<_>>())
    };
    let (within, across) = (apart(0, 1), apart(0, 2));
    report.note(&format!("{} beats; the worst {:.2} ms apart", heards.len(), across.max / 1e3));
    let row = |name: &str, us: f64, goal| Row::new(name, "ms", us / 1e3, goal);
    report.row(row("the same beat from two nodes, apart, p50", across.p50, Goal::AtMost(0.5)));
    report.row(row("the same beat from two nodes, apart, p99", across.p99, Goal::AtMost(2.0)));
    report.row(row("… at two members on one node, p50", within.p50, Goal::None));
    report.row(row("… at two members on one node, p99", within.p99, Goal::None));
    let clocks = both.cluster.nodes.iter().map(|node| node.server.metric("downbeat_beats_skipped_total"));
    let skipped = clocks.collect::<Result<Vec<_>, _>>()?.iter().sum();
    report.row(Row::new("beats skipped by either node", "beats", skipped, Goal::AtMost(0.0)));
    Ok(())
}

fn note(heards: &mut Heards, heard: &Heard<'_>) {
    let number = |key: &[u8]| wire::number_after(heard.payload, key).map(|number| number as i64);
    if heard.event == b"beat"
        && let (Some(run), Some(beat)) = (number(br#""run":"#), number(br#""beat":"#))
    {
        let (room, place) = (heard.member / MEMBERS, heard.member % MEMBERS);
        heards.entry((room, run, beat)).or_default()[place] = Some(heard.at_us);
    }
}
