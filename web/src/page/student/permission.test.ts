import { describe, expect, it } from 'vitest';
import type { Member } from '../../downbeat/types';
import { silenceOf } from './permission';

const member = (studentId: string, changes: Partial<Member> = {}): Member => ({
  studentId, name: studentId, role: 'student', muted: false, hand: false, connections: 1, assignedRole: null, beats: [],
  ...changes,
});
const ada = (mine: Partial<Member>, ...others: Member[]) => silenceOf({
  me: { studentId: 'ada', role: 'student', name: 'Ada' }, members: [member('ada', mine), ...others],
});

describe('the keys', () => {
  it('play for everybody at first', () => {
    expect(ada({}, member('bob'))).toBeNull();
    expect(ada({ assignedRole: 'section:Alto' })).toBeNull();
  });

  it('are silent for whoever is muted or listens', () => {
    expect(ada({ muted: true })).toBe('muted');
    expect(ada({ assignedRole: 'listener' })).toBe('listener');
    expect(ada({ muted: true, assignedRole: 'soloist' })).toBe('muted');
  });

  it('are silent while another plays a solo, but not for the soloist or a co-teacher', () => {
    const bob = member('bob', { assignedRole: 'soloist' });
    expect(ada({}, bob)).toBe('solo-of-another');
    expect(ada({ assignedRole: 'section:Alto' }, bob)).toBe('solo-of-another');
    expect(ada({ assignedRole: 'soloist' }, bob)).toBeNull();
    expect(ada({ assignedRole: 'co_teacher' }, bob)).toBeNull();
  });

  it('play while the soloist is away', () => {
    expect(ada({}, member('bob', { assignedRole: 'soloist', connections: 0 }))).toBeNull();
  });

  it('are never silent for a teacher', () => {
    expect(ada({ role: 'teacher', muted: true })).toBeNull();
  });
});
