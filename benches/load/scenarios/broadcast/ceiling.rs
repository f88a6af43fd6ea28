//! How many broadcasts a second a topic of 100 bears.

use super::{
    speak::{HEARERS, Spoken, speak},
    topic::{MEMBERS, Way, gather},
    with_redis,
};
use crate::{
    error::LoadError,
    lab::Lab,
    report::{Goal, Report, Row},
};

const DELAY_P99_US_MAX: f64 = 50_000.0;
/// The least that is told apart, a second.
const LOWEST: f64 = 400.0;
/// How finely the ceiling is sought, as a share of it.
const STEP: f64 = 0.25;
/// A rate is given up when it has failed so often in a row: one failure may be the machine's.
const FAILURES: usize = 2;
/// Beyond it the generator, and not the server, would be looked at.
const HIGHEST: f64 = 40_000.0;
/// With the rate that is tried first.
const WAYS: [(Way, &str, f64); 4] = [
    (Way::Bare, "bare", 800.0),
    (Way::BareCoalescing, "the bare server writing once in 2 ms", 3_200.0),
    (Way::Public, "one node, one core", 3_200.0),
    (Way::TwoNodes, "two nodes and Redis, two cores", 3_200.0),
];

/// Doubles the rate until it fails, then halves the gap.
struct Search {
    way: Way,
    name: &'static str,
    rate: f64,
    good: f64,
    bad: f64,
    failures: usize,
    /// At the highest rate that was sustained.
    best: Option<Spoken>,
}

impl Search {
    fn is_over(&self) -> bool {
        self.bad - self.good <= self.good.max(LOWEST) * STEP || self.rate > HIGHEST
    }

    fn learn(&mut self, sustained: Option<Spoken>) {
        self.failures = if sustained.is_some() { 0 } else { self.failures + 1 };
        match sustained {
            None if self.failures < FAILURES => return,
            None => self.bad = self.rate,
            sustained => (self.best, self.good) = (sustained, self.rate),
        }
        self.failures = 0;
        self.rate = if self.bad.is_finite() { (self.good + self.bad) / 2.0 } else { self.good * 2.0 };
    }
}

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    report.title(&format!("Broadcasts: the most on a topic of {MEMBERS}, 1 KiB, p99 below 50 ms, nothing lost"));
    let is_wanted = |way: Way| if way.is_bare() { !lab.options.no_bare } else { !lab.options.only_bare };
    let begin = |(way, name, rate)| Search { way, name, rate, good: 0.0, bad: f64::INFINITY, failures: 0, best: None };
    let mut searches: Vec<Search> = WAYS.into_iter().filter(|(way, ..)| is_wanted(*way)).map(begin).collect();
    // In turns, so that a busy minute is everybody's.
    while searches.iter().any(|search| !search.is_over()) {
        for search in searches.iter_mut().filter(|search| !search.is_over()) {
            match with_redis(report, attempt(lab, report, search.way, search.rate))? {
                Some(sustained) => search.learn(sustained),
                None => search.rate = f64::INFINITY,
            }
        }
    }
    let bare = searches.iter().find(|search| search.way == Way::Bare).and_then(|search| search.best.clone());
    for Search { name, best, .. } in searches.iter().filter(|search| search.way != Way::Bare) {
        let Some(best) = best else { continue };
        let mut row = |what: &str, unit, of: fn(&Spoken) -> f64| {
            let row = Row::new(format!("{what}, {name}"), unit, of(best), Goal::None);
            report.row(row.beside(bare.as_ref().map(of)));
        };
        row("highest sustained broadcasts", "1/s", |spoken| spoken.per_second);
        row("… deliveries", "1/s", |spoken| spoken.per_second * HEARERS as f64);
        row("… CPU per delivered broadcast there", "µs", Spoken::cpu_per_delivered_us);
    }
    Ok(())
}

/// None when it is not sustained.
fn attempt(lab: &Lab, report: &Report, way: Way, rate: f64) -> Result<Option<Spoken>, LoadError> {
    match speak(&mut gather(lab, way)?, way, rate, lab.duration_us() / 4) {
        Ok(spoken) => {
            report.note(&format!("{way:?} {rate}/s: {}", spoken.summary()));
            let is_in_time = spoken.p99_us() < DELAY_P99_US_MAX && spoken.send_late_us < DELAY_P99_US_MAX;
            Ok(Some(spoken).filter(|spoken| is_in_time && spoken.missing() == 0.0))
        }
        // A server that cannot keep up may close those who do not read in time.
        Err(error @ LoadError::Closed { .. }) => {
            report.note(&format!("{way:?} {rate}/s: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
