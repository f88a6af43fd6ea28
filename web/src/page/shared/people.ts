/** Who is in the class, as pages show them. */
import type { Member, RoomState } from '../../downbeat/types';

/** Everybody but the teachers, as they came. */
export const studentsOf = (state: RoomState): Member[] => state.members.filter(({ role }) => role !== 'teacher');

/** Raised hands first, those who are away last; otherwise as they came. */
export function inRosterOrder(students: readonly Member[]): Member[] {
  const rank = ({ hand, connections }: Member) => (hand ? 0 : connections > 0 ? 1 : 2);
  return [...students].sort((one, other) => rank(one) - rank(other));
}

/** Steps of the golden angle are far apart, however close the numbers are that they are counted by. */
const GOLDEN_ANGLE = 137.508;

/** A colour of one's own, as a hue: the same on every device, and another than that of `ada2` for `ada3`. */
export function hueOf(studentId: string): number {
  const hash = [...studentId].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521, 7);
  return Math.round((hash * GOLDEN_ANGLE) % 360);
}

/** What stands on somebody's face. */
export const initialOf = (name: string): string => [...name.trim()][0]?.toUpperCase() ?? '?';

/** Names that are one text: two of a kind get the end of their id. */
export function distinctNames(students: readonly Member[]): Map<string, string> {
  const count = new Map<string, number>();
  for (const { name } of students) count.set(name, (count.get(name) ?? 0) + 1);
  return new Map(students.map(({ studentId, name }) =>
    [studentId, (count.get(name) ?? 0) > 1 ? `${name} · ${studentId.slice(-4)}` : name]));
}
