/**
 * The cluster's clock, as far as it is known here.
 *
 * Each `clock_sync` gives four stamps, as NTP has them: sent here (t0), read and answered there (t1, t2), received here
 * (t3). A delay is never negative, so each sample bounds the offset (theirs − ours) from both sides:
 * t2 − t3 ≤ offset ≤ t1 − t0. The bounds of the samples kept are intersected, each widened by what the clocks may have
 * drifted since, and the middle is the offset. The shortest way there and the shortest way back need not belong to the
 * same probe: on a jittery Wi-Fi this is several times as exact as the mean of the quickest round trips, in which both
 * ways must be short at once (`clock.simulation.test.ts` has the numbers).
 *
 * The clock shown follows the estimate slowly, so that music does not jump.
 */

/** One `clock_sync`: `t0` and `t3` of the clock here, `t1` and `t2` of the cluster's, all in ms. */
export interface Probe {
  t0: number;
  t1: number;
  t2: number;
  t3: number;
  /** How far the server's own clock may be from the cluster's, ms. */
  serverUncertaintyMs: number;
}

const KEPT = 64;
/** How far a computer's clock may stray, ms a ms. */
const DRIFT = 50e-6;
/** By how much of the time that passes the clock shown catches up: 10 ms a second, which nobody hears. */
const SLEW = 0.01;
/** What is further off than this is another clock, and no error to be slewed away. */
const LEAP_MS = 250;
/** After so many samples the estimate is good enough for music … */
const SETTLED = 48;
/** … and on a calm network, where they all take the same time, after so many. */
const SETTLED_CALM = 8;
const CALM_MS = 2;

interface Bounds {
  low: number;
  high: number;
  at: number;
  roundTrip: number;
}

export class ClusterClock {
  readonly #here: () => number;
  #samples: Bounds[] = [];
  #taken = 0;
  #settled = false;
  #serverUncertaintyMs = 0;
  /** What the samples say. */
  #target = NaN;
  /** What is shown, since when. */
  #offset = NaN;
  #shownAt = 0;
  #last = -Infinity;

  /** `here`: a clock that goes on evenly, in ms. */
  constructor(here: () => number) {
    this.#here = here;
  }

  /** Whether there is any sample of the clock as it goes now. */
  get known(): boolean {
    return this.#samples.length > 0;
  }

  /** How many samples there were since the clock is this one. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether enough samples are in for the estimate to be steady. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Whether the network takes about the same time for each sample: then a few say all there is to know. */
  get calm(): boolean {
    const trips = this.#samples.map(({ roundTrip }) => roundTrip).sort((one, other) => one - other);
    return trips.length > 0 && trips[trips.length >> 1]! - trips[0]! < CALM_MS;
  }

  add({ t0, t1, t2, t3, serverUncertaintyMs }: Probe): void {
    const sample = { high: t1 - t0, low: t2 - t3, at: t3, roundTrip: t3 - t0 - (t2 - t1) };
    // Bounds that contradict each other are of two different clocks: the newer one counts.
    const before = this.#bounds(t3);
    if (before && (sample.low > before.high || sample.high < before.low)) this.#samples = [];
    this.#samples.push(sample);
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#taken += 1;
    this.#serverUncertaintyMs = serverUncertaintyMs;
    this.#slewTo(t3);
    const { low, high } = this.#bounds(t3)!;
    this.#target = (low + high) / 2;
    const behind = Math.abs(this.#target - this.#offset);
    // The first ones are taken as they come: there is nothing yet that could jump.
    const leaps = !(behind <= LEAP_MS);
    if (leaps || !this.#settled) this.#offset = this.#target;
    if (leaps) this.#last = -Infinity;
    this.#settled ||= this.#taken >= SETTLED || (this.#taken >= SETTLED_CALM && this.calm);
  }

  /**
   * For when the clocks do not go together any more: after a sleep, or with another cluster. Until the next sample it
   * goes on, moved by `passedMs`: the time that this computer's clock has missed, as far as that is known.
   */
  reset(passedMs = 0): void {
    this.#samples = [];
    this.#taken = 0;
    this.#settled = false;
    this.#offset += passedMs;
    this.#target += passedMs;
  }

  /** The cluster's time, ms; `NaN` before the first sample. Never turns back while the clock is the same. */
  now(): number {
    const time = this.clusterAt(this.#here());
    if (time > this.#last) this.#last = time;
    return Number.isNaN(time) ? NaN : this.#last;
  }

  /** The cluster's time at a time here. */
  clusterAt(here: number): number {
    return here + this.#shown();
  }

  /** The time here at a time of the cluster's. */
  hereAt(cluster: number): number {
    return cluster - this.#shown();
  }

  /** Half-width of where the cluster's time may be, ms. */
  get uncertaintyMs(): number {
    const bounds = this.#bounds(this.#here());
    if (!bounds) return Infinity;
    return (bounds.high - bounds.low) / 2 + Math.abs(this.#target - this.#shown()) + this.#serverUncertaintyMs;
  }

  /** The shortest round trip among the samples kept, ms. */
  get roundTripMs(): number {
    return Math.min(...this.#samples.map(({ roundTrip }) => roundTrip));
  }

  #bounds(now: number): { low: number; high: number } | null {
    if (this.#samples.length === 0) return null;
    let [low, high] = [-Infinity, Infinity];
    for (const sample of this.#samples) {
      const drift = Math.max(0, now - sample.at) * DRIFT;
      low = Math.max(low, sample.low - drift);
      high = Math.min(high, sample.high + drift);
    }
    return { low, high };
  }

  #shown(): number {
    this.#slewTo(this.#here());
    return this.#offset;
  }

  #slewTo(here: number): void {
    const step = SLEW * Math.max(0, here - this.#shownAt);
    this.#shownAt = Math.max(here, this.#shownAt);
    this.#offset += Math.max(-step, Math.min(step, this.#target - this.#offset));
  }
}
