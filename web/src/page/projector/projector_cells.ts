/** What the projector's grid shows: as much as can be read from the back row. */
import type { RoomState } from '../../downbeat/types';
import { gridPlaces } from '../shared/pattern';
import { distinctNames } from '../shared/people';

export interface Cell {
  place: number;
  names: string[];
  /** How many more there are than names. */
  more: number;
}

export interface Cells {
  cells: Cell[];
  columns: number;
  rows: number;
  /** One line a cell, the number beside the name: where there are many bars. */
  dense: boolean;
  /** The most lines, and the most letters of a line, that a cell has: how large the letters can be. */
  lines: number;
  letters: number;
}

/** More bars than that leave no height for more than a line. */
const ROWS_ROOMY = 4;
/** A name that is longer than this is cut off rather than making all of them small. */
const LETTERS_MAX = 12;
const LETTERS_MIN = 4;
/** Beside the name in a dense cell: the number, and how many more. */
const LETTERS_BESIDE = 3;

function namesMax(rows: number): number {
  if (rows > ROWS_ROOMY) return 1;
  return rows > 2 ? 3 : 5;
}

export function projectorCells({ assignments, members, timeline }: RoomState): Cells {
  const columns = timeline?.meter.beats_per_bar ?? 4;
  const names = distinctNames(members);
  const places = gridPlaces(assignments, columns, 1);
  const rows = Math.ceil(places.length / columns);
  const dense = rows > ROWS_ROOMY;
  const cells = places.map((place): Cell => {
    const all = (assignments.get(place) ?? []).map((id) => names.get(id) ?? id);
    const shown = all.slice(0, namesMax(rows));
    return { place, names: shown, more: all.length - shown.length };
  });
  const linesOf = (cell: Cell) => 1 + cell.names.length + (cell.more > 0 ? 1 : 0);
  const longest = Math.max(...cells.flatMap((cell) => cell.names.map((name) => [...name].length)), LETTERS_MIN);
  return {
    cells, columns, rows, dense,
    lines: dense ? 1 : Math.max(...cells.map(linesOf)),
    letters: Math.min(LETTERS_MAX, longest) + (dense ? LETTERS_BESIDE : 0),
  };
}
