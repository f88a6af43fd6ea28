/** Calls at each beat when it is due, for drawing. */
import { beatUnder, described, nextBeat } from './timeline';
import { TICK_MS } from './tick';
import type { Beat, Timeline } from './types';

/** A beat is not told of later than this: after a gap the next one is awaited. */
const LATE_MS = 250;

export class BeatCalls {
  readonly #listeners = new Set<(beat: Beat) => void>();
  #run: number | null = null;
  #told = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  add(listener: (beat: Beat) => void): () => void {
    const own = (beat: Beat) => listener(beat);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** `now`: the cluster's time, ms. `again` is called when the next beat is due, if that is before the next tick. */
  tick(timeline: Timeline | null, now: number, again: () => void): void {
    clearTimeout(this.#timer);
    if (!timeline || timeline.segments.length === 0 || Number.isNaN(now)) return;
    if (timeline.run !== this.#run) [this.#run, this.#told] = [timeline.run, -Infinity];
    const nowUs = Math.floor(now * 1_000);
    const due = beatUnder(timeline, nowUs);
    if (due && due.beat > this.#told) {
      this.#told = due.beat;
      if (nowUs - due.dueUs < LATE_MS * 1_000) {
        const beat = described(timeline, due);
        for (const listener of this.#listeners) listener(beat);
      }
    }
    const next = nextBeat(timeline, due?.beat ?? null, nowUs);
    const wait = next ? next.dueUs / 1_000 - now : Infinity;
    if (wait < 2 * TICK_MS) this.#timer = setTimeout(again, Math.max(0, wait));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }
}
