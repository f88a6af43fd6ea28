import { describe, expect, it } from 'vitest';
import { beatsUntilMine, isMine, placesOf } from './my_places';

const meter = (beats_per_bar: number, bar0 = 0) => ({ beats_per_bar, groups: [], bar0_ub: bar0 * 1_000_000 });
const assigned = (...places: [number, string][]) => {
  const assignments = new Map<number, string[]>();
  for (const [place, id] of places) assignments.set(place, [...(assignments.get(place) ?? []), id]);
  return assignments;
};
const beatsOf = (id: string, assignments: Map<number, string[]>, bars = meter(4), from = 0, to = 24) =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((beat) => isMine(assignments, bars, beat, id));

describe('my beats', () => {
  it('come up once each time the pattern goes round', () => {
    const assignments = assigned([6, 'cleo'], [1, 'ada'], [6, 'bob']);
    expect(beatsOf('ada', assignments)).toEqual([0, 8, 16]);
    expect(beatsOf('bob', assignments)).toEqual([5, 13, 21]);
    expect(beatsOf('cleo', assignments)).toEqual([5, 13, 21]);
    expect(beatsOf('dora', assignments)).toEqual([]);
  });

  it('begin with a bar wherever the bars begin', () => {
    expect(beatsOf('ada', assigned([1, 'ada']), meter(3, 5), 0, 12)).toEqual([2, 5, 8, 11]);
  });

  it('are none in a count-in', () => {
    const all = assigned([1, 'ada'], [2, 'ada'], [3, 'ada'], [4, 'ada']);
    expect(beatsOf('ada', all, meter(4), -8, 0)).toEqual([]);
  });

  it('are listed in order', () => {
    expect(placesOf(assigned([7, 'ada'], [2, 'ada'], [3, 'bob']), 'ada')).toEqual([2, 7]);
  });
});

describe('the way to my next beat', () => {
  const assignments = assigned([1, 'ada'], [4, 'ada'], [6, 'bob']);

  it('is counted in beats, round the end of the pattern too', () => {
    expect([0, 1, 2, 3, 4].map((beat) => beatsUntilMine(assignments, meter(4), beat, 'ada'))).toEqual([3, 2, 1, 5, 4]);
    expect(beatsUntilMine(assignments, meter(4), 5, 'bob')).toBe(8);
  });

  it('is counted through a count-in', () => {
    expect(beatsUntilMine(assignments, meter(4), -4, 'ada')).toBe(4);
    expect(beatsUntilMine(assignments, meter(4), -4, 'bob')).toBe(9);
    expect(beatsUntilMine(assigned([4, 'ada']), meter(4), -12, 'ada')).toBe(15);
  });

  it('does not exist without a beat of one\'s own', () => {
    expect(beatsUntilMine(assignments, meter(4), 3, 'dora')).toBeNull();
    expect(beatsUntilMine(new Map(), meter(4), 3, 'ada')).toBeNull();
  });
});
