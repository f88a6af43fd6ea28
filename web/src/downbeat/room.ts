import type { JoinOptions, Room } from './types';

/** Joins a room and stays in it through disconnections, until it ends or is left. */
export function joinRoom(_options: JoinOptions): Room {
  throw new Error('not built yet');
}
