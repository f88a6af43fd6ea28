/** Whether one may play just now: as the server decides it, so that the keys tell before a note is refused. */
import type { RoomState } from '../../downbeat/types';

export type Silence = 'muted' | 'listener' | 'solo-of-another';

/** Why one's notes would reach nobody; null if they would. */
export function silenceOf({ me, members }: Pick<RoomState, 'me' | 'members'>): Silence | null {
  const self = members.find(({ studentId }) => studentId === me?.studentId);
  if (!self || self.role === 'teacher') return null;
  if (self.muted) return 'muted';
  if (self.assignedRole === 'listener') return 'listener';
  if (self.assignedRole === 'soloist' || self.assignedRole === 'co_teacher') return null;
  // A soloist whose connection is lost does not silence the class.
  const solo = members.some(({ assignedRole, connections }) => assignedRole === 'soloist' && connections > 0);
  return solo ? 'solo-of-another' : null;
}
