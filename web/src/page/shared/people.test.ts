import { describe, expect, it } from 'vitest';
import type { Member, RoomState } from '../../downbeat/types';
import { distinctNames, hueOf, initialOf, inRosterOrder, studentsOf } from './people';

const member = (studentId: string, changes: Partial<Member> = {}): Member => ({
  studentId, name: studentId, role: 'student', muted: false, hand: false, connections: 1, assignedRole: null, beats: [],
  ...changes,
});

describe('the class', () => {
  it('is without its teachers', () => {
    const state = { members: [member('ms-lee', { role: 'teacher' }), member('ada')] } as unknown as RoomState;
    expect(studentsOf(state).map(({ studentId }) => studentId)).toEqual(['ada']);
  });

  it('shows raised hands first and those who are away last, otherwise as they came', () => {
    const students = [member('away', { connections: 0 }), member('b'), member('hand', { hand: true }), member('a')];
    expect(inRosterOrder(students).map(({ studentId }) => studentId)).toEqual(['hand', 'b', 'a', 'away']);
  });

  it('tells two of one name apart', () => {
    const names = distinctNames([
      member('guest-k3v9x2ab', { name: 'Sam' }),
      member('guest-aaaa1111', { name: 'Sam' }),
      member('ada', { name: 'Ada' }),
    ]);
    expect([...names.values()]).toEqual(['Sam · x2ab', 'Sam · 1111', 'Ada']);
  });

  it('has a colour for each that is far from that of a similar id', () => {
    const apart = Math.abs(hueOf('student-1') - hueOf('student-2'));
    expect(Math.min(apart, 360 - apart)).toBeGreaterThan(60);
    expect(hueOf('ada')).toBe(hueOf('ada'));
  });

  it('has a face for every name', () => {
    expect([initialOf('émilie'), initialOf('🎺 Zoe'), initialOf('  ')]).toEqual(['É', '🎺', '?']);
  });
});
