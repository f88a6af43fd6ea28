import { beforeEach, describe, expect, it } from 'vitest';
import { ClockReport } from './clock_report';
import type { ClockState } from './types';

const clock = (quality: ClockState['quality'], uncertaintyMs: number): ClockState =>
  ({ quality, uncertaintyMs, roundTripMs: 2 * uncertaintyMs, source: 'clock' });

describe('the report of the clock', () => {
  let report: ClockReport;
  beforeEach(() => {
    report = new ClockReport();
  });

  it('waits until the clock is found', () => {
    expect(report.due(clock('unknown', Infinity), 0)).toBeNull();
    expect(report.due(clock('settling', 4), 100)).toBeNull();
    expect(report.due(clock('good', 4.25), 200)).toEqual({ unc_us: 4_250, round_trip_us: 8_500 });
  });

  it('tells of news alone, and of them at most each five seconds', () => {
    const due = (state: ClockState, here: number) => {
      const told = report.due(state, here);
      report.taken();
      return told;
    };
    due(clock('good', 4), 0);
    expect(due(clock('uncertain', 40), 4_999)).toBeNull();
    expect(due(clock('uncertain', 40), 5_000)).not.toBeNull();
    expect(due(clock('uncertain', 45), 60_000)).toBeNull();
    expect(due(clock('uncertain', 61), 60_000)).not.toBeNull();
    expect(due(clock('uncertain', 40), 120_000)).not.toBeNull();
  });

  it('tells a new connection at once', () => {
    report.due(clock('good', 4), 0);
    report.restart();
    expect(report.due(clock('good', 4), 1)).not.toBeNull();
  });

  it('stops where nobody takes it, for a server of before ends the channel at each', () => {
    const good = clock('good', 4);
    for (let connection = 0; connection < 2; connection++) {
      report.restart();
      expect(report.due(good, 0)).not.toBeNull();
    }
    report.restart();
    expect(report.due(good, 0)).toBeNull();
    report.taken();
    expect(report.due(good, 0)).not.toBeNull();
  });

  it('stays within what the protocol takes', () => {
    expect(report.due(clock('uncertain', 1e12), 0)).toEqual({ unc_us: 4_294_967_295, round_trip_us: 4_294_967_295 });
  });
});
