/** A tempo from taps: the median of the last ones, so that one tap gone astray does no harm. */

const TAPS_MAX = 9;
/** Whoever waits so long begins anew; slower than 24 bpm nobody taps. */
const PAUSE_MS = 2_500;
const BPM_MAX = 299;

export class TapTempo {
  #taps: number[] = [];

  /** How many taps there were in a row. */
  get taps(): number {
    return this.#taps.length;
  }

  /** A tap at `at` ms; gives the tempo in bpm as far as it is known, from the second tap on. */
  tap(at: number): number | null {
    const last = this.#taps.at(-1);
    if (last !== undefined && at - last > PAUSE_MS) this.#taps = [];
    this.#taps = [...this.#taps, at].slice(-TAPS_MAX);
    const gaps = this.#taps.slice(1).map((tap, i) => tap - this.#taps[i]!).sort((a, b) => a - b);
    if (gaps.length === 0) return null;
    const middle = (gaps[Math.floor((gaps.length - 1) / 2)]! + gaps[Math.ceil((gaps.length - 1) / 2)]!) / 2;
    return Math.min(BPM_MAX, Math.max(1, Math.round(60_000 / Math.max(1, middle))));
  }
}
