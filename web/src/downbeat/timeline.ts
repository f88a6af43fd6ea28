/**
 * Where the beat is at a time, and when a beat is due: the same numbers as the server's `src/tempo/timeline.rs`, to
 * the microsecond. Times are µs of the cluster's clock (`Us`), positions millionths of a beat (`Ub`).
 *
 * The time of a beat is always computed from its segment's anchor, never from the beat before, so nothing adds up.
 */
import { place } from './meter';
import { Ramp, steadyUb, steadyUs } from './ramp';
import type { Beat, Segment, Timeline } from './types';

const BEAT_UB = 1_000_000;

/** A whole beat and its time. */
export interface DueBeat {
  beat: number;
  dueUs: number;
}

/** The time of a position, whether or not the beat stops before it. Before the first anchor its tempo holds. */
export function timeOf({ segments }: Timeline, beatUb: number): number {
  const [segment, next] = span(segments, ({ beat0_ub }) => beat0_ub <= beatUb);
  const time = segmentTimeOf(segment, beatUb);
  return next ? Math.min(time, next.t0_us) : time;
}

/** The position at a time, whether or not the beat has stopped by then. */
export function beatAt({ segments }: Timeline, timeUs: number): number {
  const [segment, next] = span(segments, ({ t0_us }) => t0_us <= timeUs);
  const beat = segmentBeatAt(segment, timeUs);
  return next ? Math.min(beat, next.beat0_ub) : beat;
}

/** The position at a time, which stands still where the beat stops. */
export function positionAt(timeline: Timeline, timeUs: number): number {
  const beat = beatAt(timeline, timeUs);
  return timeline.stop_at_ub === null ? beat : Math.min(beat, timeline.stop_at_ub);
}

/** The tempo at a time, in thousandths of a beat a minute. */
export function milliBpmAt({ segments }: Timeline, timeUs: number): number {
  const [segment] = span(segments, ({ t0_us }) => t0_us <= timeUs);
  const elapsed = BigInt(timeUs) - BigInt(segment.t0_us);
  return segment.ramp && elapsed > 0n ? rampOf(segment).milliBpmAfter(elapsed) : segment.milli_bpm;
}

/**
 * The first whole beat after beat number `after` that is due at `fromUs` or later; null when the beat stops before it
 * or never started. Beats before the first anchor are not played: a count-in of four begins at −4.
 */
export function nextBeat(timeline: Timeline, after: number | null, fromUs: number): DueBeat | null {
  const first = timeline.segments[0];
  if (!first) return null;
  // The beat under `fromUs` or the one after it; the position alone cannot tell, because it rounds.
  const under = Math.floor(beatAt(timeline, fromUs) / BEAT_UB);
  const least = Math.max(Math.ceil(first.beat0_ub / BEAT_UB), after === null ? -Infinity : after + 1, under);
  for (const beat of [least, least + 1]) {
    const dueUs = timeOf(timeline, beat * BEAT_UB);
    if (dueUs >= fromUs) return plays(timeline, beat) ? { beat, dueUs } : null;
  }
  return null;
}

/** The whole beat begun last at a time; null before the first one and from the stop on. */
export function beatUnder(timeline: Timeline, timeUs: number): DueBeat | null {
  if (timeline.segments.length === 0) return null;
  const { stop_at_ub } = timeline;
  if (stop_at_ub !== null && timeUs >= timeOf(timeline, stop_at_ub)) return null;
  const near = Math.floor(beatAt(timeline, timeUs) / BEAT_UB);
  for (const beat of [near + 1, near, near - 1]) {
    const dueUs = timeOf(timeline, beat * BEAT_UB);
    if (dueUs <= timeUs) return plays(timeline, beat) ? { beat, dueUs } : null;
  }
  return null;
}

/** Whether this whole beat is played at all. */
export function plays({ segments, stop_at_ub }: Timeline, beat: number): boolean {
  const first = segments[0];
  if (!first || beat * BEAT_UB < first.beat0_ub) return false;
  return stop_at_ub === null || beat * BEAT_UB < stop_at_ub;
}

/** A whole beat with all that a page shows of it. */
export function described(timeline: Timeline, { beat, dueUs }: DueBeat): Beat {
  const bpm = milliBpmAt(timeline, dueUs) / 1_000;
  return { run: timeline.run, beat, at: dueUs / 1_000, bpm, ...place(timeline.meter, beat) };
}

/** Whether `next` may take the place of `last`: it is not older news. */
export function isNewer(next: Timeline, last: Timeline | null): boolean {
  if (!last) return true;
  return next.epoch > last.epoch || (next.epoch === last.epoch && next.rev >= last.rev);
}

/** The last segment that has begun (or the first, if none has), and the one that ends it. */
function span(segments: Segment[], begun: (segment: Segment) => boolean): [Segment, Segment | undefined] {
  let index = segments.length - 1;
  while (index > 0 && !begun(segments[index]!)) index -= 1;
  const segment = segments[index];
  if (!segment) throw new RangeError('a timeline without segments has no beats');
  return [segment, segments[index + 1]];
}

function segmentTimeOf(segment: Segment, beatUb: number): number {
  const beats = BigInt(beatUb) - BigInt(segment.beat0_ub);
  const steady = !segment.ramp || beats <= 0n;
  const elapsed = steady ? steadyUs(beats, BigInt(segment.milli_bpm)) : rampOf(segment).timeOf(beats);
  return Number(BigInt(segment.t0_us) + elapsed);
}

function segmentBeatAt(segment: Segment, timeUs: number): number {
  const elapsed = BigInt(timeUs) - BigInt(segment.t0_us);
  const steady = !segment.ramp || elapsed <= 0n;
  const beats = steady ? steadyUb(elapsed, BigInt(segment.milli_bpm)) : rampOf(segment).beatsAt(elapsed);
  return Number(BigInt(segment.beat0_ub) + beats);
}

const ramps = new WeakMap<Segment, Ramp>();

/** A page asks for the same segment's ramp at every frame. */
function rampOf(segment: Segment): Ramp {
  let ramp = ramps.get(segment);
  if (!ramp && segment.ramp) ramps.set(segment, (ramp = new Ramp(segment.milli_bpm, segment.ramp)));
  if (!ramp) throw new TypeError('a steady segment has no ramp');
  return ramp;
}
