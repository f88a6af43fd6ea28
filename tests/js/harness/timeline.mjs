// The arithmetic of protocol.md section 3 and architecture.md section 2, in numbers that a test can trust:
// microseconds and micro-beats.

/** When the micro-beat `beatUb` is due, in microseconds. */
export function timeOfBeat(timeline, beatUb) {
  const { segments } = timeline;
  const segment = segments.findLast((one) => one.beat0_ub <= beatUb) ?? segments[0];
  const beats = (beatUb - segment.beat0_ub) / 1e6;
  const v0 = segment.milli_bpm / 6e10;
  if (!segment.ramp) return segment.t0_us + beats / v0;
  const v1 = segment.ramp.to_milli_bpm / 6e10;
  const length = segment.ramp.len_ub / 1e6;
  if (beats >= length) return segment.t0_us + (2 * length) / (v0 + v1) + (beats - length) / v1;
  const a = (v1 * v1 - v0 * v0) / (2 * length);
  return segment.t0_us + (2 * beats) / (v0 + Math.sqrt(v0 * v0 + 2 * a * beats));
}
