import { describe, expect, it } from 'vitest';
import type { Member } from '../../downbeat/types';
import { participationView } from './participation_view';

const member = (studentId: string, name: string): Member => ({
  studentId, name, role: 'student', muted: false, hand: false, connections: 1, assignedRole: null, beats: [],
});
const students = [member('ada', 'Ada'), member('bob', 'Bob'), member('cleo', 'Cleo')];

describe('who takes part', () => {
  it('lists those who have played, most notes first, and those who have not', () => {
    const push = {
      students: [
        { student_id: 'bob', name: 'Bob', notes: 2, last_note_at: 1 },
        { student_id: 'ada', name: 'Ada', notes: 5, last_note_at: 2 },
      ],
      not_yet: ['cleo'],
    };
    const { played, notYet } = participationView(push, students);
    expect(played.map(({ studentId, notes }) => [studentId, notes])).toEqual([['ada', 5], ['bob', 2]]);
    expect(notYet).toEqual([{ studentId: 'cleo', name: 'Cleo' }]);
  });

  it('counts everybody as silent before the first push, and whoever came after it', () => {
    expect(participationView(null, students).notYet.map(({ studentId }) => studentId)).toEqual(['ada', 'bob', 'cleo']);
    const late = participationView({ students: [], not_yet: ['ada'] }, students);
    expect(late.notYet.map(({ studentId }) => studentId)).toEqual(['ada', 'bob', 'cleo']);
  });

  it('keeps the notes of those who have left, and forgets their silence', () => {
    const push = { students: [{ student_id: 'eve', name: 'Eve', notes: 1 }], not_yet: ['finn'] };
    const { played, notYet } = participationView(push, [member('ada', 'Ada')]);
    expect(played).toEqual([{ studentId: 'eve', name: 'Eve', notes: 1 }]);
    expect(notYet.map(({ studentId }) => studentId)).toEqual(['ada']);
  });

  it('leaves out what makes no sense', () => {
    const push = { students: [null, 7, { student_id: 3 }, { student_id: 'ada', notes: 'many' }], not_yet: 'nobody' };
    expect(participationView(push, [])).toEqual({ played: [], notYet: [] });
  });
});
