import { describe, expect, it } from 'vitest';
import { TapTempo } from './tap_tempo';

const tapped = (...times: number[]): (number | null)[] => {
  const tempo = new TapTempo();
  return times.map((at) => tempo.tap(at));
};

describe('a tempo from taps', () => {
  it('is known from the second tap on', () => {
    expect(tapped(1_000, 1_500)).toEqual([null, 120]);
  });

  it('is the median: one tap gone astray does no harm', () => {
    expect(tapped(0, 600, 1_200, 1_450, 2_400, 3_000).at(-1)).toBe(100);
  });

  it('begins anew after a pause', () => {
    const tempo = new TapTempo();
    [0, 500, 1_000, 1_500].forEach((at) => tempo.tap(at));
    expect(tempo.tap(10_000)).toBeNull();
    expect(tempo.taps).toBe(1);
    expect(tempo.tap(11_000)).toBe(60);
  });

  it('follows a change: old taps are forgotten', () => {
    const slow = Array.from({ length: 20 }, (_, i) => i * 1_000);
    const fast = Array.from({ length: 8 }, (_, i) => 19_000 + (i + 1) * 400);
    expect(tapped(...slow, ...fast).at(-1)).toBe(150);
  });

  it('stays within what a room can have', () => {
    expect(tapped(0, 100, 200, 300).at(-1)).toBe(299);
    expect(tapped(0, 0).at(-1)).toBe(299);
  });
});
