/**
 * The moment on an AudioContext's clock at which a moment of performance.now() is heard.
 *
 * Both clocks run on their own crystals, and each reading of the pair is coarse (a block of samples, a rounded stamp),
 * so many readings are taken and the middle one of the last second counts: it shakes by far less than a millisecond,
 * and in a second the crystals part by less than a tenth.
 */

const READINGS = 40;
/** So many readings in a row that are this far off on one side: the device has stopped, slept or been changed. */
const LEAP_READINGS = 6;
/** So many more bad stamps than good ones, and the other way of reading is taken until they are good again. */
const BAD_STAMPS = 6;
const LEAP_MS = 10;
/** A stamp that says that the sound left this long ago, or leaves later than it is made, is none. */
const STAMP_LATENCY_MAX_MS = 1_000;
const STAMP_AHEAD_MAX_MS = 20;

export class AudioClock {
  readonly context: AudioContext;
  /** What the device adds to the latency that it reports, ms. */
  nudgeMs = 0;
  readonly #here: () => number;
  /** Audio time heard − time here, ms. */
  #readings: number[] = [];
  #median: number | null = null;
  #goesByStamps = true;
  #badStamps = 0;

  constructor(context: AudioContext, here: () => number) {
    this.context = context;
    this.#here = here;
    this.read();
  }

  get running(): boolean {
    return this.context.state === 'running' && this.#median !== null;
  }

  /** The audio time, in seconds, to schedule what is to be heard at a time here; null while the context rests. */
  timeAt(here: number): number | null {
    return this.running ? (here + this.#median! - this.nudgeMs) / 1_000 : null;
  }

  /** How long before it is heard a sound must be scheduled, ms. */
  get latencyMs(): number {
    if (!this.running) return 0;
    return Math.max(0, this.context.currentTime * 1_000 - this.#here() - this.#median!) + this.nudgeMs;
  }

  /** Takes a reading; to be called all the time. */
  read(): void {
    if (this.context.state !== 'running') {
      // Its clock stands still: what was read of it says nothing about when it goes on.
      this.#readings = [];
      this.#median = null;
      return;
    }
    this.#readings.push(this.#heardAhead());
    if (this.#readings.length > READINGS) this.#readings.shift();
    const recent = this.#readings.slice(-LEAP_READINGS);
    const off = recent.map((reading) => reading - (this.#median ?? reading));
    const leapt = recent.length === LEAP_READINGS
      && (off.every((ms) => ms > LEAP_MS) || off.every((ms) => ms < -LEAP_MS));
    if (leapt) this.#readings = recent;
    this.#median = median(this.#readings);
  }

  /** Audio time minus time here of what is heard at this moment, ms. */
  #heardAhead(): number {
    const { context } = this;
    const here = this.#here();
    const stamp = this.#stamp(here);
    this.#judgeStamps(stamp !== null);
    if (this.#goesByStamps && stamp !== null) return stamp;
    // Missing in Safari, 0 in some browsers: then what is rendered is taken as heard, and the nudge does the rest.
    const latency = context.outputLatency || context.baseLatency || 0;
    return (context.currentTime - latency) * 1_000 - here;
  }

  /** The two ways of reading may differ by a few milliseconds: they are not mixed. */
  #judgeStamps(good: boolean): void {
    this.#badStamps = Math.max(0, Math.min(BAD_STAMPS, this.#badStamps + (good ? -1 : 1)));
    const goesByStamps = this.#goesByStamps ? this.#badStamps < BAD_STAMPS : this.#badStamps === 0;
    if (goesByStamps !== this.#goesByStamps) this.#readings = [];
    this.#goesByStamps = goesByStamps;
  }

  #stamp(here: number): number | null {
    const { contextTime = 0, performanceTime = 0 } = this.context.getOutputTimestamp?.() ?? {};
    if (contextTime <= 0 || performanceTime <= 0) return null;
    const ahead = contextTime * 1_000 - performanceTime;
    const latency = this.context.currentTime * 1_000 - here - ahead;
    return latency > -STAMP_AHEAD_MAX_MS && latency < STAMP_LATENCY_MAX_MS ? ahead : null;
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
