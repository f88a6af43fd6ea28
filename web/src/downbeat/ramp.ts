/**
 * A tempo that changes linearly in time, exact to the last rounding: the same numbers as the server's
 * `src/tempo/ramp.rs`.
 *
 * From v0 to v1 over L beats takes T = 2L/(v0 + v1); with 2aL = v1² − v0² the position is b(τ) = v0·τ + a·τ²/2.
 * Solving that for τ by the schoolbook formula subtracts two nearly equal numbers in a gentle ramp;
 * τ = 2b/(v0 + √(v0² + 2ab)) is the same root without that loss. It is computed in floating point and is only a guess,
 * which the polynomial, exact in whole numbers, then moves to the nearest microsecond.
 */
import { roundDiv } from './integers';
import type { Segment } from './types';

/** Microseconds × thousandths of a beat a minute ÷ this = micro-beats. */
const US_MILLI_BPM_PER_UB = 60_000n;

/** How long a number of micro-beats takes, µs. */
export function steadyUs(beatsUb: bigint, milliBpm: bigint): bigint {
  return roundDiv(beatsUb * US_MILLI_BPM_PER_UB, milliBpm);
}

/** How many micro-beats pass in a time. */
export function steadyUb(elapsedUs: bigint, milliBpm: bigint): bigint {
  return roundDiv(elapsedUs * milliBpm, US_MILLI_BPM_PER_UB);
}

/** A ramp with its first speed. Speeds in thousandths of a beat a minute, lengths in micro-beats, times in µs. */
export class Ramp {
  readonly #from: bigint;
  readonly #to: bigint;
  readonly #length: bigint;
  /** v1² − v0², which is 2aL. */
  readonly #gain: bigint;
  readonly #duration: bigint;

  constructor(fromMilliBpm: number, ramp: NonNullable<Segment['ramp']>) {
    this.#from = BigInt(fromMilliBpm);
    this.#to = BigInt(ramp.to_milli_bpm);
    this.#length = BigInt(ramp.len_ub);
    this.#gain = this.#to * this.#to - this.#from * this.#from;
    this.#duration = roundDiv(2n * this.#length * US_MILLI_BPM_PER_UB, this.#from + this.#to);
  }

  /** The time from the anchor to a position after it. */
  timeOf(beats: bigint): bigint {
    if (beats >= this.#length) return this.#duration + steadyUs(beats - this.#length, this.#to);
    let time = this.#guess(beats);
    if (time < 0n) time = 0n;
    if (time > this.#duration) time = this.#duration;
    while (time < this.#duration && this.#isPast(beats, 2n * time + 1n)) time += 1n;
    while (time > 0n && !this.#isPast(beats, 2n * time - 1n)) time -= 1n;
    return time;
  }

  /** The micro-beats from the anchor to a time after it. */
  beatsAt(elapsed: bigint): bigint {
    if (elapsed >= this.#duration) return this.#length + steadyUb(elapsed - this.#duration, this.#to);
    const unit = 4n * US_MILLI_BPM_PER_UB;
    const scaled = elapsed * (unit * this.#length * this.#from + this.#gain * elapsed);
    return roundDiv(scaled, unit * US_MILLI_BPM_PER_UB * this.#length);
  }

  milliBpmAfter(elapsed: bigint): number {
    if (elapsed >= this.#duration) return Number(this.#to);
    const gained = roundDiv(this.#gain * elapsed, 2n * US_MILLI_BPM_PER_UB * this.#length);
    const [low, high] = this.#from < this.#to ? [this.#from, this.#to] : [this.#to, this.#from];
    const speed = this.#from + gained;
    return Number(speed < low ? low : speed > high ? high : speed);
  }

  #guess(beats: bigint): bigint {
    const from = Number(this.#from);
    const root = Math.sqrt(from * from + (Number(this.#gain) * Number(beats)) / Number(this.#length));
    return BigInt(Math.round((2 * Number(beats) * Number(US_MILLI_BPM_PER_UB)) / (from + root)));
  }

  /** Whether a position is reached at so many half-microseconds or later: b(h/2) ≤ b. */
  #isPast(beats: bigint, halfUs: bigint): boolean {
    const unit = 4n * US_MILLI_BPM_PER_UB;
    const reached = halfUs * (2n * unit * this.#length * this.#from + this.#gain * halfUs);
    return reached <= unit * unit * this.#length * beats;
  }
}
