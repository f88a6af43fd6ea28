import { describe, expect, it } from 'vitest';
import { place } from './meter';
import { beatAt, beatUnder, described, isNewer, milliBpmAt, nextBeat, plays, positionAt, timeOf } from './timeline';
import type { Segment, Timeline } from './types';

const START_US = 1_700_000_000_000_000;
const BEAT_UB = 1_000_000;

function timeline(segments: Partial<Segment>[], rest: Partial<Timeline> = {}): Timeline {
  const usual = { t0_us: START_US, beat0_ub: 0, milli_bpm: 120_000, ramp: null };
  const whole = segments.map((segment) => ({ ...usual, ...segment }));
  const meter = { beats_per_bar: 4, groups: [], bar0_ub: 0 };
  return {
    epoch: 1, rev: 1, run: 1, time_base: 'a', server_now_us: START_US, playing: true, source: 'clock',
    segments: whole, stop_at_ub: null, meter, ...rest,
  };
}

describe('a steady tempo', () => {
  it('at 120 a beat takes half a second', () => {
    const steady = timeline([{}]);
    expect(timeOf(steady, 3 * BEAT_UB)).toBe(START_US + 1_500_000);
    expect(beatAt(steady, START_US + 1_250_000)).toBe(2_500_000);
    expect(milliBpmAt(steady, START_US)).toBe(120_000);
  });

  it('holds before the first anchor too', () => {
    expect(beatAt(timeline([{}]), START_US - 250_000)).toBe(-500_000);
    expect(timeOf(timeline([{}]), -BEAT_UB)).toBe(START_US - 500_000);
  });

  it('is exact after a million beats at an odd tempo', () => {
    // 10¹² µb · 60 000 is beyond 53 bits.
    const odd = timeline([{ milli_bpm: 97_301 }]);
    const takes = (1_000_001n * 60_000_000_000n + 48_650n) / 97_301n;
    expect(timeOf(odd, 1_000_001 * BEAT_UB)).toBe(START_US + Number(takes));
  });
});

describe('a ramp', () => {
  const ramp = timeline([{ milli_bpm: 60_000, ramp: { to_milli_bpm: 120_000, len_ub: 9 * BEAT_UB } }]);

  it('takes its length at the mean of its tempi', () => {
    expect(timeOf(ramp, 9 * BEAT_UB)).toBe(START_US + 6_000_000);
    expect(beatAt(ramp, START_US + 6_000_000)).toBe(9 * BEAT_UB);
  });

  it('has the mean tempo halfway in time', () => {
    expect(milliBpmAt(ramp, START_US + 3_000_000)).toBe(90_000);
    expect(beatAt(ramp, START_US + 3_000_000)).toBe(3_750_000);
    expect(timeOf(ramp, 3_750_000)).toBe(START_US + 3_000_000);
  });

  it('runs on at its last tempo past its end', () => {
    expect(timeOf(ramp, 11 * BEAT_UB)).toBe(START_US + 7_000_000);
    expect(beatAt(ramp, START_US + 7_000_000)).toBe(11 * BEAT_UB);
    expect(milliBpmAt(ramp, START_US + 7_000_000)).toBe(120_000);
  });

  it('is exact where floating point is a microsecond off', () => {
    const endless = timeline([{ t0_us: 0, milli_bpm: 36, ramp: { to_milli_bpm: 467_371, len_ub: 42_421 * BEAT_UB } }]);
    expect(timeOf(endless, 41_687_848_930)).toBe(10_796_448_939);
  });

  it('goes back and forth to the microsecond, also where it is hardly one', () => {
    const ramps = [[1, 1_000_000, 100_000], [1_000_000, 1, 100_000], [90_000, 90_001, 1_024]] as const;
    for (const [from, to, beats] of ramps) {
      const one = timeline([{ milli_bpm: from, ramp: { to_milli_bpm: to, len_ub: beats * BEAT_UB } }]);
      let last = START_US;
      for (let step = 0; step <= 100; step += 1) {
        const beatUb = Math.floor((beats * BEAT_UB * step) / 100);
        const time = timeOf(one, beatUb);
        expect(time).toBeGreaterThanOrEqual(last);
        expect(beatAt(one, time - 1)).toBeLessThanOrEqual(beatUb);
        expect(beatAt(one, time + 1)).toBeGreaterThanOrEqual(beatUb);
        last = time;
      }
    }
  });
});

describe('several segments', () => {
  const slower = timeline([{}, { t0_us: START_US + 1_250_000, beat0_ub: 2_500_000, milli_bpm: 60_000 }]);

  it('join without a jump', () => {
    expect(timeOf(slower, 2 * BEAT_UB)).toBe(START_US + 1_000_000);
    expect(timeOf(slower, 2_500_000)).toBe(START_US + 1_250_000);
    expect(timeOf(slower, 3 * BEAT_UB)).toBe(START_US + 1_750_000);
    expect(milliBpmAt(slower, START_US + 1_249_999)).toBe(120_000);
    expect(milliBpmAt(slower, START_US + 1_250_000)).toBe(60_000);
  });

  it('never pass the anchor of the next one, where it is a microsecond off', () => {
    const early = timeline([{}, { t0_us: START_US + 999_999, beat0_ub: 2 * BEAT_UB, milli_bpm: 60_000 }]);
    expect(timeOf(early, 2 * BEAT_UB - 1)).toBe(START_US + 999_999);
    expect(beatAt(early, START_US + 999_998)).toBeLessThanOrEqual(2 * BEAT_UB);
  });
});

describe('the beats to come', () => {
  const due = (one: Timeline, after: number | null, fromUs: number) => nextBeat(one, after, fromUs)?.beat ?? null;

  it('begin with the first that is due from now on', () => {
    expect(nextBeat(timeline([{}]), null, START_US + 1_000_000)).toEqual({ beat: 2, dueUs: START_US + 1_000_000 });
    expect(nextBeat(timeline([{}]), null, START_US + 1_000_001)).toEqual({ beat: 3, dueUs: START_US + 1_500_000 });
  });

  it('leave out what was played', () => {
    expect(due(timeline([{}]), 30, START_US)).toBe(31);
    expect(due(timeline([{}]), 3, START_US + 10_000_000)).toBe(20);
  });

  it('begin with the count-in', () => {
    const counted = timeline([{ beat0_ub: -4 * BEAT_UB, milli_bpm: 60_000 }]);
    expect(nextBeat(counted, null, START_US - 60_000_000)).toEqual({ beat: -4, dueUs: START_US });
    expect(due(counted, -9, START_US - 60_000_000)).toBe(-4);
  });

  it('end before the stop', () => {
    const stopped = timeline([{}], { stop_at_ub: 4 * BEAT_UB });
    expect(due(stopped, 2, START_US)).toBe(3);
    expect(due(stopped, 3, START_US)).toBeNull();
    expect(positionAt(stopped, START_US + 60_000_000)).toBe(4 * BEAT_UB);
    expect(plays(stopped, 4)).toBe(false);
  });

  it('are none before the first start', () => {
    expect(due(timeline([]), null, START_US)).toBeNull();
    expect(beatUnder(timeline([]), START_US)).toBeNull();
  });
});

describe('the beat that sounds', () => {
  it('is the one begun last', () => {
    const steady = timeline([{}]);
    expect(beatUnder(steady, START_US - 1)).toBeNull();
    expect(beatUnder(steady, START_US)?.beat).toBe(0);
    expect(beatUnder(steady, START_US + 499_999)?.beat).toBe(0);
    expect(beatUnder(steady, START_US + 500_000)?.beat).toBe(1);
  });

  it('is found at its very microsecond at any tempo', () => {
    for (const milli_bpm of [59_999, 97_301, 120_001, 299_000]) {
      const odd = timeline([{ milli_bpm }]);
      for (let beat = 0; beat < 500; beat += 1) {
        const dueUs = timeOf(odd, beat * BEAT_UB);
        expect(beatUnder(odd, dueUs)).toEqual({ beat, dueUs });
        expect(beatUnder(odd, dueUs - 1)?.beat ?? -1).toBe(beat - 1);
      }
    }
  });

  it('is none from the stop on', () => {
    const stopped = timeline([{}], { stop_at_ub: 3_500_000 });
    expect(beatUnder(stopped, START_US + 1_749_999)?.beat).toBe(3);
    expect(beatUnder(stopped, START_US + 1_750_000)).toBeNull();
  });

  it('is told with all that a page shows of it', () => {
    const meter = { beats_per_bar: 7, groups: [2, 2, 3], bar0_ub: 0 };
    const seven = timeline([{ milli_bpm: 90_500 }], { meter, run: 5 });
    const beat = described(seven, { beat: 11, dueUs: START_US + 1 });
    const at = START_US / 1_000 + 0.001;
    expect(beat).toEqual({ run: 5, beat: 11, at, bpm: 90.5, bar: 2, pulse: 5, accent: 'group' });
  });
});

describe('a meter', () => {
  const at = (beat: number, meter: Partial<Timeline['meter']> = {}) => {
    const { bar, pulse, accent } = place({ beats_per_bar: 4, groups: [], bar0_ub: 0, ...meter }, beat);
    return [bar, pulse, accent];
  };

  it('counts bars and pulses from one, and a count-in as bar zero', () => {
    const counted = [[1, 1, 'bar'], [1, 4, 'none'], [2, 1, 'bar'], [3, 2, 'none']];
    expect([0, 3, 4, 9].map((beat) => at(beat))).toEqual(counted);
    expect([-5, -4, -1].map((beat) => at(beat))).toEqual([[-1, 4, 'none'], [0, 1, 'bar'], [0, 4, 'none']]);
  });

  it('begins where it was set, at the later one of two beats', () => {
    expect([5, 6, 10].map((beat) => at(beat, { bar0_ub: 6_000_000 }).slice(0, 2))).toEqual([[0, 4], [1, 1], [2, 1]]);
    expect([0, 1, 5].map((beat) => at(beat, { bar0_ub: 500_000 }).slice(0, 2))).toEqual([[0, 4], [1, 1], [2, 1]]);
  });

  it('accents the first pulse of each group', () => {
    const accents = [0, 1, 2, 3, 4, 5, 6, 7].map((beat) => at(beat, { beats_per_bar: 7, groups: [3, 2, 2] })[2]);
    expect(accents).toEqual(['bar', 'none', 'none', 'group', 'none', 'group', 'none', 'bar']);
  });
});

describe('news', () => {
  it('are a later epoch, or the same one and no earlier revision', () => {
    const last = timeline([{}], { epoch: 5, rev: 7 });
    const newer = (epoch: number, rev: number) => isNewer(timeline([{}], { epoch, rev }), last);
    expect([newer(5, 7), newer(5, 8), newer(6, 1)]).toEqual([true, true, true]);
    expect([newer(5, 6), newer(4, 9)]).toEqual([false, false]);
    expect(isNewer(last, null)).toBe(true);
  });
});
