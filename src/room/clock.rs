//! The controls that change time: tempo, start, stop, reset, meter.
//!
//! Everything takes effect at `now + lead` or later, when every gateway knows of it: a beat that has been sent is
//! never unsent.

use serde_json::{Value, json};

use super::{
    applied::Applied,
    control::{Bpm, Quantise},
    permission::Refusal,
    state::{Controls, Room},
    view::{beats, ms},
};
use crate::tempo::{BEAT_UB, DueBeat, Meter, Timeline};

/// What is older than this is of no use to anybody who still plays, and is dropped from the timeline.
const MEMORY_US: i64 = 10_000_000;

impl Room {
    pub(super) fn set_tempo(&mut self, bpm: Bpm, at: Quantise, now_us: i64, lead_us: i64, applied: &mut Applied) {
        self.change_tempo(bpm, now_us, applied, |timeline, meter| {
            let at_ub = quantised(timeline, meter, at, now_us.saturating_add(lead_us));
            timeline.change_tempo(at_ub, bpm.milli());
            at_ub
        });
    }

    pub(super) fn ramp_tempo(&mut self, bpm: Bpm, beats: u32, now_us: i64, lead_us: i64, applied: &mut Applied) {
        self.change_tempo(bpm, now_us, applied, |timeline, meter| {
            let at_ub = quantised(timeline, meter, Quantise::Now, now_us.saturating_add(lead_us));
            timeline.ramp_tempo(at_ub, bpm.milli(), i64::from(beats) * BEAT_UB);
            at_ub
        });
    }

    /// Carries out `change`, which answers where it takes effect. While the clock stands, the tempo is that of the
    /// next start, and takes effect where the clock stands.
    fn change_tempo(
        &mut self,
        bpm: Bpm,
        now_us: i64,
        applied: &mut Applied,
        change: impl FnOnce(&mut Timeline, &Meter) -> i64,
    ) {
        let Controls { timeline, meter, playing, .. } = &mut self.controls;
        let (at_ub, at_us) = match timeline {
            Some(timeline) if *playing => {
                timeline.forget_before(now_us.saturating_sub(MEMORY_US));
                let at_ub = change(timeline, meter);
                (at_ub, timeline.time_of(at_ub))
            }
            _ => (self.controls.standing_at_ub(), now_us),
        };
        self.controls.bpm = bpm.get();
        applied.controls_changed = true;
        applied.timeline_changed = true;
        applied.tell(
            "tempo_changed",
            json!({ "bpm": bpm.get(), "effective_beat": beats(at_ub), "effective_at": ms(at_us) }),
        );
    }

    /// Opens a new run, `count_in` beats before its beat 0. The caller has seen that the clock stands.
    pub(super) fn start_clock(&mut self, count_in: u32, now_us: i64, lead_us: i64, applied: &mut Applied) {
        let t0_us = self.controls.next_start_us(now_us, lead_us);
        let first_ub = -i64::from(count_in) * BEAT_UB;
        let bpm = Bpm::clamped(self.controls.bpm);
        self.open_run(Timeline::starting(t0_us, first_ub, bpm.milli()));
        self.controls.playing = true;
        self.tell_clock("clock_started", first_ub, t0_us, applied);
    }

    /// Goes on where the clock stopped, in the same run: as planned, ramps included, unless the tempo was set since.
    /// A room that never ran, or was reset, starts anew.
    pub(super) fn resume_clock(&mut self, now_us: i64, lead_us: i64, applied: &mut Applied) {
        let t0_us = self.controls.next_start_us(now_us, lead_us);
        let at_ub = self.controls.standing_at_ub();
        let milli_bpm = Bpm::clamped(self.controls.bpm).milli();
        let Some(timeline) = &mut self.controls.timeline else {
            return self.start_clock(0, now_us, lead_us, applied);
        };
        let planned = timeline.segments().last().map(|segment| segment.milli_bpm);
        let other_tempo = (planned != Some(milli_bpm)).then_some(milli_bpm);
        let stop_us = timeline.stop_at_ub().map_or(now_us, |stop_ub| timeline.time_of(stop_ub));
        self.controls.playing = true;
        if stop_us <= now_us {
            timeline.resume(t0_us, other_tempo);
            return self.tell_clock("clock_started", at_ub, t0_us, applied);
        }
        // The stop lies ahead yet: it is called off, and no beat falls out.
        timeline.set_stop(None);
        if let Some(milli_bpm) = other_tempo {
            let from_ub = started_position(timeline, now_us.saturating_add(lead_us)).max(at_ub);
            timeline.change_tempo(from_ub, milli_bpm);
        }
        self.tell_clock("clock_started", at_ub, stop_us, applied);
    }

    pub(super) fn stop_clock(&mut self, now_us: i64, lead_us: i64, applied: &mut Applied) {
        let Some(timeline) = &mut self.controls.timeline else {
            return;
        };
        timeline.forget_before(now_us.saturating_sub(MEMORY_US));
        let stop_ub = started_position(timeline, now_us.saturating_add(lead_us));
        let stop_us = timeline.time_of(stop_ub);
        timeline.set_stop(Some(stop_ub));
        self.controls.playing = false;
        self.tell_clock("clock_stopped", stop_ub, stop_us, applied);
    }

    /// Makes the next beat beat 0 of a new run, without moving it. The beats that are still due before it belong to the
    /// old run, which gateways play to its end. A clock that stands goes back to the beginning.
    pub(super) fn reset_clock(&mut self, now_us: i64, lead_us: i64, applied: &mut Applied) {
        let Some(timeline) = &self.controls.timeline else {
            return;
        };
        if !self.controls.playing {
            self.controls.run += 1;
            self.controls.timeline = None;
            self.controls.meter = self.controls.meter.rebased(0);
            return self.tell_clock("clock_stopped", 0, now_us, applied);
        }
        let mut timeline = timeline.clone();
        let next = next_beat(&timeline, now_us.saturating_add(lead_us));
        // Anchored anew where it is, ramps included: stopped at that beat and resumed at that very moment.
        timeline.set_stop(Some(next.beat.saturating_mul(BEAT_UB)));
        timeline.resume(next.due_us, None);
        timeline.renumber(next.beat);
        self.open_run(timeline);
        self.tell_clock("clock_started", 0, next.due_us, applied);
    }

    /// Begins the new meter at the next bar line (where the clock stands, if it does). The count of bars goes on
    /// from there. A room has one meter at a time, so beats that are still due before that line are already shown as
    /// the end of a bar of the new meter.
    pub(super) fn set_meter(
        &mut self,
        beats_per_bar: u32,
        groups: Vec<u32>,
        now_us: i64,
        lead_us: i64,
        applied: &mut Applied,
    ) -> Result<(), Refusal> {
        let Controls { timeline, meter, playing, .. } = &self.controls;
        let from_beat = match timeline {
            Some(timeline) if *playing => next_beat(timeline, now_us.saturating_add(lead_us)).beat,
            _ => whole_beat_from(self.controls.standing_at_ub()),
        };
        // During a count-in the first bar line is beat 0, whatever the meter.
        let line = meter.next_bar(from_beat.max(0));
        let bars_before = meter.position(line).bar.saturating_sub(1);
        let beats_before = bars_before.saturating_mul(i64::from(beats_per_bar));
        let bar0_ub = line.saturating_sub(beats_before).saturating_mul(BEAT_UB);
        let meter = Meter::new(beats_per_bar, groups, bar0_ub).map_err(super::BadField::from)?;
        if meter == self.controls.meter {
            return Ok(());
        }
        applied.controls_changed = true;
        applied.timeline_changed = true;
        applied.tell(
            "meter_changed",
            json!({ "beats_per_bar": meter.beats_per_bar, "groups": meter.groups, "bar0_ub": meter.bar0_ub }),
        );
        self.controls.meter = meter;
        Ok(())
    }

    fn open_run(&mut self, timeline: Timeline) {
        self.controls.run += 1;
        self.controls.meter = self.controls.meter.rebased(0);
        self.controls.timeline = Some(timeline);
    }

    fn tell_clock(&self, event: &'static str, beat_ub: i64, at_us: i64, applied: &mut Applied) {
        applied.controls_changed = true;
        applied.timeline_changed = true;
        let payload: Value = json!({ "run": self.controls.run, "at": ms(at_us), "beat": beats(beat_ub) });
        applied.tell(event, payload);
    }
}

impl Controls {
    /// Where a clock that stands will go on.
    fn standing_at_ub(&self) -> i64 {
        self.timeline.as_ref().and_then(Timeline::stop_at_ub).unwrap_or(0)
    }

    /// The earliest start: ahead by the lead, and not before the last stop has come.
    fn next_start_us(&self, now_us: i64, lead_us: i64) -> i64 {
        let stopped_us = self.timeline.as_ref().and_then(|timeline| {
            let stop_ub = timeline.stop_at_ub()?;
            Some(timeline.time_of(stop_ub))
        });
        now_us.saturating_add(lead_us).max(stopped_us.unwrap_or(i64::MIN))
    }
}

/// The position at a time, or the first anchor where the start is still to come.
fn started_position(timeline: &Timeline, t_us: i64) -> i64 {
    let first_ub = timeline.segments().first().map_or(0, |segment| segment.beat0_ub);
    timeline.position_at(t_us).max(first_ub)
}

fn quantised(timeline: &Timeline, meter: &Meter, at: Quantise, t_us: i64) -> i64 {
    match at {
        Quantise::Now => started_position(timeline, t_us),
        Quantise::Beat => next_beat(timeline, t_us).beat.saturating_mul(BEAT_UB),
        Quantise::Bar => meter.next_bar(next_beat(timeline, t_us).beat).saturating_mul(BEAT_UB),
    }
}

/// The first beat due at a time or later, on a timeline without a stop.
fn next_beat(timeline: &Timeline, t_us: i64) -> DueBeat {
    timeline.next_beat(None, t_us).unwrap_or_else(|| {
        // Only past the end of the numbers, or where a stop is set: the next position is as good.
        let beat = whole_beat_from(started_position(timeline, t_us));
        DueBeat { beat, due_us: timeline.time_of(beat.saturating_mul(BEAT_UB)) }
    })
}

fn whole_beat_from(position_ub: i64) -> i64 {
    position_ub.div_euclid(BEAT_UB) + i64::from(position_ub.rem_euclid(BEAT_UB) > 0)
}
