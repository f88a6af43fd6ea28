//! A hundred who go on changing what they show of themselves.

use super::{
    topic::{Gathered, MEMBERS, Way, join},
    with_redis,
};
use crate::{
    client::Heard,
    clock::monotonic_us,
    error::LoadError,
    lab::{Lab, Usage, undisturbed},
    report::{Figure, Goal, Report},
    stats::Percentiles,
    wire,
};

/// Tracks a second of all together: nearly the ten that each channel may.
const RATE: f64 = 900.0;
/// After the last track: the diff may take a tenth of a second.
const LAST_US: i64 = 2_000_000;

/// How it went.
#[derive(Clone, Debug, Default)]
struct Tracked {
    tracks: usize,
    refused: usize,
    /// Tracks of which the first member or the last heard nothing, because the next of that member came too soon.
    replaced: usize,
    /// Members whose last track the first member or the last did not hear of.
    unseen: usize,
    /// Diffs heard, by everyone together.
    diffs: usize,
    bytes: usize,
    /// From the track to the diff that tells the first member of it …
    near: Percentiles,
    /// … and the last, who is on the other node where there are two.
    far: Percentiles,
    usage: Usage,
}

impl Tracked {
    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn cpu_per_track_us(&self) -> f64 {
        self.usage.server_us / self.tracks.max(1) as f64
    }
}

#[derive(Default)]
struct Ears {
    sent_us: Vec<i64>,
    /// By track: when the first and the last member heard of it.
    heard_us: Vec<[Option<i64>; 2]>,
    refused: usize,
    diffs: usize,
    bytes: usize,
}

impl Ears {
    fn hear(&mut self, heard: &Heard<'_>) {
        match heard.event {
            b"presence_diff" => {
                self.diffs += 1;
                self.bytes += heard.payload.len();
                let ear = match heard.member {
                    0 => 0,
                    member if member == MEMBERS - 1 => 1,
                    _ => return,
                };
                // The leaves name older tracks, which have been heard of.
                let mut rest = heard.payload;
                while let Some(after) = wire::after(rest, br#""n":"#) {
                    rest = after;
                    if let Some(number) = digits(after)
                        && let Some(track) = self.heard_us.get_mut(number)
                    {
                        track[ear].get_or_insert(heard.at_us);
                    }
                }
            }
            b"phx_reply" if wire::after(heard.payload, br#""status":"ok""#).is_none() => self.refused += 1,
            _ => {}
        }
    }

    fn delays(&self, ear: usize) -> Percentiles {
        let delays = self.heard_us.iter().zip(&self.sent_us).filter_map(|(heard, sent_us)| Some(heard[ear]? - sent_us));
        Percentiles::of(&mut delays.collect::<Vec<_>>())
    }
}

fn digits(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()
}

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    for (way, name) in [(Way::Public, "one node"), (Way::TwoNodes, "two nodes and Redis")] {
        report.title(&format!("Presences: a topic of {MEMBERS}, {RATE} tracks a second, {name}"));
        let mut rounds = Vec::new();
        for _ in 0..lab.options.rounds {
            let once = undisturbed(report, Tracked::usage, || track(lab, way));
            let Some(once) = with_redis(report, once)? else { return Ok(()) };
            report.note(&summary(&once));
            rounds.push(once);
        }
        rows(report, &format!("{RATE} tracks/s, {name}"), way, &rounds);
    }
    Ok(())
}

fn summary(tracked: &Tracked) -> String {
    let Tracked { tracks, refused, replaced, unseen, diffs, bytes, near, far, usage } = tracked;
    format!(
        "{:.1} µs a track · {tracks} tracks, refused {refused}, replaced {replaced}, unseen {unseen}, in {diffs} diffs of {:.1} KiB · p50 {:.1} p99 {:.1} ms, at the last member {:.1} and {:.1} ms · {usage}",
        tracked.cpu_per_track_us(),
        *bytes as f64 / 1_024.0 / (*diffs).max(1) as f64,
        near.p50 / 1e3,
        near.p99 / 1e3,
        far.p50 / 1e3,
        far.p99 / 1e3,
    )
}

fn rows(report: &mut Report, name: &str, way: Way, rounds: &[Tracked]) {
    let figure =
        |what: &str, unit, of: fn(&Tracked) -> f64| Figure::new(format!("{what}, {name}"), unit, of, Goal::None);
    let mut figures = vec![
        figure("CPU per track that 100 hear of", "µs", Tracked::cpu_per_track_us),
        figure("track until its diff p50", "ms", |tracked| tracked.near.p50 / 1e3),
        figure("… p99", "ms", |tracked| tracked.near.p99 / 1e3),
    ];
    if way.needs_redis() {
        figures.push(figure("… on the other node, p50", "ms", |tracked| tracked.far.p50 / 1e3));
        figures.push(figure("… on the other node, p99", "ms", |tracked| tracked.far.p99 / 1e3));
    }
    let missing = |tracked: &Tracked| (tracked.refused + tracked.unseen) as f64;
    figures.push(figure("tracks refused, or last ones unseen, worst round", "tracks", missing).worst());
    report.rounds(&figures, rounds, &[]);
}

fn track(lab: &Lab, way: Way) -> Result<Tracked, LoadError> {
    let config = r#"{"broadcast":{"ack":false,"self":false},"presence":{"enabled":true},"private":false}"#;
    let Gathered { mut fleet, servers } = join(lab, way, config)?;
    let mut ears = Ears::default();
    let planned = (RATE * lab.duration_us() as f64 / 3e6) as usize;
    let meter = servers.meter()?;
    let start_us = monotonic_us();
    for number in 0..planned {
        let due_us = start_us + (number as f64 * 1e6 / RATE) as i64;
        while monotonic_us() < due_us {
            fleet.turn(due_us - monotonic_us(), &mut |heard| ears.hear(&heard))?;
        }
        ears.sent_us.push(monotonic_us());
        ears.heard_us.push([None; 2]);
        let payload = format!(r#"{{"type":"presence","event":"track","payload":{{"n":{number},"name":"Ada"}}}}"#);
        fleet.send(number % MEMBERS, "presence", &payload);
    }
    let until_us = monotonic_us() + LAST_US;
    let missed = |tracks: &[[Option<i64>; 2]]| tracks.iter().filter(|heard| heard.iter().any(Option::is_none)).count();
    let last = planned.saturating_sub(MEMBERS);
    while monotonic_us() < until_us && missed(&ears.heard_us[last..]) > 0 {
        fleet.turn(5_000, &mut |heard| ears.hear(&heard))?;
    }
    let unseen = missed(&ears.heard_us[last..]);
    Ok(Tracked {
        tracks: planned,
        refused: ears.refused,
        replaced: missed(&ears.heard_us) - unseen,
        unseen,
        diffs: ears.diffs,
        bytes: ears.bytes,
        near: ears.delays(0),
        far: ears.delays(1),
        usage: meter.read()?,
    })
}
