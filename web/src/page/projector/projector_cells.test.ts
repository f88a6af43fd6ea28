import { describe, expect, it } from 'vitest';
import type { Member, RoomState } from '../../downbeat/types';
import { projectorCells } from './projector_cells';

const member = (studentId: string, name: string): Member => ({
  studentId, name, role: 'student', muted: false, hand: false, connections: 1, assignedRole: null, beats: [],
});
const room = (places: [number, string[]][], members: Member[] = []): RoomState => ({
  assignments: new Map(places), members, timeline: { meter: { beats_per_bar: 4, groups: [], bar0_ub: 0 } },
} as unknown as RoomState);

describe('the projector’s grid', () => {
  it('names everybody where few play together', () => {
    const { cells, rows, dense, lines } = projectorCells(room([[1, ['a', 'b']]], [member('a', 'Ada'), member('b', 'Bob')]));
    expect(cells.map(({ names }) => names)).toEqual([['Ada', 'Bob'], [], [], []]);
    expect({ rows, dense, lines }).toEqual({ rows: 1, dense: false, lines: 3 });
  });

  it('counts those for whom there is no line', () => {
    const { cells, lines } = projectorCells(room([[1, ['a', 'b', 'c', 'd', 'e', 'f', 'g']]]));
    expect(cells[0]).toEqual({ place: 1, names: ['a', 'b', 'c', 'd', 'e'], more: 2 });
    expect(lines).toBe(7);
  });

  it('has a line for each place where there are many bars', () => {
    const { cells, rows, dense, lines } = projectorCells(room([[2, ['a', 'b', 'c']], [64, ['d']]]));
    expect({ rows, dense, lines, count: cells.length }).toEqual({ rows: 16, dense: true, lines: 1, count: 64 });
    expect(cells[1]).toEqual({ place: 2, names: ['a'], more: 2 });
  });

  it('is not made small by one long name', () => {
    expect(projectorCells(room([[1, ['x']]], [member('x', 'Maximiliane-Charlotte')])).letters).toBe(12);
    expect(projectorCells(room([[1, ['x']]], [member('x', 'Jo')])).letters).toBe(4);
  });
});
