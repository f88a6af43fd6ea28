import { describe, expect, it } from 'vitest';
import { Voices } from './voices';

const numbered = (most: number) => {
  let made = 0;
  return { voices: new Voices(most, () => (made += 1)), made: () => made };
};

describe('voices', () => {
  it('are made one by one as notes need them', () => {
    const { voices, made } = numbered(24);
    expect(made()).toBe(0);
    voices.take(0, 1);
    voices.take(0.1, 1);
    expect(made()).toBe(2);
  });

  it('are used again when their note has faded', () => {
    const { voices, made } = numbered(24);
    for (let i = 0; i < 100; i += 1) voices.take(i * 2, 1);
    expect(made()).toBe(1);
  });

  it('are never more than there may be, however many notes come at once', () => {
    const { voices, made } = numbered(24);
    for (let i = 0; i < 1_000; i += 1) voices.take(i / 1_000, 5);
    expect(made()).toBe(24);
    expect(voices.sounding(1)).toBe(24);
  });

  it('are stolen from the note that began first', () => {
    const { voices } = numbered(3);
    const began = [voices.take(0.2, 5).plays, voices.take(0.1, 5).plays, voices.take(0.3, 5).plays];
    expect(voices.take(0.4, 5).plays).toBe(began[1]);
    expect(voices.take(0.5, 5).plays).toBe(began[0]);
  });

  it('begin at once, but for those that are stolen', () => {
    const { voices } = numbered(2);
    expect([voices.take(1, 5).at, voices.take(1, 5).at]).toEqual([1, 1]);
    expect(voices.take(1.5, 5).at).toBeGreaterThan(1.5);
    expect(voices.take(7, 5).at).toBe(7);
  });

  it('never begin twice at one moment, which their oscillators refuse', () => {
    const { voices } = numbered(1);
    const starts = [voices.take(1, 5).at, voices.take(1, 5).at, voices.take(1, 5).at];
    expect(starts[1]).toBeGreaterThan(starts[0]!);
    expect(starts[2]).toBeGreaterThan(starts[1]!);
    expect(starts[2]).toBeLessThan(1.02);
  });
});
