// The invariants of docs/architecture.md as a client can see them: functions from what was heard to what is wrong.
// A frame is `{event, payload, arrived}`, `arrived` in ms of a monotonic clock; an answer is a list of sentences.
import { timeOfBeat } from "./timeline.mjs";

/** How exactly a beat's time must be the timeline's, in µs: milliseconds travel as doubles. */
const EXACT_US = 2;

/** The timeline that a frame brings, or null. */
function timelineOf({ event, payload }) {
  if (event === "timeline") return payload;
  return event === "joined" ? payload.timeline : null;
}

/** I1: each beat of a run once, in order, +1 each; after a join (which a client may have had to repeat) from anywhere. */
export function beatsInOrder(frames) {
  const wrong = [];
  let last = null;
  for (const { event, payload } of frames) {
    if (event === "joined") last = null;
    if (event !== "beat") continue;
    if (last && payload.run === last.run && payload.beat !== last.beat + 1)
      wrong.push(`I1: beat ${payload.beat} of run ${payload.run} came after beat ${last.beat}`);
    if (last && payload.run < last.run) wrong.push(`I1: run ${payload.run} came after run ${last.run}`);
    last = payload;
  }
  return wrong;
}

/** I2: no (run, beat) twice, on whatever connections. */
export function noBeatTwice(frames) {
  const wrong = [];
  const seen = new Set();
  for (const { event, payload } of frames) {
    if (event !== "beat") continue;
    const name = `beat ${payload.beat} of run ${payload.run}`;
    if (seen.has(name)) wrong.push(`I2: ${name} came twice`);
    seen.add(name);
  }
  return wrong;
}

/** I3: the epoch never falls, nor the rev within one epoch. */
export function epochsNeverFall(frames) {
  const wrong = [];
  let last = null;
  for (const frame of frames) {
    const timeline = timelineOf(frame);
    if (!timeline) continue;
    if (last && timeline.epoch < last.epoch) wrong.push(`I3: epoch ${timeline.epoch} came after ${last.epoch}`);
    if (last && timeline.epoch === last.epoch && timeline.rev < last.rev)
      wrong.push(`I3: rev ${timeline.rev} came after ${last.rev} in epoch ${last.epoch}`);
    last = timeline;
  }
  return wrong;
}

/** Each beat is due when the last timeline before it says, and of its run. */
export function beatsKeepTheTimeline(frames) {
  const wrong = [];
  let timeline = null;
  for (const frame of frames) {
    timeline = timelineOf(frame) ?? timeline;
    if (frame.event !== "beat") continue;
    const { run, beat, at } = frame.payload;
    if (timeline === null) wrong.push(`timeline: beat ${beat} came before any timeline`);
    else if (run !== timeline.run)
      wrong.push(`timeline: beat ${beat} is of run ${run}, the timeline of ${timeline.run}`);
    else {
      const off = at * 1000 - timeOfBeat(timeline, beat * 1e6);
      if (Math.abs(off) > EXACT_US) wrong.push(`timeline: beat ${beat} is ${off} µs off the timeline`);
    }
  }
  return wrong;
}

/** Position and phase never jump: within a run a new timeline begins where the one before it is. */
export function phaseNeverJumps(frames) {
  const wrong = [];
  let last = null;
  for (const frame of frames) {
    const timeline = timelineOf(frame);
    if (!timeline || timeline.segments.length === 0) continue;
    if (last && last.run === timeline.run) {
      const known = new Set(last.segments.map((segment) => JSON.stringify(segment)));
      const fresh = timeline.segments.find((segment) => !known.has(JSON.stringify(segment)));
      const off = fresh ? fresh.t0_us - timeOfBeat(last, fresh.beat0_ub) : 0;
      if (Math.abs(off) > EXACT_US)
        wrong.push(`phase: at rev ${timeline.rev} beat ${fresh.beat0_ub / 1e6} moved by ${Math.round(off)} µs`);
    }
    last = timeline;
  }
  return wrong;
}

/** How late each beat arrived, in ms, against the least delay that this client ever saw. */
export function latenesses(frames) {
  const beats = frames.filter(({ event }) => event === "beat");
  const delays = beats.map(({ payload, arrived }) => arrived - payload.at);
  const least = Math.min(...delays);
  return beats.map(({ payload, arrived }, index) => ({ beat: payload.beat, arrived, late: delays[index] - least }));
}

/** The latest beat that arrived within a stretch; 0 when there was none. */
export function worstLateness(frames, { from = -Infinity, to = Infinity } = {}) {
  const within = latenesses(frames).filter(({ arrived }) => arrived >= from && arrived <= to);
  return Math.max(0, ...within.map(({ late }) => late));
}

/** No beat within the stretch is later than `allowed` ms. */
export function noBeatLate(frames, allowed, { from = -Infinity, to = Infinity } = {}) {
  return latenesses(frames)
    .filter(({ arrived, late }) => arrived >= from && arrived <= to && late > allowed)
    .map(({ beat, late }) => `late: beat ${beat} by ${late.toFixed(1)} ms, allowed are ${allowed.toFixed(1)}`);
}

/** From one moment to the other there is never a silence longer than `allowed` ms: whoever hears nothing misses beats. */
export function noSilence(frames, allowed, { from, to }) {
  const arrivals = frames.filter(({ event }) => event === "beat").map(({ arrived }) => arrived);
  const moments = [from, ...arrivals.filter((arrived) => arrived > from && arrived < to), to];
  const wrong = [];
  for (let index = 1; index < moments.length; index++) {
    const silence = moments[index] - moments[index - 1];
    if (silence > allowed)
      wrong.push(`silence: ${silence.toFixed(0)} ms without a beat, ${(moments[index - 1] - from).toFixed(0)} ms in`);
  }
  return wrong;
}

/**
 * For a client that had to reconnect: each beat of a run was heard, or told by a timeline that it was given.
 * A timeline tells of beats from its first segment on; it tells right only if the beats heard on both sides fit it.
 */
export function heardOrTold(frames) {
  const wrong = [];
  let last = null;
  /** The timeline that was in force at the last beat, and those that came since. */
  let tellers = [];
  for (const frame of frames) {
    const timeline = timelineOf(frame);
    if (timeline) tellers.push(timeline);
    if (frame.event !== "beat") continue;
    const { run, beat, at } = frame.payload;
    if (last) {
      const goesOn = last.run === run;
      const [first, after] = goesOn ? [last.beat + 1, last.at] : [Math.min(0, beat), -Infinity];
      const tells = (missing) => tellers.some((one) => one.run === run && tellsOf(one, missing, after, at));
      for (let missing = first; missing < beat; missing++)
        if (!tells(missing)) wrong.push(`union: beat ${missing} of run ${run} was neither heard nor told`);
    }
    last = frame.payload;
    tellers = tellers.slice(-1);
  }
  return wrong;
}

function tellsOf(timeline, beat, after, before) {
  if (!(timeline.segments[0]?.beat0_ub <= beat * 1e6)) return false;
  const due = timeOfBeat(timeline, beat * 1e6) / 1000;
  return due > after && due < before;
}

/** Never thrown out: one join, and no channel or socket that ended. */
export function neverThrownOut(frames) {
  const wrong = [];
  const joins = frames.filter(({ event }) => event === "joined").length;
  if (joins !== 1) wrong.push(`rejoined: ${joins} joins`);
  for (const { event } of frames)
    if (["phx_error", "phx_close", "closed"].includes(event)) wrong.push(`thrown out: ${event}`);
  return wrong;
}

/** I7: not one word of another tenant's people. */
export function knowsNothingOf(frames, strangers) {
  const wrong = [];
  for (const { event, payload } of frames) {
    const text = JSON.stringify(payload) ?? "";
    for (const stranger of strangers)
      if (text.includes(`"${stranger}"`)) wrong.push(`I7: ${event} tells of ${stranger}`);
  }
  return wrong;
}

/**
 * I4: each acknowledged assignment is in the room afterwards, or its loss was told; a refused one is not there.
 * @param {{beat: number, student_id: string, status: string}[]} sent in order, since the last `clear_beats`
 */
export function assignmentsKept(sent, assignments, lossTold) {
  const wrong = [];
  for (const { beat, student_id, status } of sent) {
    const there = (assignments[beat] ?? []).includes(student_id);
    if (status === "ok" && !there && !lossTold)
      wrong.push(`I4: the acknowledged beat ${beat} of ${student_id} is lost`);
    if (status === "error" && there) wrong.push(`I4: the refused beat ${beat} of ${student_id} was applied`);
  }
  return wrong;
}
