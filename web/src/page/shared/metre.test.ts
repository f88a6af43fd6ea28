import { describe, expect, it } from 'vitest';
import { groupsFit, groupStarts, parseGroups } from './metre';

describe('groups of a metre', () => {
  it('are read as people write them', () => {
    expect(['3+2+2', ' 3 2 2 ', '3,2, 2', '3 + 2 + 2', '7', ''].map(parseGroups))
      .toEqual([[3, 2, 2], [3, 2, 2], [3, 2, 2], [3, 2, 2], [7], []]);
    expect(['3+', 'three', '3-2', '+'].map(parseGroups)).toEqual([null, null, null, null]);
  });

  it('fill the bar, or there are none', () => {
    expect([[3, 2, 2], [], [3, 2], [7, 0]].map((groups) => groupsFit(groups, 7))).toEqual([true, true, false, false]);
  });

  it('begin where the one before has ended', () => {
    expect([...groupStarts(7, [3, 2, 2])]).toEqual([1, 4, 6]);
    expect([...groupStarts(4, [])]).toEqual([1]);
  });
});
