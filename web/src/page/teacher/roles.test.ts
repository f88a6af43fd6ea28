import { describe, expect, it } from 'vitest';
import type { AssignedRole, Member } from '../../downbeat/types';
import { sectionOf, sectionRole, sectionsOf } from './roles';

const withRole = (assignedRole: AssignedRole | null): Member => ({
  studentId: 'x', name: 'X', role: 'student', muted: false, hand: false, connections: 1, assignedRole, beats: [],
});

describe('sections', () => {
  it('are roles with a name', () => {
    expect(sectionRole(' Drums ')).toBe('section:Drums');
    expect([sectionOf('section:Drums'), sectionOf('soloist'), sectionOf(null)]).toEqual(['Drums', null, null]);
  });

  it('are listed once each, by name', () => {
    const students = ['section:Drums', 'listener', 'section:Bass', null, 'section:Drums'] as const;
    expect(sectionsOf(students.map(withRole))).toEqual(['Bass', 'Drums']);
  });
});
