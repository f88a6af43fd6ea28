// What must be true of the beats that a page has let sound, whatever happened to the network: each once, none left out,
// each where the timeline has it.
import assert from "node:assert/strict";
import { Spread } from "./spread.mjs";

/** A page that did not run around this time of a beat, ms, could not schedule it, nor tell of it. */
const BEFORE_MS = 150;
const AFTER_MS = 40;
/** So far from the timeline's moment a beat may sound; "a few ms", on a machine that does other things too. */
export const OFF_MS = 8;

/**
 * @param {Awaited<ReturnType<import("./ear.mjs").Ear["record"]>>} record
 * @param {{offMs?: number}} [options]
 * @returns {Spread} of the distances from the timeline
 */
export function assertBeatsKept(record, { offMs = OFF_MS } = {}) {
  assertOnceEach(record, "scheduled");
  assertOnceEach(record, "told");
  const off = record.scheduled.map(({ when, at }) => Math.abs(record.trueTime(when) - at)).filter(Number.isFinite);
  const spread = new Spread(off);
  assert.ok(spread.p99 <= offMs, `${record.name}: beats sound off the timeline: ${spread}`);
  return spread;
}

/** Each beat of a run once, in order, +1 each. */
export function assertOnceEach(record, which) {
  const beats = record[which];
  assert.ok(beats.length > 0, `${record.name}: no beat was ${which}`);
  for (const [index, { run, beat, at }] of beats.entries()) {
    const before = beats[index - 1];
    if (!before || run > before.run) continue;
    const story = `${record.name}: beat ${beat} of run ${run} was ${which} after beat ${before.beat} of run ${before.run}`;
    assert.equal(run, before.run, story);
    assert.ok(beat > before.beat, story);
    if (beat > before.beat + 1) assert.ok(stalled(record, before.at, at), `${story}; ${shown(record)}`);
  }
}

/** Whether the page itself stood still when one of the beats between two moments was to be scheduled. */
function stalled({ origin, stalls }, from, to) {
  return stalls.some(([start, end]) => origin + end > from - BEFORE_MS && origin + start < to + AFTER_MS);
}

const shown = ({ stalls }) => `it stood still for ${stalls.map(([from, to]) => Math.round(to - from))} ms`;
