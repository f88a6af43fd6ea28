import { describe, expect, it } from 'vitest';
import { HIGHEST_C, LOWEST_C, noteName, noteSign, pianoKeys, pianoWidth, shifted, velocityAt } from './piano_keys';

describe('the piano', () => {
  it('has an octave and the C above it, or two', () => {
    expect(pianoKeys(60, 1, 'sharp').map(({ midi }) => midi)).toEqual(Array.from({ length: 13 }, (_, i) => 60 + i));
    expect(pianoKeys(48, 2, 'sharp')).toHaveLength(25);
  });

  it('has its black keys where a piano has them', () => {
    const black = pianoKeys(60, 1, 'sharp').filter((key) => key.black).map(({ midi }) => midi - 60);
    expect(black).toEqual([1, 3, 6, 8, 10]);
  });

  it('has its white keys side by side, without gap or overlap', () => {
    const white = pianoKeys(48, 2, 'sharp').filter((key) => !key.black);
    white.forEach((key, i) => expect(key.left).toBe(i * 3));
    expect(white.at(-1)!.left + white.at(-1)!.width).toBe(pianoWidth(2));
  });

  it('has each black key over the border of its two neighbours', () => {
    const keys = pianoKeys(48, 2, 'sharp');
    keys.forEach((key, i) => {
      if (!key.black) return;
      const border = keys[i + 1]!.left;
      expect(key.left).toBe(border - 1);
      expect(key.left + key.width).toBe(border + 1);
    });
  });

  it('names its keys for those who listen and for those who look', () => {
    expect(noteName(60, 'sharp')).toBe('C4');
    expect(noteName(70, 'sharp')).toBe('A sharp 4');
    expect(noteName(61, 'sostenido')).toBe('C sostenido 4');
    expect([noteSign(21), noteSign(60), noteSign(106)]).toEqual(['A0', 'C4', 'A♯7']);
  });

  it('moves by octaves, and stays within what can be played', () => {
    expect(shifted(60, 1, 1)).toBe(72);
    expect(shifted(60, 1, -1)).toBe(48);
    expect(shifted(LOWEST_C, 1, -1)).toBe(LOWEST_C);
    expect(shifted(HIGHEST_C, 1, 1)).toBe(HIGHEST_C);
    expect(shifted(HIGHEST_C - 12, 2, 1)).toBe(HIGHEST_C - 12);
  });

  it('is louder the further down a key is struck', () => {
    expect(velocityAt(0)).toBeLessThan(velocityAt(0.5));
    expect(velocityAt(0.5)).toBeLessThan(velocityAt(1));
    expect([velocityAt(-3), velocityAt(7)]).toEqual([velocityAt(0), velocityAt(1)]);
  });
});
