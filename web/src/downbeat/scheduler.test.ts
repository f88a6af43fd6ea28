import { beforeEach, describe, expect, it } from 'vitest';
import { BeatPlanner } from './scheduler';
import { TICK_MS } from './tick';
import type { Beat, Timeline } from './types';

/** The cluster's clock, ms, when the audio clock was 0. */
const OFFSET = 1_700_000_000_000;

function at120(rest: Partial<Timeline> = {}): Timeline {
  const segments = [{ t0_us: OFFSET * 1_000, beat0_ub: 0, milli_bpm: 120_000, ramp: null }];
  const meter = { beats_per_bar: 4, groups: [], bar0_ub: 0 };
  return {
    epoch: 1, rev: 1, run: 1, time_base: 'a', server_now_us: 0, playing: true, source: 'clock',
    segments, stop_at_ub: null, meter, ...rest,
  };
}

/** A room whose clocks all go with `ms`, and what its scheduler was given. */
class Scene {
  ms = 0;
  timeline: Timeline | null = at120();
  hidden = false;
  /** How much later than the cluster's clock says the audio clock is, ms. */
  shift = 0;
  latency = 0;
  /** Given and not taken back: beat → when, in ms. */
  readonly sounding = new Map<number, number>();
  readonly given: number[] = [];
  readonly cancelled: number[] = [];
  readonly planner = new BeatPlanner((beat, when) => this.#take(beat, when));

  tick(): void {
    this.planner.tick({
      timeline: this.timeline,
      hidden: this.hidden,
      audioNow: (this.ms + this.shift) / 1_000,
      audioTimeAt: (time) => (time - OFFSET + this.shift - this.latency) / 1_000,
      earliest: OFFSET + this.ms + this.latency,
    });
  }

  run(until: number): void {
    for (; this.ms < until; this.ms += TICK_MS) this.tick();
  }

  #take({ beat }: Beat, when: number): () => void {
    this.given.push(beat);
    this.sounding.set(beat, Math.round(when * 1_000_000) / 1_000);
    return () => {
      this.cancelled.push(beat);
      this.sounding.delete(beat);
    };
  }
}

describe('scheduling ahead', () => {
  let scene: Scene;
  beforeEach(() => { scene = new Scene(); });

  it('gives each beat once, at its time, about 120 ms before', () => {
    const ahead: number[] = [];
    for (; scene.ms < 5_000; scene.ms += TICK_MS) {
      const before = scene.given.length;
      scene.tick();
      for (const beat of scene.given.slice(before)) ahead.push(beat * 500 - scene.ms);
    }
    expect(scene.given).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect([...scene.sounding.values()]).toEqual(scene.given.map((beat) => beat * 500));
    expect(Math.max(...ahead)).toBeLessThanOrEqual(120);
    expect(Math.min(...ahead.slice(1))).toBeGreaterThan(120 - TICK_MS);
    expect(scene.cancelled).toEqual([]);
  });

  it('looks further ahead in a hidden page, whose timers are slow', () => {
    scene.hidden = true;
    for (; scene.ms < 5_000; scene.ms += 1_000) scene.tick();
    expect(scene.given).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('gives a sound the time that the device takes', () => {
    scene.latency = 300;
    scene.run(2_000);
    expect(scene.sounding.get(2)).toBe(700);
    // What could be heard too late only is left out.
    expect(scene.given[0]).toBe(1);
  });

  it('takes back what a changed tempo makes wrong, and gives it anew', () => {
    scene.run(1_950);
    expect(scene.sounding.get(4)).toBe(2_000);
    const changed = { t0_us: OFFSET * 1_000 + 1_750_000, beat0_ub: 3_500_000, milli_bpm: 60_000, ramp: null };
    scene.timeline = at120({ rev: 2, segments: [...at120().segments, changed] });
    scene.tick();
    expect(scene.cancelled).toEqual([4]);
    scene.run(5_000);
    expect(scene.sounding.get(4)).toBe(2_250);
    expect(scene.sounding.get(5)).toBe(3_250);
    expect(scene.given.filter((beat) => beat === 4)).toHaveLength(2);
  });

  it('leaves alone what a change does not touch', () => {
    scene.run(1_950);
    scene.timeline = at120({ rev: 2, server_now_us: 5 });
    scene.run(2_600);
    expect(scene.cancelled).toEqual([]);
    expect(new Set(scene.given).size).toBe(scene.given.length);
  });

  it('takes back what a stop forbids, and a beat that has begun stays', () => {
    scene.run(1_950);
    scene.timeline = at120({ rev: 2, playing: false, stop_at_ub: 3_950_000 });
    scene.run(5_000);
    expect(scene.cancelled).toEqual([4]);
    expect([...scene.sounding.keys()]).toEqual([0, 1, 2, 3]);
  });

  it('takes back all when nothing is known to play any more', () => {
    scene.run(1_950);
    scene.timeline = null;
    scene.tick();
    expect(scene.cancelled).toEqual([4]);
    expect(scene.sounding.has(3)).toBe(true);
  });

  it('begins a new run at its own first beat', () => {
    scene.run(1_950);
    const start = { t0_us: (OFFSET + 2_100) * 1_000, beat0_ub: -2_000_000, milli_bpm: 120_000, ramp: null };
    scene.timeline = at120({ rev: 2, run: 2, segments: [start] });
    scene.run(3_300);
    expect(scene.cancelled).toEqual([4]);
    expect(scene.given.slice(5)).toEqual([-2, -1, 0]);
    expect(scene.sounding.get(0)).toBe(3_100);
  });

  it('skips what is past after a long gap, without a burst', () => {
    scene.run(1_000);
    const before = scene.given.length;
    scene.ms = 60_010;
    scene.tick();
    expect(scene.given.slice(before)).toEqual([120]);
    scene.run(60_500);
    expect(scene.given.slice(before)).toEqual([120, 121]);
  });

  it('never gives a beat of a run twice, when the clock is set back', () => {
    scene.run(2_100);
    const given = [...scene.given];
    // The cluster's clock turns out to be 600 ms less; the audio clock goes on.
    scene.shift += 600;
    scene.ms -= 600;
    scene.run(1_950);
    expect(scene.given).toEqual(given);
    scene.run(2_500);
    expect(scene.given).toEqual([...given, 5]);
  });

  it('moves what it has given when the audio clock leaps or the nudge changes', () => {
    scene.run(1_950);
    scene.shift = 40;
    scene.tick();
    expect(scene.cancelled).toEqual([4]);
    expect(scene.sounding.get(4)).toBe(2_040);
  });

  it('does not move a beat for the little that a clock slews', () => {
    scene.run(1_950);
    scene.shift = 1.2;
    scene.tick();
    expect(scene.cancelled).toEqual([]);
  });

  it('takes back what has not begun when it is cancelled', () => {
    scene.run(1_950);
    scene.planner.cancel();
    expect([...scene.sounding.keys()]).toEqual([0, 1, 2, 3]);
  });
});
