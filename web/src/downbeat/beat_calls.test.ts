import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BeatCalls } from './beat_calls';
import { TICK_MS } from './tick';
import type { Timeline } from './types';

const START = 1_700_000_000_000;

function at120(rest: Partial<Timeline> = {}): Timeline {
  const segments = [{ t0_us: (START + 510) * 1_000, beat0_ub: 0, milli_bpm: 120_000, ramp: null }];
  const meter = { beats_per_bar: 4, groups: [], bar0_ub: 0 };
  return {
    epoch: 1, rev: 1, run: 1, time_base: 'a', server_now_us: 0, playing: true, source: 'clock',
    segments, stop_at_ub: null, meter, ...rest,
  };
}

describe('calls at each beat', () => {
  let timeline: Timeline | null;
  let calls: BeatCalls;
  let told: { beat: number; late: number }[];
  const tick = () => calls.tick(timeline, Date.now(), tick);

  beforeEach(() => {
    vi.useFakeTimers({ now: START });
    [timeline, calls, told] = [at120(), new BeatCalls(), []];
    calls.add(({ beat, at }) => told.push({ beat, late: Date.now() - at }));
  });
  afterEach(() => vi.useRealTimers());

  it('come when the beat is due, to the millisecond, though the tick is slower', () => {
    setInterval(tick, TICK_MS);
    vi.advanceTimersByTime(2_600);
    expect(told.map(({ beat }) => beat)).toEqual([0, 1, 2, 3, 4]);
    expect(Math.max(...told.map(({ late }) => late))).toBeLessThanOrEqual(1);
    expect(Math.min(...told.map(({ late }) => late))).toBeGreaterThanOrEqual(0);
  });

  it('skip what is past after a gap', () => {
    tick();
    vi.setSystemTime(START + 60_000 + 410);
    tick();
    expect(told).toEqual([]);
    vi.setSystemTime(START + 60_000 + 515);
    tick();
    expect(told).toEqual([{ beat: 120, late: 5 }]);
  });

  it('do not come twice for one beat, and come anew in another run', () => {
    vi.setSystemTime(START + 515);
    tick();
    tick();
    timeline = at120({ rev: 2 });
    tick();
    expect(told).toHaveLength(1);
    timeline = at120({ run: 2 });
    tick();
    expect(told).toHaveLength(2);
  });

  it('stay away while nothing plays, and to whom has gone', () => {
    vi.setSystemTime(START + 515);
    timeline = null;
    tick();
    timeline = at120({ segments: [] });
    tick();
    timeline = at120();
    calls.stop();
    tick();
    expect(told).toEqual([]);
  });
});
