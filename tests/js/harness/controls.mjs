// Controls whose effect can be told apart afterwards: every assignment is a pair that was never used before.
import assert from "node:assert/strict";
import { assignmentsKept } from "./invariants.mjs";
import { span } from "./wait.mjs";
import { now } from "./witness.mjs";

/** Places in the pattern. */
const PLACES = 64;
/** Between two tries of a control that was refused for a passing cause. */
const RETRY_MS = 100;

export class Controls {
  /** @param {string} student whose beats are assigned: somebody who stays in the room */
  constructor(student) {
    this.student = student;
    this.sent = [];
  }

  /** One control; its outcome is kept. */
  async assign(teacher) {
    assert.ok(this.sent.length < PLACES, "clear the beats before the 65th assignment");
    const entry = { student_id: this.student, beat: this.sent.length + 1, status: "pending" };
    this.sent.push(entry);
    const { status, response } = await teacher.push("assign_beat", { student_id: entry.student_id, beat: entry.beat });
    Object.assign(entry, { status, reason: response?.reason });
    return entry;
  }

  /** Tries until a control succeeds: I5. Gives the milliseconds since `since`. */
  async work(teacher, { since = now(), within }) {
    for (;;) {
      const { status, reason } = await this.assign(teacher);
      const took = now() - since;
      if (status === "ok") {
        assert.ok(took <= within, `I5: a control succeeded only after ${took.toFixed(0)} ms, allowed are ${within}`);
        return took;
      }
      assert.ok(took <= within, `I5: no control succeeded within ${within} ms; last: ${status} ${reason}`);
      await span(RETRY_MS);
    }
  }

  get acknowledged() {
    return this.sent.filter(({ status }) => status === "ok").length;
  }

  /** I4, from what a teacher reads and what the witnesses were told. */
  async assertKept(teacher, witnesses = []) {
    const view = await insist(teacher, "get_room");
    const told = witnesses.some(({ frames }) => frames.some(({ event }) => event === "control_lost"));
    const wrongs = assignmentsKept(this.sent, view.assignments, told);
    assert.deepEqual(wrongs, [], `after ${this.acknowledged} acknowledged controls of ${this.sent.length}`);
    return view;
  }

  /** A clean pattern, for the next 64. */
  async clear(teacher) {
    await insist(teacher, "clear_beats");
    this.sent = [];
  }
}

/** Repeats a push until it is acknowledged, as a patient app does. */
export async function insist(player, event, payload = {}, within = 20_000) {
  const begun = now();
  for (;;) {
    const { status, response } = await player.push(event, payload);
    if (status === "ok") return response;
    const passing = status === "timeout" || response?.reason === "no_conductor" || response?.retry === true;
    assert.ok(passing, `${player.id}: ${event} was refused for good: ${JSON.stringify(response)}`);
    assert.ok(now() - begun < within, `${player.id}: ${event} got no ok within ${within} ms; last: ${status}`);
    await span(RETRY_MS);
  }
}
