/**
 * Hands beats to a scheduler a little ahead, on the audio clock. What it has handed out is looked at again at each
 * tick: if the timeline, the cluster's clock, the audio clock or the nudge has moved a beat that has not begun, that
 * beat and those after it are taken back and handed out anew.
 */
import { described, nextBeat, plays, timeOf } from './timeline';
import type { BeatScheduler, Timeline } from './types';

/** So far ahead: several ticks, and less than the 150 ms at least after which a change takes effect. */
const AHEAD_MS = 120;
/** Where the page is hidden and its timers may be slowed down to one a second. */
const AHEAD_HIDDEN_MS = 1_200;
/** A beat that is later than this is left out: a gap never ends in a burst. */
const LATE_MS = 20;
/** A beat that moves by less than this stays: less than the clocks slew between two ticks and AHEAD_MS. */
const MOVED_MS = 2;
const BEAT_UB = 1_000_000;

/** What the planner goes by. */
export interface Planned {
  /** Null: nothing plays, or nobody knows. */
  timeline: Timeline | null;
  hidden: boolean;
  /** The audio clock's now, s. */
  audioNow: number;
  /** The audio time at which a time of the cluster's clock (ms) is heard; null without audio or clock. */
  audioTimeAt: (time: number) => number | null;
  /** The cluster's time that is heard of what is scheduled for just now, ms. */
  earliest: number;
}

interface Pending {
  beat: number;
  when: number;
  cancel: void | (() => void);
}

export class BeatPlanner {
  readonly #scheduler: BeatScheduler;
  /** In order; each has not begun yet. */
  #pending: Pending[] = [];
  #run: number | null = null;
  /** The last beat of the run that has begun to sound, or was too late. */
  #past: number | null = null;

  constructor(scheduler: BeatScheduler) {
    this.#scheduler = scheduler;
  }

  tick(planned: Planned): void {
    const { timeline, audioNow } = planned;
    while (this.#pending[0] && this.#pending[0].when <= audioNow) this.#past = this.#pending.shift()!.beat;
    const wrong = this.#pending.findIndex((pending) => !this.#stands(pending, planned));
    if (wrong >= 0) this.#cancelFrom(wrong);
    if (!timeline) return;
    if (timeline.run !== this.#run) {
      this.#cancelFrom(0);
      [this.#run, this.#past] = [timeline.run, null];
    }
    this.#plan(planned, timeline);
  }

  /** Takes back all that has not begun. */
  cancel(): void {
    this.#cancelFrom(0);
  }

  #plan({ hidden, audioNow, audioTimeAt, earliest }: Planned, timeline: Timeline): void {
    const until = audioNow + (hidden ? AHEAD_HIDDEN_MS : AHEAD_MS) / 1_000;
    const from = Math.floor((earliest - LATE_MS) * 1_000);
    if (!Number.isFinite(from)) return;
    for (;;) {
      const due = nextBeat(timeline, this.#pending.at(-1)?.beat ?? this.#past, from);
      const when = due && audioTimeAt(due.dueUs / 1_000);
      if (!due || when === null || when > until) return;
      const pending: Pending = { beat: due.beat, when, cancel: undefined };
      // First, so that a scheduler that throws is not asked for the same beat at each tick.
      this.#pending.push(pending);
      pending.cancel = this.#scheduler(described(timeline, due), when);
    }
  }

  #stands({ beat, when }: Pending, { timeline, audioTimeAt }: Planned): boolean {
    if (!timeline || timeline.run !== this.#run || !plays(timeline, beat)) return false;
    const now = audioTimeAt(timeOf(timeline, beat * BEAT_UB) / 1_000);
    return now !== null && Math.abs(now - when) <= MOVED_MS / 1_000;
  }

  #cancelFrom(index: number): void {
    for (const { cancel } of this.#pending.splice(index)) cancel?.();
  }
}
