/**
 * The pattern that students are assigned to, as the server counts it for its report: as many whole bars long as it takes
 * to hold the highest place with somebody at it, and round from there. A count-in is nobody's.
 */
import type { Meter, RoomState } from '../../downbeat/types';

type Assignments = RoomState['assignments'];

/** In beats; 0 where nobody is assigned. */
export function patternLength(assignments: Assignments, beatsPerBar: number): number {
  const highest = Math.max(0, ...[...assignments].filter(([, ids]) => ids.length > 0).map(([place]) => place));
  const bar = Math.max(1, beatsPerBar);
  return Math.ceil(highest / bar) * bar;
}

/** The place that a whole beat falls on, from 1; null in a count-in, and where nobody is assigned. */
export function placeOfBeat(assignments: Assignments, meter: Meter, beat: number): number | null {
  const length = patternLength(assignments, meter.beats_per_bar);
  if (beat < 0 || length === 0) return null;
  const fromBar1 = beat - Math.ceil(meter.bar0_ub / 1e6);
  return ((fromBar1 % length) + length) % length + 1;
}

export function isMine(assignments: Assignments, meter: Meter, beat: number, studentId: string): boolean {
  const place = placeOfBeat(assignments, meter, beat);
  return place !== null && (assignments.get(place)?.includes(studentId) ?? false);
}

/** How many beats from this one to the next of one's own, itself left out; null if none is one's own. */
export function beatsUntilMine(
  assignments: Assignments, meter: Meter, beat: number, studentId: string,
): number | null {
  const length = patternLength(assignments, meter.beats_per_bar);
  // From within a count-in the first round is further away than one length.
  const furthest = length + Math.max(0, -beat);
  for (let ahead = 1; ahead <= furthest; ahead += 1) {
    if (isMine(assignments, meter, beat + ahead, studentId)) return ahead;
  }
  return null;
}
