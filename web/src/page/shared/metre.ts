/** Where bars and their groups begin. */

/** For each pulse of the bar (from 1), whether a group begins there; the first is the bar's own. */
export function groupStarts(beatsPerBar: number, groups: readonly number[]): Set<number> {
  const starts = new Set([1]);
  let pulse = 1;
  for (const length of groups) {
    pulse += length;
    if (pulse <= beatsPerBar) starts.add(pulse);
  }
  return starts;
}

/** `3+2+2` (or `3 2 2`, `3,2,2`) as numbers; an empty text has none; null where it is no such thing. */
export function parseGroups(text: string): number[] | null {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (!/^\d+([\s+,]+\d+)*$/.test(trimmed)) return null;
  return trimmed.split(/[\s+,]+/).map(Number);
}

/** Whether the groups fill the bar; none at all is well too. */
export const groupsFit = (groups: readonly number[], beatsPerBar: number): boolean =>
  groups.length === 0 || (groups.every((length) => length > 0) && groups.reduce((a, b) => a + b, 0) === beatsPerBar);
