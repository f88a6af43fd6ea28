import { describe, expect, it } from 'vitest';
import type { Meter } from '../../downbeat/types';
import {
  barAndPulse, barsMax, gridPlaces, patternLength, placeInRound, placeOfBeat, takeTurns, toggleSteps, type Assignments,
} from './pattern';

const assigned = (...places: [number, ...string[]][]): Assignments =>
  new Map(places.map(([place, ...ids]) => [place, ids]));
const meter = (beats: number, bar0 = 0): Meter => ({ beats_per_bar: beats, groups: [], bar0_ub: bar0 * 1e6 });

describe('the pattern', () => {
  it('is as many whole bars long as its highest place needs', () => {
    const with4 = [1, 4, 5, 6, 8, 9, 64].map((place) => patternLength(assigned([1, 'bob'], [place, 'ada']), 4));
    expect(with4).toEqual([4, 4, 8, 8, 8, 12, 64]);
    expect(patternLength(assigned([64, 'ada']), 7)).toBe(70);
    expect(patternLength(assigned([2, 'ada'], [9]), 4)).toBe(4);
    expect(patternLength(new Map(), 4)).toBe(0);
  });

  it('goes round from where the bars begin, and rests while counting in', () => {
    const six = assigned([6, 'ada']);
    expect([-1, 0, 5, 7, 8, 13].map((beat) => placeOfBeat(six, meter(4), beat))).toEqual([null, 1, 6, 8, 1, 6]);
    expect([2, 3, 5].map((beat) => placeOfBeat(assigned([1, 'ada']), meter(3, 5), beat))).toEqual([1, 2, 1]);
    expect(placeInRound(4, meter(4, 1.5), 2)).toBe(1); // a bar that begins between beats has the next as its first
    expect(placeOfBeat(new Map(), meter(4), 3)).toBeNull();
  });
});

describe('the grid', () => {
  it('shows the bars asked for, or as many more as the pattern has', () => {
    expect(gridPlaces(new Map(), 3, 2)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(gridPlaces(assigned([6, 'ada']), 4, 1)).toHaveLength(8);
  });

  it('ends at the last place that can be given out', () => {
    expect(barsMax(7)).toBe(10);
    expect(gridPlaces(new Map(), 7, 10)).toHaveLength(64);
    expect(barsMax(64)).toBe(1);
  });

  it('knows where a place is', () => {
    expect([1, 4, 5, 12].map((place) => barAndPulse(place, 4)))
      .toEqual([{ bar: 1, pulse: 1 }, { bar: 1, pulse: 4 }, { bar: 2, pulse: 1 }, { bar: 3, pulse: 4 }]);
  });
});

describe('giving out beats', () => {
  it('adds somebody to a place', () => {
    expect(toggleSteps(assigned([2, 'bob']), 2, 'ada')).toEqual([{ assign: 'ada', beat: 2 }]);
  });

  it('takes one away and leaves the others, though the server clears only whole places', () => {
    expect(toggleSteps(assigned([2, 'bob', 'ada', 'cleo']), 2, 'ada'))
      .toEqual([{ clear: 2 }, { assign: 'bob', beat: 2 }, { assign: 'cleo', beat: 2 }]);
  });

  it('gives each a place in turn, as far as they reach', () => {
    expect(takeTurns(['ada', 'bob'])).toEqual([{ assign: 'ada', beat: 1 }, { assign: 'bob', beat: 2 }]);
    expect(takeTurns(Array.from({ length: 70 }, (_, i) => `s${i}`))).toHaveLength(64);
  });
});
