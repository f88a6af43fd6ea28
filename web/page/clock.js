// The cluster's clock, and where its timeline is at a moment. Times in ms, positions in beats.
const KEPT = 32;
const BEST = 3;
/** How far a computer's clock may stray, as ms of error for each ms that a sample is old. */
const DRIFT = 0.0001;
/** The displayed time catches up by at most this part of the time that passes, so that it never turns back. */
const SLEW = 0.05;
const LEAP_MS = 250;
/** So many samples after a reset the time is still being found, and is taken as it comes. */
const SETTLING = 8;

export class Clock {
  #samples = []; #target = null; #offset = null; #slewed = 0;
  #gap = Date.now() - performance.now();

  /** A first guess, from a message's own time; any sample beats it. */
  guess(serverMs) {
    if (!this.#samples.length) this.#target = serverMs - performance.now();
  }

  /** `t0`, `t3`: sent and received here (performance.now()); `t1`, `t2`: received and answered there. */
  add(t0, t1, t2, t3) {
    this.#samples.push({ offset: (t1 - t0 + t2 - t3) / 2, delay: t3 - t0 - (t2 - t1), at: t3 });
    if (this.#samples.length > KEPT) this.#samples.shift();
    const error = ({ delay, at }) => delay + (t3 - at) * DRIFT;
    const best = [...this.#samples].sort((a, b) => error(a) - error(b)).slice(0, BEST);
    if (this.#samples.length <= SETTLING) this.#offset = null;
    this.#target = best.reduce((sum, { offset }) => sum + offset, 0) / best.length;
  }

  /** For when the two clocks no longer go together: after a sleep, or on another cluster. */
  reset() {
    this.#samples = [];
    this.#gap = Date.now() - performance.now();
  }

  /** Whether this computer slept since the last reset: performance.now() may have stood still. */
  get slept() {
    return Math.abs(Date.now() - performance.now() - this.#gap) > LEAP_MS;
  }

  /** The cluster's time; NaN before the first guess. */
  now() {
    const here = performance.now();
    if (this.#target === null) return NaN;
    const behind = this.#target - (this.#offset ?? Infinity);
    const step = SLEW * (here - this.#slewed);
    this.#offset = Math.abs(behind) > LEAP_MS ? this.#target : this.#offset + Math.max(-step, Math.min(step, behind));
    this.#slewed = here;
    return here + this.#offset;
  }
}

const speed = (milliBpm) => milliBpm / 60_000_000; // beats a ms

/** The position at a time. A ramp is linear in time; before the first anchor and after a ramp, the tempo there holds. */
export function beatAt({ segments }, ms) {
  const { t0_us, beat0_ub, milli_bpm, ramp } = segments.findLast(({ t0_us }) => t0_us / 1e3 <= ms) ?? segments[0];
  const [v0, v1, length] = [speed(milli_bpm), speed(ramp?.to_milli_bpm ?? milli_bpm), (ramp?.len_ub ?? 0) / 1e6];
  const takes = 2 * length / (v0 + v1);
  const t = ms - t0_us / 1e3;
  const inRamp = () => v0 * t + (v1 - v0) / takes * t * t / 2;
  return beat0_ub / 1e6 + (t <= 0 ? v0 * t : t < takes ? inRamp() : length + v1 * (t - takes));
}

/** Whether this whole beat sounds: a timeline has a first beat, and may have an end. */
export function plays({ segments, stop_at_ub }, beat) {
  return segments.length > 0 && beat >= segments[0].beat0_ub / 1e6 && (stop_at_ub === null || beat < stop_at_ub / 1e6);
}

/** The bar and the pulse of a whole beat, both counted from 1. */
export function place({ meter: { beats_per_bar: length, bar0_ub } }, beat) {
  const pulses = Math.floor(beat - bar0_ub / 1e6);
  const pulse = ((pulses % length) + length) % length;
  return { bar: Math.floor(pulses / length) + 1, pulse: pulse + 1 };
}
