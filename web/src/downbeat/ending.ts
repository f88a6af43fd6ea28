/** What ends a room for good, and what is only a pause. */
import type { Ending } from './types';

const ENDINGS: readonly Ending[] = [
  'room_closed', 'removed_from_room', 'room_not_found', 'room_locked', 'room_full', 'session_expired', 'left',
  'suspended', 'forbidden',
];

/** Join errors that trying again does not mend. */
const FINAL_JOIN_ERRORS: Readonly<Record<string, Ending>> = {
  'Room not found': 'room_not_found',
  room_locked: 'room_locked',
  room_full: 'room_full',
  removed_from_room: 'removed_from_room',
  unauthorized: 'forbidden',
  'student_id required': 'forbidden',
};

/** The ending that a join's refusal means; null: it may go better next time. */
export function endingOfJoin(reason: string): Ending | null {
  if (reason.startsWith('TenantSuspended')) return 'suspended';
  return Object.hasOwn(FINAL_JOIN_ERRORS, reason) ? FINAL_JOIN_ERRORS[reason]! : null;
}

/** Whether a join was refused for its token, which a fresh one may mend. */
export function isAboutToken(reason: string): boolean {
  return /^(Token|the token has expired)/.test(reason) && !PASSING.test(reason);
}

/** The server cannot judge the token yet: its keys are on their way, or its hour has not come. */
const PASSING = /^Token(KeysUnavailable|NotYetValid)/;

/** A `token` function says by its rejection that there will be no other token. */
export function endingOfTokenFailure(failure: unknown): Ending | null {
  const message = failure instanceof Error ? failure.message : failure;
  return ENDINGS.find((ending) => ending === message) ?? null;
}

/** What the socket's address answers to an ordinary request with the token; null: the token is good, or who knows. */
export function endingOfStatus(status: number, error: string): Ending | null {
  if (status === 401) return PASSING.test(error) ? null : 'session_expired';
  if (status === 403) return /suspended/i.test(error) ? 'suspended' : 'forbidden';
  return null;
}
