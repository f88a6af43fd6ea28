/** When the cluster's clock is asked for: often at the start and after a sleep, then now and then. */
import type { ClusterClock, Probe } from './clock';

/** The very first ones, so that even the first beats are nearly right. */
const QUICKEST_MS = 50;
const QUICKEST_SAMPLES = 16;
/** While the estimate settles, and for a few samples when the page is woken. */
const QUICK_MS = 100;
const QUICK_AFTER_WAKING = 8;
const SPARSE_MS = 2_000;
/** Where the network is jittery, more samples are needed for the same. */
const SPARSE_JITTERY_MS = 500;
/** Part of an interval, at random: so that a class does not ask in step, nor anybody in step with another rhythm. */
const SCATTER = 0.2;
/** Between two ticks the two clocks of a computer move apart by more than this only when it slept or was set. */
const SLEPT_MS = 250;

export interface Times {
  /** performance.now(). */
  here: () => number;
  /** Date.now(). */
  wall: () => number;
  random: () => number;
}

export class ClockSync {
  readonly #clock: ClusterClock;
  readonly #ask: () => Promise<Probe>;
  readonly #times: Times;
  readonly #changed: () => void;
  #due = -Infinity;
  #quick = 0;
  #gap: number;
  #generation = 0;

  /** `ask` sends a probe; `changed` is told of each sample and each reset. */
  constructor(clock: ClusterClock, ask: () => Promise<Probe>, times: Times, changed: () => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#times = times;
    this.#changed = changed;
    this.#gap = times.wall() - times.here();
  }

  /** Measures anew: what is still under way belongs to the clock of before. `passedMs`: see `ClusterClock.reset`. */
  restart(passedMs = 0): void {
    this.#generation += 1;
    this.#clock.reset(passedMs);
    this.#due = -Infinity;
    this.#changed();
  }

  /** A few quick samples beside those at hand: when a hidden page is shown again, or the line is another. */
  soon(): void {
    this.#due = -Infinity;
    this.#quick = QUICK_AFTER_WAKING;
  }

  /** To be called all the time, also in a hidden page; `online` says whether there is anybody to ask. */
  tick(online: boolean): void {
    const now = this.#times.here();
    this.#noticeSleep(now);
    if (!online || now < this.#due) return;
    this.#quick = Math.max(0, this.#quick - 1);
    this.#due = now + this.#interval() * (1 + SCATTER * (this.#times.random() - 0.5));
    const generation = this.#generation;
    this.#ask().then(
      (probe) => {
        if (generation !== this.#generation) return;
        this.#clock.add(probe);
        this.#changed();
      },
      () => undefined, // the next one may get through
    );
  }

  #interval(): number {
    if (!this.#clock.settled && this.#clock.taken < QUICKEST_SAMPLES) return QUICKEST_MS;
    if (!this.#clock.settled || this.#quick > 0) return QUICK_MS;
    return this.#clock.calm ? SPARSE_MS : SPARSE_JITTERY_MS;
  }

  /** performance.now() may stand still while the computer sleeps; Date.now() does not. */
  #noticeSleep(now: number): void {
    const gap = this.#times.wall() - now;
    const missed = gap - this.#gap;
    this.#gap = gap;
    // Backwards it was set, and no time has passed.
    if (Math.abs(missed) > SLEPT_MS) this.restart(Math.max(0, missed));
  }
}
