//! 50 rooms of 20 with clocks: what recording adds to a note, and to memory.

use std::{env, fs, thread, time::Duration};

use super::play::{Pace, Played, play};
use crate::{
    client::Fleet,
    clock::monotonic_us,
    error::{Doing, LoadError},
    lab::{Lab, Meter, Usage, assemble, settle},
    postgres::Postgres,
    procfs,
    redis_server::RedisServer,
    report::{Figure, Goal, Report, Row},
    server::{Place, Recording, Server},
    stats::median,
};

const ROOMS: usize = 50;
const MEMBERS: usize = 20;
/// Notes that were heard are in the database so long after the last, if it keeps up.
const STORED_WITHIN_US: i64 = 60_000_000;
/// What recording may add to a note, %.
const ADDED_MAX: f64 = 5.0;
/// How often memory is looked at under load.
const LOOKS: usize = 6;

const RATES: [(&str, f64); 2] = [("20k/s", 20_000.0), ("80k/s", 80_000.0)];

/// A port that nobody listens on: what is recorded waits in the journal.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

/// What a server does with what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    Without,
    /// Up to the journal.
    Kept,
    With,
}

/// Where the server runs, and with what beside it.
#[derive(Clone, Copy)]
enum Ground<'a> {
    /// One node, and SQLite within it.
    Single,
    Cluster(&'a Postgres),
}

/// Full rooms that beat. They end in this order.
struct Stage {
    fleet: Fleet,
    server: Server,
    /// A new one each time: it shall not know the rooms of the turn before.
    redis: Option<RedisServer>,
}

/// What a figure is of a turn.
type Of = fn(&Turn) -> f64;

/// One turn of one of the arms.
#[derive(Clone, Default)]
struct Turn {
    played: Played,
    /// Until everything was in the database.
    server_us: f64,
    /// Redis' and PostgreSQL's.
    beside_us: f64,
    /// Events that went into the database meanwhile.
    stored: f64,
}

impl Turn {
    fn server_us_each(&self) -> f64 {
        self.server_us / self.played.delivered.max(1) as f64
    }

    fn all_us_each(&self) -> f64 {
        (self.server_us + self.beside_us) / self.played.delivered.max(1) as f64
    }

    fn delay_p50_ms(&self) -> f64 {
        self.played.delay_p50_ms()
    }

    fn delay_p99_ms(&self) -> f64 {
        self.played.delay_p99_ms()
    }
}

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    turns(lab, report, "one node", Ground::Single)?;
    memory(lab, report)?;
    let folder = env::temp_dir().join(format!("downbeat-load-{}-postgres", std::process::id()));
    lab.cores.unpin();
    let postgres = Postgres::start(&folder).doing("starting PostgreSQL");
    procfs::pin(None, lab.cores.generator);
    let measured = postgres.and_then(|postgres| turns(lab, report, "cluster", Ground::Cluster(&postgres)));
    let _ = fs::remove_dir_all(&folder);
    measured
}

fn turns(lab: &Lab, report: &mut Report, ground_name: &str, ground: Ground<'_>) -> Result<(), LoadError> {
    for (rate_name, delivered_per_second) in RATES {
        let name = format!("{ground_name}, {rate_name}");
        report
            .title(&format!("Recording: {ROOMS} rooms of {MEMBERS}, {name} delivered, {} rounds", lab.options.rounds));
        let mut turns = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..lab.options.rounds {
            let mut arms = vec![Arm::Without, Arm::Kept, Arm::With];
            arms.retain(|arm| matches!(ground, Ground::Single) || *arm != Arm::Kept);
            // Whoever is first in one round is last in the next.
            if round % 2 == 1 {
                arms.reverse();
            }
            for arm in arms {
                let turn = turn(lab, ground, arm, delivered_per_second)?;
                report.note(&format!(
                    "{arm:?}: {:.2} µs until all is stored, beside it {:.2} µs, {} events · {}",
                    turn.server_us_each(),
                    turn.beside_us / turn.played.delivered.max(1) as f64,
                    turn.stored,
                    turn.played.summary()
                ));
                turns[arm as usize].push(turn);
            }
        }
        let [without, kept, with] = turns;
        if !kept.is_empty() {
            let added = kept.iter().zip(&without).map(|(kept, off)| kept.server_us_each() - off.server_us_each());
            let each = MEMBERS as f64 * median(added);
            let name = format!("… up to the journal and the ok, each event, the server's CPU, {name}");
            report.row(Row::new(name, "µs", each, Goal::None));
        }
        rows(report, &name, matches!(ground, Ground::Cluster(..)), &with, &without);
    }
    Ok(())
}

fn turn(lab: &Lab, ground: Ground<'_>, arm: Arm, delivered_per_second: f64) -> Result<Turn, LoadError> {
    let Stage { mut fleet, server, redis } = assembled(lab, ground, arm)?;
    let stored_before = stored(&server)?;
    let postgres_us = match ground {
        Ground::Single => 0,
        Ground::Cluster(postgres) => postgres.cpu_us(),
    };
    let redis_meter = redis.as_ref().map(|redis| Meter::of(vec![redis.pid()])).transpose()?;
    let meter = Meter::start(&server)?;
    let played = play(&mut fleet, &server, pace(lab, delivered_per_second))?;
    let notes = played.delivered / MEMBERS;
    // Both wait, so that both pay for beats meanwhile.
    let until_us = monotonic_us() + 1_500_000;
    settle(&mut fleet, 1_500_000)?;
    let mut arrived = stored(&server)? - stored_before;
    while arm == Arm::With && arrived < notes as f64 {
        if monotonic_us() > until_us + STORED_WITHIN_US {
            let seconds = STORED_WITHIN_US.unsigned_abs() / 1_000_000;
            return Err(LoadError::TooSlow {
                what: format!("storing {notes} notes, of which {arrived} are,"),
                seconds,
            });
        }
        settle(&mut fleet, 100_000)?;
        arrived = stored(&server)? - stored_before;
    }
    let Usage { server_us, .. } = meter.read()?;
    let beside_us = match (ground, redis_meter) {
        (Ground::Cluster(postgres), Some(meter)) => {
            meter.read()?.server_us + postgres.cpu_us().saturating_sub(postgres_us) as f64
        }
        _ => 0.0,
    };
    Ok(Turn { played, server_us, beside_us, stored: arrived })
}

fn assembled(lab: &Lab, ground: Ground<'_>, arm: Arm) -> Result<Stage, LoadError> {
    let program = &lab.options.server;
    let on = arm != Arm::Without;
    let (server, redis) = match ground {
        Ground::Single => {
            let database = (arm == Arm::Kept).then_some(NO_DATABASE);
            let server = Server::start_recording(Recording { on, database }, program, &lab.cores)?;
            if arm == Arm::Kept {
                // The start has waited for the database so long that the node's session has lapsed.
                thread::sleep(Duration::from_secs(1));
            }
            (server, None)
        }
        Ground::Cluster(postgres) => {
            let redis = RedisServer::start(&lab.cores)?;
            let url = postgres.url();
            let recording = Recording { on, database: Some(&url) };
            let place = Place { redis_url: redis.url(), id: "lone", recording, boot_ahead_s: None };
            (Server::join(&place, program, &lab.cores)?, Some(redis))
        }
    };
    let mut fleet = assemble(&server, ROOMS, MEMBERS, true)?;
    // Past the drain's longest pause: what the joins have brought is not to be counted as the notes' cost.
    settle(&mut fleet, 3_500_000)?;
    Ok(Stage { fleet, server, redis })
}

fn pace(lab: &Lab, delivered_per_second: f64) -> Pace {
    Pace {
        rooms: ROOMS,
        members: MEMBERS,
        notes_per_second: delivered_per_second / MEMBERS as f64,
        for_us: lab.duration_us(),
    }
}

fn stored(server: &Server) -> Result<f64, LoadError> {
    server.metric("downbeat_participation_stored")
}

fn rows(report: &mut Report, name: &str, is_cluster: bool, with: &[Turn], without: &[Turn]) {
    let figures: [(&str, &'static str, Of); 4] = [
        ("the server's CPU per delivered note", "µs", Turn::server_us_each),
        ("CPU of all per delivered note", "µs", Turn::all_us_each),
        ("note's delay p50", "ms", Turn::delay_p50_ms),
        ("note's delay p99", "ms", Turn::delay_p99_ms),
    ];
    for (at, (what, unit, of)) in figures.into_iter().enumerate() {
        if at == 1 && !is_cluster {
            continue;
        }
        let figure = Figure::new(format!("{what}, {name}"), unit, of, Goal::None);
        let (Some(on), Some(off)) = (figure.over(with), figure.over(without)) else { continue };
        report.row(Row::new(format!("recording: {}", figure.name), unit, on, Goal::None).beside(Some(off)));
        if at < 2 {
            // Neighbours in time are compared, and the middle of that is taken.
            let base = |off: &Turn| if at == 0 { off.played.cpu_per_delivered_us() } else { of(off) };
            let added = with.iter().zip(without).map(|(on, off)| 100.0 * (of(on) - of(off)) / base(off).max(1e-9));
            let goal = if at == 0 { Goal::AtMost(ADDED_MAX) } else { Goal::None };
            report.row(Row::new(format!("… added by recording, {what}, {name}"), "%", median(added), goal));
            let each = MEMBERS as f64 * median(with.iter().zip(without).map(|(on, off)| of(on) - of(off)));
            report.row(Row::new(format!("… of each event, {what}, {name}"), "µs", each, Goal::None));
        }
    }
    let missing = with.iter().map(|turn| turn.played.delivered as f64 / MEMBERS as f64 - turn.stored);
    let missing = missing.fold(0.0, f64::max);
    report.row(Row::new(format!("notes heard and not stored, {name}"), "notes", missing, Goal::AtMost(0.0)));
}

/// What a recording node holds while notes come in faster than any school plays.
fn memory(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title(&format!("Memory of a node that records, 80k/s delivered, {LOOKS} looks"));
    for arm in [Arm::Without, Arm::With] {
        let Stage { mut fleet, server, .. } = assembled(lab, Ground::Single, arm)?;
        let before_kib = server.rss_kib()?;
        let mut grown_mib = Vec::new();
        for _ in 0..LOOKS {
            play(&mut fleet, &server, pace(lab, RATES[1].1))?;
            grown_mib.push(server.rss_kib()?.saturating_sub(before_kib) as f64 / 1024.0);
        }
        let with = if arm == Arm::With { "with" } else { "without" };
        report.note(&format!("{with}: {} MiB, and grown by {grown_mib:.1?} MiB", before_kib / 1024));
        for (look, at) in [("half", LOOKS / 2), ("all", LOOKS)] {
            let seconds = at as u32 * lab.options.seconds;
            let name = format!("RSS grown {with} recording, after {look} of the notes, {seconds} s");
            report.row(Row::new(name, "MiB", grown_mib[at - 1], Goal::None));
        }
    }
    Ok(())
}
