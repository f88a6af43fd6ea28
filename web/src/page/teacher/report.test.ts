import { describe, expect, it } from 'vitest';
import { offsetOf, sharing } from './report';

describe('the report in words', () => {
  it('says early and late only where somebody can hear it', () => {
    expect([-40.4, -10, 0, 9.6, 31].map((ms) => offsetOf(ms).kind)).toEqual(['early', 'on', 'on', 'on', 'late']);
    expect(offsetOf(-40.4).ms).toBe(40);
  });

  it('says how the voices were shared', () => {
    expect([null, 1, 0.9, 0.75, 0.2].map((evenness) => sharing(evenness, 100)))
      .toEqual([null, 'even', 'even', 'somewhat', 'uneven']);
    expect(sharing(0, 3)).toBeNull();
  });
});
