//! Which beats came up, and whose they were.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Event;
use crate::{
    room::{nearest_beat, place_of_beat},
    tempo::BEAT_UB,
};

/// Faster than any clock runs, beats a second: positions that grow faster are no positions.
const BEATS_A_SECOND_MAX: i64 = 5;

/// The bar of a room that nobody has changed.
const BEATS_PER_BAR_UNTOLD: u32 = 4;

/// Where the clock has come to, and what it comes by.
pub(super) struct Beats {
    run: u64,
    /// Of the run, in millionths of a beat: the beats up to here have come up.
    reached_ub: i64,
    at_us: i64,
    /// None: nothing has said it yet.
    beats_per_bar: Option<u32>,
    /// The beat at which bar 1 begins.
    bar0: i64,
    assignments: BTreeMap<u32, Vec<String>>,
}

/// Beats of one run that came up, as they were assigned then.
pub(super) struct CameUp {
    pub run: u64,
    beats: std::ops::RangeInclusive<i64>,
}

impl Beats {
    pub fn from(at_us: i64) -> Self {
        Self { run: 0, reached_ub: -1, at_us, beats_per_bar: None, bar0: 0, assignments: BTreeMap::new() }
    }

    /// Goes on to where the clock was when this happened. Events that come a little late do not turn it back.
    /// `at_us` is the event's time, within the session.
    pub fn advance(&mut self, event: &Event, at_us: i64) -> Option<CameUp> {
        let beat_ub = event.beat_ub.filter(|_| event.run >= self.run)?;
        if event.run > self.run {
            (self.run, self.reached_ub, self.bar0) = (event.run, -1, 0);
        }
        let passed_us = at_us.saturating_sub(self.at_us).max(0);
        self.at_us = self.at_us.max(at_us);
        let farther_ub = (passed_us / 1_000_000 + 2).saturating_mul(BEATS_A_SECOND_MAX * BEAT_UB);
        let farthest_ub = self.reached_ub.saturating_add(farther_ub);
        let from = self.reached_ub.div_euclid(BEAT_UB) + 1;
        self.reached_ub = self.reached_ub.max(beat_ub.min(farthest_ub));
        let to = self.reached_ub.div_euclid(BEAT_UB);
        (from <= to && !self.assignments.is_empty()).then_some(CameUp { run: self.run, beats: from..=to })
    }

    /// Each of the beats with the students whose it was.
    pub fn owners(&self, came_up: CameUp) -> impl Iterator<Item = (i64, &str)> {
        let beats_per_bar = self.beats_per_bar.unwrap_or(BEATS_PER_BAR_UNTOLD);
        came_up.beats.flat_map(move |beat| {
            let place = place_of_beat(&self.assignments, beats_per_bar, self.bar0, beat);
            let ids = place.and_then(|place| self.assignments.get(&place)).into_iter().flatten();
            ids.map(move |id| (beat, id.as_str()))
        })
    }

    /// What a `room_opened`, a `meter_changed` or a `beats_assigned` says of bars and assignments.
    pub fn learn(&mut self, details: Option<&Value>) {
        let field = |name| details.and_then(|details| details.get(name));
        self.beats_per_bar = beats_per_bar(details).or(self.beats_per_bar);
        if let Some(bar0_ub) = field("bar0_ub").and_then(Value::as_i64) {
            self.bar0 = bar0_ub.div_euclid(BEAT_UB);
        }
        if let Some(assignments) = field("assignments").and_then(Value::as_object) {
            let read = |(place, ids): (&String, &Value)| {
                let ids = ids.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                Some((place.parse().ok()?, ids))
            };
            self.assignments = assignments.iter().filter_map(read).collect();
        }
    }

    /// A `roll` says the bars as they are, which counts where the events that made them so are missing.
    pub fn learn_of_roll(&mut self, details: Option<&Value>) {
        self.beats_per_bar = self.beats_per_bar.or_else(|| beats_per_bar(details));
    }
}

fn beats_per_bar(details: Option<&Value>) -> Option<u32> {
    u32::try_from(details?.get("beats_per_bar")?.as_u64()?).ok()
}

/// The assigned beat that a note fell nearest to.
pub(super) fn beat_hit(event: &Event) -> Option<(u64, i64)> {
    let note = event.note.filter(|note| note.assigned && note.offset_us.is_some());
    let beat_ub = event.beat_ub.filter(|_| note.is_some())?;
    Some((event.run, nearest_beat(beat_ub)))
}
