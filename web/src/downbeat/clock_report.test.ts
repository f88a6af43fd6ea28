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
    report.due(clock('good', 4), 0);
    expect(report.due(clock('uncertain', 40), 4_999)).toBeNull();
    expect(report.due(clock('uncertain', 40), 5_000)).not.toBeNull();
    expect(report.due(clock('uncertain', 45), 60_000)).toBeNull();
    expect(report.due(clock('uncertain', 61), 60_000)).not.toBeNull();
    expect(report.due(clock('uncertain', 40), 120_000)).not.toBeNull();
  });

  it('tells a new connection at once', () => {
    report.due(clock('good', 4), 0);
    report.restart();
    expect(report.due(clock('good', 4), 1)).not.toBeNull();
  });

  it('stays within what the protocol takes', () => {
    expect(report.due(clock('uncertain', 1e12), 0)).toEqual({ unc_us: 4_294_967_295, round_trip_us: 4_294_967_295 });
  });
});
