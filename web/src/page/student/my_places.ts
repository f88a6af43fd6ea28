/** Which beats are one's own, and how far away the next of them is. */
import type { Meter } from '../../downbeat/types';
import { patternLength, placeOfBeat, type Assignments } from '../shared/pattern';

/** The places of the pattern that are somebody's, in order. */
export const placesOf = (assignments: Assignments, studentId: string): number[] =>
  [...assignments].filter(([, ids]) => ids.includes(studentId)).map(([place]) => place).sort((a, b) => a - b);

export function isMine(assignments: Assignments, meter: Meter, beat: number, studentId: string): boolean {
  const place = placeOfBeat(assignments, meter, beat);
  return place !== null && (assignments.get(place)?.includes(studentId) ?? false);
}

/** How many beats from this one to the next of one's own, itself left out; null if none is one's own. */
export function beatsUntilMine(
  assignments: Assignments, meter: Meter, beat: number, studentId: string,
): number | null {
  // From within a count-in the first round is further away than one length.
  const furthest = patternLength(assignments, meter.beats_per_bar) + Math.max(0, -beat);
  for (let ahead = 1; ahead <= furthest; ahead += 1) {
    if (isMine(assignments, meter, beat + ahead, studentId)) return ahead;
  }
  return null;
}
