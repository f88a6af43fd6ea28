//! Which beats of a room are due: computed from the latest plan, so that a beat never waits for the relay.
//!
//! PURE: it neither sleeps nor sends; the mirror asks it when the next beat is due and takes what is due.

use crate::{
    relay::Plan,
    room::{BeatView, Source},
    tempo::DueBeat,
};

/// Beats more overdue than this are skipped: after a pause of the whole process a class wants the beat
/// that is now, not a burst of those that were.
pub const CATCH_UP_US: i64 = 1_000_000;

/// A beat whose time has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emitted {
    pub view: BeatView,
    pub due_us: i64,
}

/// One room's beats on one gateway.
#[derive(Debug)]
pub struct Emitter {
    plan: Plan,
    /// The run before, which goes on until the new one begins: a reset leaves no hole.
    tail: Option<Tail>,
    last: Option<Sent>,
    /// Nothing due before this is sent: the moment of the first member's arrival.
    from_us: i64,
    skipped: u64,
}

#[derive(Debug)]
struct Tail {
    plan: Plan,
    until_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    run: u64,
    beat: i64,
    due_us: i64,
}

impl Emitter {
    /// Begins with the beats that are due at `now_us` or later.
    pub fn starting(plan: Plan, now_us: i64) -> Self {
        Self { plan, tail: None, last: None, from_us: now_us, skipped: 0 }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Follows another plan from now on. Beats that were sent are never unsent.
    pub fn follow(&mut self, plan: Plan) {
        let before = std::mem::replace(&mut self.plan, plan);
        if before.run == self.plan.run {
            return;
        }
        let begins_us = self.plan.timeline.as_ref().and_then(|timeline| timeline.segments().first()).map(|s| s.t0_us);
        // Without a beginning there is only what stops by itself.
        let until_us = begins_us.unwrap_or(i64::MAX);
        let has_begun = self.last.is_some_and(|last| last.run == before.run);
        self.tail = match self.tail.take() {
            // A run that was replaced before its first beat leaves the one before it playing.
            Some(tail) if !has_begun => Some(Tail { until_us: tail.until_us.min(until_us), ..tail }),
            _ => Some(Tail { plan: before, until_us }),
        };
        self.tail.take_if(|tail| begins_us.is_none() && tail.plan.playing);
    }

    /// From now on nothing that was due before `now_us` is sent.
    pub fn begin_at(&mut self, now_us: i64) {
        self.from_us = now_us;
    }

    /// When the next beat is due, in cluster time; None while there is nothing to come.
    pub fn next_due_us(&self, now_us: i64) -> Option<i64> {
        self.next(now_us).map(|(_, due)| due.due_us)
    }

    /// The next beat if it is due. Overdue beats beyond [`CATCH_UP_US`] are skipped and counted.
    pub fn take_due(&mut self, now_us: i64, source: Source) -> Option<Emitted> {
        let (plan, DueBeat { beat, due_us }) = self.next(now_us).filter(|(_, due)| due.due_us <= now_us)?;
        let run = plan.run;
        let view = BeatView::new(run, &plan.meter, plan.timeline.as_ref()?, beat, due_us, source);
        if let Some(last) = self.last.filter(|last| last.run == run) {
            self.skipped += beat.abs_diff(last.beat).saturating_sub(1);
        }
        self.last = Some(Sent { run, beat, due_us });
        if run == self.plan.run {
            self.tail = None;
        }
        Some(Emitted { view, due_us })
    }

    /// How many beats were skipped since the last call.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// The next beat, and the plan that it is of.
    fn next(&self, now_us: i64) -> Option<(&Plan, DueBeat)> {
        if let Some(tail) = &self.tail
            && let Some(due) = self.next_of(&tail.plan, now_us)
            && due.due_us < tail.until_us
        {
            return Some((&tail.plan, due));
        }
        Some((&self.plan, self.next_of(&self.plan, now_us)?))
    }

    fn next_of(&self, plan: &Plan, now_us: i64) -> Option<DueBeat> {
        let timeline = plan.timeline.as_ref()?;
        if !plan.playing && timeline.stop_at_ub().is_none() {
            return None;
        }
        let mut from_us = self.from_us.max(now_us.saturating_sub(CATCH_UP_US));
        if let Some(last) = self.last {
            from_us = from_us.max(last.due_us.saturating_add(1));
        }
        let last_of_run = self.last.filter(|last| last.run == plan.run).map(|last| last.beat);
        timeline.next_beat(last_of_run, from_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        relay::Stamp,
        tempo::{BEAT_UB, Meter, Timeline},
    };

    const SECOND_US: i64 = 1_000_000;

    fn plan(run: u64, timeline: Timeline) -> Plan {
        Plan {
            stamp: Stamp::default(),
            run,
            playing: timeline.stop_at_ub().is_none(),
            timeline: Some(timeline),
            meter: Meter::default(),
            members_rev: 0,
        }
    }

    /// Every beat up to `until_us`, each taken at the moment it is due.
    fn beats(emitter: &mut Emitter, until_us: i64) -> Vec<(u64, i64, i64)> {
        let mut heard = Vec::new();
        let mut now_us = emitter.from_us;
        while let Some(due_us) = emitter.next_due_us(now_us).filter(|due_us| *due_us <= until_us) {
            now_us = due_us;
            heard.extend(
                emitter.take_due(now_us, Source::Clock).map(|due| (due.view.run, due.view.beat, due.due_us / 1_000)),
            );
        }
        heard
    }

    #[test]
    fn every_beat_comes_once_in_order_at_its_time() {
        let mut emitter = Emitter::starting(plan(1, Timeline::starting(0, 0, 120_000)), 0);
        assert_eq!(
            beats(&mut emitter, 2 * SECOND_US),
            [(1, 0, 0), (1, 1, 500), (1, 2, 1_000), (1, 3, 1_500), (1, 4, 2_000)]
        );
    }

    #[test]
    fn who_arrives_in_mid_run_hears_the_beats_that_are_still_to_come() {
        let mut emitter = Emitter::starting(plan(1, Timeline::starting(0, 0, 60_000)), 90_500_000);
        assert_eq!(beats(&mut emitter, 92_000_000), [(1, 91, 91_000), (1, 92, 92_000)]);
    }

    #[test]
    fn a_plan_that_repeats_the_timeline_repeats_no_beat() {
        let timeline = Timeline::starting(0, 0, 60_000);
        let mut emitter = Emitter::starting(plan(1, timeline.clone()), 0);
        assert_eq!(beats(&mut emitter, SECOND_US).len(), 2);
        emitter.follow(plan(1, timeline));
        assert_eq!(emitter.take_due(SECOND_US, Source::Clock), None);
        assert_eq!(emitter.next_due_us(SECOND_US), Some(2 * SECOND_US));
    }

    #[test]
    fn a_reset_in_mid_run_lets_the_old_run_go_on_until_beat_0_of_the_new_one() {
        let mut emitter = Emitter::starting(plan(1, Timeline::starting(0, 0, 120_000)), 0);
        assert_eq!(beats(&mut emitter, SECOND_US).len(), 3);
        // Decided at 1.1 s for the beat at 2 s: beat 3 of the old run is still due.
        emitter.follow(plan(2, Timeline::starting(2 * SECOND_US, 0, 120_000)));
        // The regular plan of the new run comes before the run begins.
        emitter.follow(plan(2, Timeline::starting(2 * SECOND_US, 0, 120_000)));
        emitter.from_us = 1_100_000;
        assert_eq!(beats(&mut emitter, 2_500_000), [(1, 3, 1_500), (2, 0, 2_000), (2, 1, 2_500)]);
    }

    #[test]
    fn two_resets_within_one_beat_leave_no_hole() {
        let mut emitter = Emitter::starting(plan(1, Timeline::starting(0, 0, 120_000)), 0);
        assert_eq!(beats(&mut emitter, SECOND_US).len(), 3);
        emitter.follow(plan(2, Timeline::starting(2 * SECOND_US, 0, 120_000)));
        emitter.follow(plan(3, Timeline::starting(2 * SECOND_US, 0, 120_000)));
        emitter.from_us = 1_100_000;
        assert_eq!(beats(&mut emitter, 2_500_000), [(1, 3, 1_500), (3, 0, 2_000), (3, 1, 2_500)]);
    }

    #[test]
    fn after_a_pause_of_the_process_the_stale_beats_are_skipped_and_counted() {
        let mut emitter = Emitter::starting(plan(1, Timeline::starting(0, 0, 120_000)), 0);
        assert_eq!(emitter.take_due(0, Source::Clock).map(|due| due.view.beat), Some(0));
        let heard: Vec<_> =
            std::iter::from_fn(|| emitter.take_due(10 * SECOND_US, Source::Clock)).map(|due| due.view.beat).collect();
        assert_eq!(heard, [18, 19, 20]);
        assert_eq!(emitter.take_skipped(), 17);
    }

    #[test]
    fn nothing_comes_at_or_after_the_stop() {
        let mut timeline = Timeline::starting(0, 0, 60_000);
        timeline.set_stop(Some(2 * BEAT_UB));
        let mut emitter = Emitter::starting(plan(1, timeline), 0);
        assert_eq!(beats(&mut emitter, 10 * SECOND_US), [(1, 0, 0), (1, 1, 1_000)]);
    }
}
