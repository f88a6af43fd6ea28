// What a client heard, with the moment when it came: the ground on which the invariants stand.
import assert from "node:assert/strict";
import * as invariants from "./invariants.mjs";

/** Milliseconds of a monotonic clock, with their fraction. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** What a beat may be late beyond the run's own noise. */
export const LATE_MS = 10;
/** How much of the time before a stretch counts for the least delay. */
const CALM_MS = 5_000;

export class Witness {
  /** Wraps a `Player` or a `RawSocket` before it joins. */
  constructor(client) {
    this.client = client;
    this.frames = [];
    const add = client.heard.add.bind(client.heard);
    client.heard.add = (item) => {
      this.frames.push(frameOf(item, now()));
      add(item);
    };
    const closed = () => this.frames.push({ event: "closed", payload: null, arrived: now() });
    if (client.socket) client.socket.onClose(closed);
    else client.closed.then(closed);
  }

  get name() {
    return this.client.heard.name;
  }

  since(moment) {
    return this.frames.filter(({ arrived }) => arrived >= moment);
  }

  /** What came from this moment on, and before it the last timeline and the last beat of the time before. */
  window(from) {
    const before = this.frames.filter(({ arrived }) => arrived < from);
    const timeline = before.findLast(({ event }) => event === "timeline" || event === "joined");
    const beat = before.findLast(({ event }) => event === "beat");
    return [timeline, beat, ...this.since(from)].filter(Boolean);
  }

  /** What must be true of everybody, whatever happened: of all that was heard, or from a moment on. */
  wrongs({ from } = {}) {
    const frames = from === undefined ? this.frames : this.window(from);
    const { beatsInOrder, noBeatTwice, epochsNeverFall, beatsKeepTheTimeline, phaseNeverJumps } = invariants;
    const always = [beatsInOrder, noBeatTwice, epochsNeverFall, beatsKeepTheTimeline, phaseNeverJumps];
    return always.flatMap((check) => check(frames));
  }

  /** No beat late beyond the noise, and no silence. Delays are measured against the least of this stretch. */
  wrongsOfTime({ from, to, noise, interval }) {
    const frames = this.since(from - CALM_MS);
    const allowed = LATE_MS + noise;
    return [
      ...invariants.noBeatLate(frames, allowed, { from, to }),
      ...invariants.noSilence(frames, interval + allowed, { from, to }),
    ];
  }

  /** What must be true of a client whose gateway lived: no beat missed, none late, and it was never thrown out. */
  wrongsOfSteady(stretch) {
    return [...this.wrongs(), ...invariants.neverThrownOut(this.frames), ...this.wrongsOfTime(stretch)];
  }

  /** What must be true of a client that had to reconnect. */
  wrongsOfReturned({ from } = {}) {
    const frames = from === undefined ? this.frames : this.window(from);
    return [...this.wrongs({ from }), ...invariants.heardOrTold(frames)];
  }

  /** How late the latest beat of a stretch was, in ms. */
  worstLateness({ from, to }) {
    return invariants.worstLateness(this.since(from - CALM_MS), { from, to });
  }

  assertNothing(wrongs, story = "") {
    const shown = wrongs.slice(0, 12).join("\n  ");
    assert.equal(wrongs.length, 0, `${this.name}${story && `, ${story}`}: ${wrongs.length} violations:\n  ${shown}`);
  }
}

/** A raw socket's answer to its join is a join too. */
function frameOf(item, arrived) {
  const answered = item.event === "phx_reply" && item.ref !== undefined && item.ref === item.joinRef;
  if (answered && item.payload?.response?.timeline !== undefined)
    return { event: "joined", payload: item.payload.response, arrived };
  return { event: item.event, payload: item.payload, arrived };
}

/** How late this process itself was: a beat cannot be heard earlier than the test runs. */
export class LoopNoise {
  static STEP_MS = 2;

  constructor() {
    this.lags = [];
    let due = now() + LoopNoise.STEP_MS;
    this.timer = setInterval(() => {
      const moment = now();
      if (moment - due > 1) this.lags.push({ moment, lag: moment - due });
      due = moment + LoopNoise.STEP_MS;
    }, LoopNoise.STEP_MS);
    this.timer.unref();
  }

  /** The worst lag between two moments, in ms. */
  worst({ from = -Infinity, to = Infinity } = {}) {
    const within = this.lags.filter(({ moment }) => moment >= from && moment <= to);
    return Math.max(0, ...within.map(({ lag }) => lag));
  }

  stop() {
    clearInterval(this.timer);
  }
}
