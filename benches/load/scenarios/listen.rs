//! Beats as clients hear them: how late, how evenly, and whether each one once.

use crate::{
    client::{Fleet, Heard},
    clock::{monotonic_us, realtime_us},
    error::LoadError,
    lab::{Meter, Usage},
    server::Server,
    stats::{Percentiles, slope},
    wire,
};

/// At the 120 beats a minute that every room here has.
const BEAT_US: f64 = 500_000.0;

/// What was heard.
#[derive(Clone, Debug, Default)]
pub struct Listened {
    pub beats: usize,
    /// Other messages in that time: timelines, above all.
    pub others: usize,
    /// Beats that did not follow on the one before, by number.
    pub out_of_order: usize,
    /// From `at` to the receiver's read; both are of the same machine's clock.
    pub late: Percentiles,
    /// The slope of the schedule's error: `at` against the beat's number. Of all rooms the worst, in ppm.
    pub drift_ppm: f64,
    /// The same of the moments at which the beats were heard: of all rooms the middle one.
    pub heard_drift_ppm: f64,
    pub usage: Usage,
}

impl Listened {
    pub fn cpu_per_beat_us(&self) -> f64 {
        self.usage.server_us / self.beats.max(1) as f64
    }

    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    pub fn summary(&self) -> String {
        format!(
            "{} beats and {} other messages · {:.2} µs a beat · late p50 {:.3} p99 {:.3} p99.9 {:.3} max {:.1} ms · {} out of order · {}",
            self.beats,
            self.others,
            self.cpu_per_beat_us(),
            self.late.p50 / 1e3,
            self.late.p99 / 1e3,
            self.late.p999 / 1e3,
            self.late.max / 1e3,
            self.out_of_order,
            self.usage,
        )
    }
}

#[derive(Default)]
struct Ears {
    /// By member: the beat last heard.
    last: Vec<Option<i64>>,
    /// By member: beat number, `at` and time of hearing, in microseconds since the epoch.
    heard: Vec<Vec<(i64, i64, i64)>>,
    others: usize,
    out_of_order: usize,
}

impl Ears {
    fn hear(&mut self, heard: &Heard<'_>) {
        if heard.event != b"beat" || self.note(heard).is_none() {
            self.others += 1;
        }
    }

    fn note(&mut self, heard: &Heard<'_>) -> Option<()> {
        // `Heard` has the monotonic time of the read; `at` is of the real clock.
        let now_us = realtime_us() - (monotonic_us() - heard.at_us);
        let beat = wire::number_after(heard.payload, br#""beat":"#)? as i64;
        let at_us = (wire::number_after(heard.payload, br#""at":"#)? * 1e3).round() as i64;
        let last = self.last.get_mut(heard.member)?;
        if last.is_some_and(|last| beat != last + 1) {
            self.out_of_order += 1;
        }
        *last = Some(beat);
        self.heard.get_mut(heard.member)?.push((beat, at_us, now_us));
        Some(())
    }
}

/// Listens for a while to rooms that beat.
pub fn listen(fleet: &mut Fleet, server: &Server, for_us: i64) -> Result<Listened, LoadError> {
    let mut ears = Ears { last: vec![None; fleet.len()], heard: vec![Vec::new(); fleet.len()], ..Ears::default() };
    let meter = Meter::start(server)?;
    let until_us = monotonic_us() + for_us;
    while monotonic_us() < until_us {
        fleet.turn(until_us - monotonic_us(), &mut |heard| ears.hear(&heard))?;
    }
    let usage = meter.read()?;
    let late = |beat: &(i64, i64, i64)| beat.2 - beat.1;
    let mut late_us: Vec<i64> = ears.heard.iter().flatten().map(late).collect();
    let drifts = |time: fn(&(i64, i64, i64)) -> i64| -> Vec<f64> {
        let of_member = ears.heard.iter().filter_map(|beats| drift_ppm(beats, time));
        of_member.collect()
    };
    let worst = drifts(|beat| beat.1).into_iter().fold(0.0, |worst: f64, ppm| worst.max(ppm.abs()));
    Ok(Listened {
        beats: late_us.len(),
        others: ears.others,
        out_of_order: ears.out_of_order,
        late: Percentiles::of(&mut late_us),
        drift_ppm: worst,
        heard_drift_ppm: crate::stats::median(drifts(|beat| beat.2)),
        usage,
    })
}

fn drift_ppm(beats: &[(i64, i64, i64)], time: fn(&(i64, i64, i64)) -> i64) -> Option<f64> {
    let first = beats.first()?;
    let points: Vec<(f64, f64)> = beats
        .iter()
        .map(|beat| {
            let planned_us = (beat.0 - first.0) as f64 * BEAT_US;
            let error_us = (time(beat) - time(first)) as f64 - planned_us;
            (planned_us, error_us)
        })
        .collect();
    Some(slope(&points)? * 1e6)
}
