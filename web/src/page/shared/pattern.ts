/**
 * The pattern that students are assigned to, as the server counts it for its report: as many whole bars long as it
 * takes to hold the highest place with somebody at it, and round from there. A count-in is nobody's. Places count
 * from 1.
 */
import type { Meter, RoomState } from '../../downbeat/types';

export type Assignments = RoomState['assignments'];

/** The highest place that somebody can be assigned to. */
export const PLACES_MAX = 64;

/** In beats; 0 where nobody is assigned. */
export function patternLength(assignments: Assignments, beatsPerBar: number): number {
  const highest = Math.max(0, ...[...assignments].filter(([, ids]) => ids.length > 0).map(([place]) => place));
  const bar = Math.max(1, beatsPerBar);
  return Math.ceil(highest / bar) * bar;
}

/** Which place of a round of `length` beats a beat falls on; null in a count-in, and where there is no round. */
export function placeInRound(length: number, meter: Meter, beat: number): number | null {
  if (beat < 0 || length <= 0) return null;
  const fromBar1 = beat - Math.ceil(meter.bar0_ub / 1e6);
  return (((fromBar1 % length) + length) % length) + 1;
}

/** The place of the pattern that a whole beat falls on. */
export const placeOfBeat = (assignments: Assignments, meter: Meter, beat: number): number | null =>
  placeInRound(patternLength(assignments, meter.beats_per_bar), meter, beat);

/** How many bars a grid can have: the last may reach beyond the last place. */
export const barsMax = (beatsPerBar: number): number => Math.max(1, Math.ceil(PLACES_MAX / Math.max(1, beatsPerBar)));

/** The places that a grid of so many bars shows; as many more as the pattern needs. */
export function gridPlaces(assignments: Assignments, beatsPerBar: number, bars: number): number[] {
  const length = Math.max(patternLength(assignments, beatsPerBar), Math.max(1, bars) * beatsPerBar);
  return Array.from({ length: Math.min(length, PLACES_MAX) }, (_, i) => i + 1);
}

/** Where a place is: its bar and its pulse in it, both from 1. */
export const barAndPulse = (place: number, beatsPerBar: number): { bar: number; pulse: number } =>
  ({ bar: Math.floor((place - 1) / beatsPerBar) + 1, pulse: ((place - 1) % beatsPerBar) + 1 });

export type GridStep = { clear: number } | { assign: string; beat: number };

/** The orders that give a place to somebody, or take it away: the server clears only whole places. */
export function toggleSteps(assignments: Assignments, beat: number, studentId: string): GridStep[] {
  const there = assignments.get(beat) ?? [];
  if (!there.includes(studentId)) return [{ assign: studentId, beat }];
  return [{ clear: beat }, ...there.filter((id) => id !== studentId).map((id) => ({ assign: id, beat }))];
}

/** One place for each student in turn, from the first on, as far as the places reach. */
export const takeTurns = (studentIds: readonly string[]): GridStep[] =>
  studentIds.slice(0, PLACES_MAX).map((id, i) => ({ assign: id, beat: i + 1 }));
