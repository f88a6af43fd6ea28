// What must be true of the beats that a page has let sound, whatever happened to the network: each once, none left out,
// each where the timeline has it.
import assert from "node:assert/strict";
import { Spread } from "./spread.mjs";

/** How far ahead pages schedule, ms: one that stood still for nearly so long, or longer, may have lost a beat. */
const AHEAD_MS = 100;
const AHEAD_HIDDEN_MS = 1_000;
/** Where the device has lost so much sound just before a beat, it is too late for the beat to be in its place. */
const LEAP_MS = 20;
/** So long around it beats are astray, ms: those that were scheduled before, until the page has noticed. */
const ASTRAY_MS = 1_500;
/** Even so it is a few beats, not many. */
const LOST_MAX = 3;
/** A beat that is later than this is to be left out: a gap never ends in a burst. */
const LATE_MS = 60;
/** So far from the timeline's moment nine of ten beats may sound, ms … */
const OFF_MS = 5;
/** … and any: a device that loses a buffer or two (10 ms each here) is behind until the page has noticed. */
const OFF_MAX_MS = 40;

/**
 * @param {Awaited<ReturnType<import("./ear.mjs").Ear["record"]>>} record
 * @returns {Spread} of the distances from the timeline
 */
export function assertBeatsKept(record) {
  assertOnceEach(record, "scheduled");
  assertOnceEach(record, "told");
  const after = record.scheduled.filter(({ at, handed }) => record.origin + handed > at + LATE_MS);
  assert.deepEqual(after, [], `${record.name}: beats were scheduled after their time`);
  const steady = record.scheduled.filter(({ at }) => leapOf(record, { from: at, to: at, ahead: ASTRAY_MS }) <= LEAP_MS);
  const most = steady.length >= 0.7 * record.scheduled.length;
  assert.ok(most, `${record.name}: its device was steady for ${steady.length} of ${record.scheduled.length} beats`);
  const off = steady.map(({ when, at }) => Math.abs(record.trueTime(when) - at)).filter(Number.isFinite);
  const spread = new Spread(off);
  const kept = spread.at(0.9) <= OFF_MS && spread.at(1) <= OFF_MAX_MS;
  assert.ok(kept, `${record.name}: beats sound off the timeline: ${spread}`);
  return spread;
}

/** Each beat of a run once, in order, +1 each; but for a few that a page lost because the machine did not let it run. */
export function assertOnceEach(record, which) {
  const beats = record[which];
  assert.ok(beats.length > 0, `${record.name}: no beat was ${which}`);
  let lost = 0;
  for (const [index, { run, beat, at, hidden }] of beats.entries()) {
    const before = beats[index - 1];
    if (!before || run > before.run) continue;
    const story = `${record.name}: beat ${beat} of run ${run} was ${which} after beat ${before.beat} of run ${before.run}`;
    assert.equal(run, before.run, story);
    assert.ok(beat > before.beat, story);
    if (beat === before.beat + 1) continue;
    const around = { from: before.at, to: at, ahead: hidden ? AHEAD_HIDDEN_MS : AHEAD_MS };
    const [long, leap] = [stalls(record, around), leapOf(record, around)];
    const excused = long.length > 0 || leap > LEAP_MS;
    assert.ok(excused, `${story}, and the page was not held up, nor its device (${leap.toFixed(1)} ms)`);
    console.log(`${story}: the page was held up for ${long} ms, its device for ${leap.toFixed(1)} ms`);
    lost += beat - before.beat - 1;
  }
  assert.ok(lost <= LOST_MAX, `${record.name}: ${lost} beats were not ${which}`);
}

/** For how long, in ms, the page itself stood still when one of the beats between two moments was to be scheduled. */
function stalls({ origin, stalls }, { from, to, ahead }) {
  return stalls
    .filter(([start, end]) => origin + end > from - ahead && origin + start < to)
    .map(([start, end]) => Math.round(end - start))
    .filter((ms) => ms >= ahead * 0.8);
}

/** By how much, in ms, the audio clock went astray while one of the beats between two moments was scheduled. */
function leapOf({ origin, readings }, { from, to, ahead }) {
  const near = readings.filter(([, moment]) => origin + moment > from - ahead && origin + moment < to + ahead);
  const offsets = near.map(([audio, moment]) => moment - audio * 1_000);
  return offsets.length > 0 ? Math.max(...offsets) - Math.min(...offsets) : 0;
}
