/** How long to wait before coming back. With chance in it: a class must not come back in one instant. */

const RECONNECT_MS = [500, 1_000, 2_000, 4_000];
const REJOIN_MS = [500, 1_000, 2_000];
const LONGEST_MS = 6_000;

/** For the socket; `tries` from 1. */
export function reconnectAfter(tries: number, random: () => number): number {
  return scattered(RECONNECT_MS[tries - 1] ?? LONGEST_MS, random);
}

/** For a channel on a socket that is open. */
export function rejoinAfter(tries: number, random: () => number): number {
  return scattered(REJOIN_MS[tries - 1] ?? LONGEST_MS, random);
}

/** Half of it to one and a half. */
function scattered(ms: number, random: () => number): number {
  return ms * (0.5 + random());
}
