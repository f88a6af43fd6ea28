import { describe, expect, it } from 'vitest';
import { gainOf, strength } from './loudness';

describe('the volume', () => {
  it('goes from silence to full, and stays there', () => {
    expect([-1, 0, 0.5, 1, 7].map(gainOf)).toEqual([0, 0, 0.25, 1, 1]);
  });
});

describe('a note', () => {
  it('is the stronger the harder it is struck, within what MIDI knows', () => {
    expect(strength(0, 0)).toBe(0);
    expect(strength(64, 0)).toBeGreaterThan(strength(32, 0));
    expect(strength(127, 0)).toBeGreaterThan(strength(64, 0));
    expect([strength(-5, 0), strength(500, 0)]).toEqual([strength(0, 0), strength(127, 0)]);
  });

  it('makes room for others: a class in unison is louder than one, but not by as many times', () => {
    const together = (notes: number) => notes * strength(127, notes - 1);
    expect(together(24)).toBeGreaterThan(together(1));
    expect(together(24)).toBeLessThan(12 * together(1));
  });
});
