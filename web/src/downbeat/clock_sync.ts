/** When the cluster's clock is asked for: often at the start and after a sleep, then now and then. */
import type { ClusterClock, Probe } from './clock';

/** While the estimate settles: some 32 samples in three seconds. */
const BURST_MS = 100;
const SPARSE_MS = 2_000;
/** Part of an interval, at random: so that a class does not ask in step, nor anybody in step with another rhythm. */
const SCATTER = 0.2;
/** The two clocks of a computer move apart by more than this only when it slept or was set. */
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

  /** Measures anew: what is still under way belongs to the clock of before. */
  restart(): void {
    this.#generation += 1;
    this.#clock.reset();
    this.#gap = this.#times.wall() - this.#times.here();
    this.#due = -Infinity;
    this.#changed();
  }

  /** A burst of fresh samples beside those at hand, e.g. when a hidden page is shown again. */
  soon(): void {
    this.#due = -Infinity;
  }

  /** To be called all the time, also in a hidden page; `online` says whether there is anybody to ask. */
  tick(online: boolean): void {
    const { here, wall, random } = this.#times;
    const now = here();
    if (Math.abs(wall() - now - this.#gap) > SLEPT_MS) this.restart();
    if (!online || now < this.#due) return;
    const interval = this.#clock.settled ? SPARSE_MS : BURST_MS;
    this.#due = now + interval * (1 + SCATTER * (random() - 0.5));
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
}
