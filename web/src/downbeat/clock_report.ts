/** How well this device knows the clock, told to the room when it changes: so that the teacher sees whose connection is bad. */
import type { ClockState } from './types';

/** Each report is a presence diff for everybody. */
const APART_MS = 5_000;
/** After so many that nobody took there are no more: a server that does not know them ends the channel at each. */
const UNTAKEN_MAX = 2;
/** An uncertainty that differs by less than this factor is not news. */
const NEWS = 1.5;

export interface WireClockReport {
  unc_us: number;
  round_trip_us: number;
}

export class ClockReport {
  #told: ClockState | null = null;
  #next = -Infinity;
  #untaken = 0;

  /** The room does not know yet: it is a new connection. */
  restart(): void {
    this.#told = null;
    this.#next = -Infinity;
  }

  /** What is to be told now, if anything; `here` is performance.now(). */
  due(clock: ClockState, here: number): WireClockReport | null {
    const found = clock.quality !== 'unknown' && clock.quality !== 'settling';
    if (!found || here < this.#next || this.#untaken >= UNTAKEN_MAX || !this.#isNews(clock)) return null;
    [this.#told, this.#next] = [clock, here + APART_MS];
    this.#untaken += 1;
    return { unc_us: microseconds(clock.uncertaintyMs), round_trip_us: microseconds(clock.roundTripMs) };
  }

  /** The server has taken the last one. */
  taken(): void {
    this.#untaken = 0;
  }

  #isNews({ quality, uncertaintyMs }: ClockState): boolean {
    const told = this.#told;
    if (!told || told.quality !== quality) return true;
    return uncertaintyMs > told.uncertaintyMs * NEWS || uncertaintyMs < told.uncertaintyMs / NEWS;
  }
}

/** Whole, and no more than the protocol takes. */
const microseconds = (ms: number): number => Math.min(Math.round(Math.max(ms, 0) * 1_000), 4_294_967_295);
