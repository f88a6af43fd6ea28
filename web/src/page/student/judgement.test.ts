import { describe, expect, it } from 'vitest';
import type { ClockState } from '../../downbeat/types';
import { judge, ON_TIME_MS } from './judgement';

const BEAT_MS = 500;
const good: ClockState = { quality: 'good', uncertaintyMs: 3, roundTripMs: 12, source: 'clock' };
/** Ada has the second beat of each bar of four, at 120 bpm from time 0. */
const at = (time: number, clock = good, stopped = false) => judge({
  time, clock, studentId: 'ada', assignments: new Map([[2, ['ada']], [3, ['bob']]]),
  meter: { beats_per_bar: 4, groups: [], bar0_ub: 0 },
  beatAt: (ms) => (stopped ? null : ms / BEAT_MS),
  timeAt: (beat) => beat * BEAT_MS,
});

describe('a note of mine', () => {
  it('is on time to 50 ms on either side of my beat', () => {
    expect(at(500)).toEqual({ mark: 'on-time', offsetMs: 0 });
    expect(at(500 - ON_TIME_MS)?.mark).toBe('on-time');
    expect(at(500 + ON_TIME_MS)?.mark).toBe('on-time');
  });

  it('is early before that and late after it, by so much', () => {
    expect(at(430)).toEqual({ mark: 'early', offsetMs: -70 });
    expect(at(449.9)?.mark).toBe('early');
    expect(at(550.1)?.mark).toBe('late');
    expect(at(600)).toEqual({ mark: 'late', offsetMs: 100 });
  });

  it('counts for each round of the pattern', () => {
    expect(at(500 + 4 * BEAT_MS + 60)).toEqual({ mark: 'late', offsetMs: 60 });
  });

  it('says nothing where the nearest beat is another\'s or nobody\'s', () => {
    expect(at(0)).toBeNull();
    expect(at(1_000)).toBeNull();
    expect(at(760)).toBeNull();
  });

  it('says nothing while nothing plays', () => {
    expect(at(500, good, true)).toBeNull();
  });

  it('is not measured with a clock that is not sure', () => {
    expect(at(560, { ...good, quality: 'fair', uncertaintyMs: 20 })).toEqual(at(560, good));
    for (const quality of ['unknown', 'settling', 'uncertain'] as const) {
      expect(at(500, { ...good, quality })).toEqual({ mark: 'unmeasured' });
    }
  });
});
