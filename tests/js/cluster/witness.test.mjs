// The checkers themselves: each must fail on what it is there to find. Made-up frames, no server.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import * as check from "../harness/invariants.mjs";

const T0_US = 1_760_000_000_000_000;
const STEP_US = 500_000;

const timeline = (changes = {}) => ({
  event: "timeline",
  arrived: 0,
  payload: {
    epoch: 5,
    rev: 1,
    run: 1,
    segments: [{ t0_us: T0_US, beat0_ub: 0, milli_bpm: 120_000, ramp: null }],
    ...changes,
  },
});
const joined = (changes) => ({ event: "joined", arrived: 0, payload: { timeline: timeline(changes).payload } });
const beat = (number, { run = 1, late = 0, off = 0 } = {}) => ({
  event: "beat",
  arrived: 1000 + (number * STEP_US) / 1000 + late,
  payload: { beat: number, run, at: (T0_US + number * STEP_US + off) / 1000 },
});
const beats = (...numbers) => numbers.map((number) => beat(number));
const good = [joined(), ...beats(0, 1, 2, 3, 4, 5)];

/** The check passes the good frames and finds something in the bad ones. */
function finds(what, checker, bad, fine = good) {
  test(what, () => {
    assert.deepEqual(checker(fine), [], "what is right must pass");
    assert.notDeepEqual(checker(bad), [], "what is wrong must be found");
  });
}

describe("I1, each beat once and in order", () => {
  finds("a hole is found", check.beatsInOrder, [joined(), ...beats(0, 1, 3)]);
  finds("a repetition is found", check.beatsInOrder, [joined(), ...beats(0, 1, 1, 2)]);
  finds("a step back is found", check.beatsInOrder, [joined(), ...beats(0, 1, 2, 1)]);
  finds("a run that comes back is found", check.beatsInOrder, [joined(), beat(0, { run: 2 }), beat(1)]);
});

describe("I2, no beat twice", () => {
  finds("a beat that comes again after a rejoin is found", check.noBeatTwice, [
    joined(),
    ...beats(0, 1),
    joined(),
    ...beats(1, 2),
  ]);
});

describe("I3, the reign never falls", () => {
  finds("a lower epoch is found", check.epochsNeverFall, [joined(), timeline({ epoch: 6 }), timeline({ epoch: 5 })]);
  finds("a lower epoch at a rejoin is found", check.epochsNeverFall, [timeline({ epoch: 6 }), joined({ epoch: 4 })]);
  finds("a lower rev in one epoch is found", check.epochsNeverFall, [timeline({ rev: 3 }), timeline({ rev: 2 })]);
});

describe("beats are the timeline's", () => {
  finds("a beat beside the timeline is found", check.beatsKeepTheTimeline, [joined(), beat(0), beat(1, { off: 700 })]);
  finds("a beat of another run is found", check.beatsKeepTheTimeline, [joined(), beat(0, { run: 2 })]);
  finds("a beat before any timeline is found", check.beatsKeepTheTimeline, beats(0, 1));
  const moved = { rev: 2, segments: [{ t0_us: T0_US + 40_000, beat0_ub: 0, milli_bpm: 120_000, ramp: null }] };
  const faster = { t0_us: T0_US + 4 * STEP_US, beat0_ub: 4_000_000, milli_bpm: 150_000, ramp: null };
  finds(
    "a takeover that anchors anew is found, a change of tempo at its beat is none",
    check.phaseNeverJumps,
    [joined(), timeline(moved)],
    [joined(), timeline({ rev: 2, segments: [faster] })],
  );
});

describe("time", () => {
  finds("a late beat is found", (frames) => check.noBeatLate(frames, 10), [
    joined(),
    ...beats(0, 1),
    beat(2, { late: 25 }),
    beat(3),
  ]);
  const whole = { from: 1_000, to: 3_500 };
  finds("a silence is found", (frames) => check.noSilence(frames, 510, whole), [joined(), ...beats(0, 1, 2, 4, 5)]);
  finds("a silence at the end is found", (frames) => check.noSilence(frames, 510, whole), [
    joined(),
    ...beats(0, 1, 2),
  ]);
  test("the worst lateness is measured within the stretch only", () => {
    const frames = [joined(), beat(0, { late: 40 }), beat(1), beat(2, { late: 7 })];
    assert.ok(Math.abs(check.worstLateness(frames, { from: 1_400 }) - 7) < 0.01);
    assert.ok(Math.abs(check.worstLateness(frames) - 40) < 0.01);
  });
});

describe("whoever reconnects", () => {
  const returned = [joined(), ...beats(0, 1, 2), joined(), ...beats(6, 7)];
  finds(
    "beats that no timeline tells of are found",
    check.heardOrTold,
    [joined(), ...beats(0, 1, 2), joined({ segments: [] }), ...beats(6, 7)].map((frame) =>
      frame.event === "joined"
        ? joined({ segments: [{ ...timeline().payload.segments[0], beat0_ub: 5_500_000 }] })
        : frame,
    ),
    returned,
  );
  finds(
    "numbers that jumped against the timeline are found",
    check.heardOrTold,
    [joined(), ...beats(0, 1, 2), joined(), beat(9, { off: -4 * STEP_US })],
    returned,
  );
  finds("a second join is found", check.neverThrownOut, [joined(), ...beats(0), joined()]);
  finds("a channel error is found", check.neverThrownOut, [...good, { event: "phx_error", payload: {}, arrived: 1 }]);
});

describe("I4, controls", () => {
  const sent = [
    { beat: 1, student_id: "ada", status: "ok" },
    { beat: 2, student_id: "ada", status: "error" },
    { beat: 3, student_id: "ada", status: "timeout" },
  ];
  test("what was acknowledged and kept passes, and what timed out may be either", () => {
    assert.deepEqual(check.assignmentsKept(sent, { 1: ["ada"] }, false), []);
    assert.deepEqual(check.assignmentsKept(sent, { 1: ["ada"], 3: ["ada"] }, false), []);
  });
  test("an acknowledged control that is gone is found, unless its loss was told", () => {
    assert.notDeepEqual(check.assignmentsKept(sent, {}, false), []);
    assert.deepEqual(check.assignmentsKept(sent, {}, true), []);
  });
  test("a refused control that was applied is found", () => {
    assert.notDeepEqual(check.assignmentsKept(sent, { 1: ["ada"], 2: ["ada"] }, false), []);
  });
});

describe("I7, tenants", () => {
  const note = { event: "student_note", payload: { student_id: "spy", midi: 60 }, arrived: 1 };
  finds("a stranger's note is found", (frames) => check.knowsNothingOf(frames, ["spy"]), [...good, note]);
});
