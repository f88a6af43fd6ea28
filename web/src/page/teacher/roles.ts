/** What the teacher made of the students. */
import type { AssignedRole, Member } from '../../downbeat/types';

const SECTION = 'section:';

/** The section's name, or null where the role is none. */
export const sectionOf = (role: AssignedRole | null): string | null =>
  role?.startsWith(SECTION) ? role.slice(SECTION.length) : null;

export const sectionRole = (name: string): AssignedRole => `section:${name.trim()}`;

/** All sections that there are, by name. */
export function sectionsOf(students: readonly Member[]): string[] {
  const names = students.map(({ assignedRole }) => sectionOf(assignedRole)).filter((name) => name !== null);
  return [...new Set(names)].sort((one, other) => one.localeCompare(other));
}
