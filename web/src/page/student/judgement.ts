/** Whether a note came early or late on one's own beat: said only when it can be known. */
import type { ClockState, Meter, RoomState } from '../../downbeat/types';
import { isMine } from './my_places';

export type Judgement =
  | { mark: 'early' | 'on-time' | 'late'; offsetMs: number }
  /** It was on one's own beat, but the clock is not sure enough here to say more. */
  | { mark: 'unmeasured' }
  /** Not on a beat of one's own: nothing to say. */
  | null;

/** To this side and to that a note is on time: about what ears forgive. */
export const ON_TIME_MS = 50;

/** What is needed to know of the room at the moment of the note. */
export interface Moment {
  /** The note's time on the cluster's clock, ms. */
  time: number;
  studentId: string;
  assignments: RoomState['assignments'];
  meter: Meter;
  clock: ClockState;
  /** As in `Room`. */
  beatAt(time: number): number | null;
  timeAt(beat: number): number | null;
}

export function judge({ time, studentId, assignments, meter, clock, beatAt, timeAt }: Moment): Judgement {
  const position = beatAt(time);
  if (position === null) return null;
  const beat = Math.floor(position + 0.5);
  const due = timeAt(beat);
  if (due === null || !isMine(assignments, meter, beat, studentId)) return null;
  if (clock.quality !== 'good' && clock.quality !== 'fair') return { mark: 'unmeasured' };
  const offsetMs = time - due;
  return { mark: Math.abs(offsetMs) <= ON_TIME_MS ? 'on-time' : offsetMs < 0 ? 'early' : 'late', offsetMs };
}
