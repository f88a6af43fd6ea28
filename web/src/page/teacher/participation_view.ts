/** The server's `participation` push as the page shows it: who has played how much, and who not yet. */
import type { Member, Participation } from '../../downbeat/types';

export interface TakingPart {
  studentId: string;
  name: string;
  notes: number;
}

export interface ParticipationView {
  /** Those who have played, most notes first. */
  played: TakingPart[];
  /** Those who are here and have not. */
  notYet: { studentId: string; name: string }[];
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Whatever is not as it should be is left out: a page never fails because of a figure. */
export function participationView(push: Participation | null, students: readonly Member[]): ParticipationView {
  const nameOf = new Map(students.map(({ studentId, name }) => [studentId, name]));
  const played = listOf(push?.students).flatMap((row): TakingPart[] => {
    if (!isRecord(row)) return [];
    const { student_id: studentId, notes, name } = row;
    if (typeof studentId !== 'string' || typeof notes !== 'number' || notes < 1) return [];
    return [{ studentId, notes, name: nameOf.get(studentId) ?? (typeof name === 'string' ? name : studentId) }];
  });
  const has = new Set(played.map(({ studentId }) => studentId));
  // Somebody who came after the push has not played either, and is not in its list.
  const silent = [...listOf(push?.not_yet), ...students.map(({ studentId }) => studentId)]
    .filter((id): id is string => typeof id === 'string' && nameOf.has(id) && !has.has(id));
  return {
    played: played.sort((one, other) => other.notes - one.notes),
    notYet: [...new Set(silent)].map((studentId) => ({ studentId, name: nameOf.get(studentId) ?? studentId })),
  };
}
