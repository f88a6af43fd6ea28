import { describe, expect, it } from 'vitest';
import { mayFlash } from './flash';

describe('a large area', () => {
  it('flashes at most three times a second', () => {
    expect([60, 180, 181, 299].map((bpm) => mayFlash(bpm, false))).toEqual([true, true, false, false]);
  });

  it('never flashes for those who asked for calm', () => {
    expect(mayFlash(40, true)).toBe(false);
  });
});
