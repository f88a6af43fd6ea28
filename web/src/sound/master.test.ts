import { describe, expect, it } from 'vitest';
import { limited } from './master';

describe('the limiter', () => {
  it('leaves ordinary loudness as it is', () => {
    for (const input of [-0.7, -0.3, 0, 0.001, 0.5, 0.7]) expect(limited(input)).toBe(input);
  });

  it('never lets anything beyond full scale', () => {
    for (const input of [0.9, 1, 2, 4, 24, 1e9]) {
      expect(limited(input)).toBeLessThanOrEqual(1);
      expect(limited(-input)).toBe(-limited(input));
    }
  });

  it('bends without a kink or a step', () => {
    for (let input = 0; input < 4; input += 0.001) {
      const step = limited(input + 0.001) - limited(input);
      expect(step).toBeGreaterThanOrEqual(0);
      expect(step).toBeLessThanOrEqual(0.001 + 1e-12);
    }
  });
});
