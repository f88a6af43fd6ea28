// Controls whose effect can be told apart afterwards: every assignment is a pair that was never used before.
import assert from "node:assert/strict";
import { assignmentsKept } from "./invariants.mjs";
import { span } from "./wait.mjs";
import { now } from "./witness.mjs";

/** Places in the pattern. */
const PLACES = 64;
/** Refusals after which an app may try again. */
const PASSING = ["no_conductor", "unavailable", "rate_limit_exceeded"];
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
    const entry = this.#place();
    await this.#try(teacher, entry);
    return entry;
  }

  /** Repeats one control until it succeeds: I5. Gives the milliseconds since `since`. */
  async work(teacher, { since = now(), within }) {
    const entry = this.#place();
    for (;;) {
      await this.#try(teacher, entry);
      const took = now() - since;
      const last = `the last answer: ${entry.status} ${entry.reason ?? ""}`;
      assert.ok(took <= within, `I5: no control succeeded within ${within} ms, but ${took.toFixed(0)}; ${last}`);
      if (entry.status === "ok") return took;
      await span(RETRY_MS);
    }
  }

  #place() {
    assert.ok(this.sent.length < PLACES, "clear the beats before the 65th assignment");
    const entry = { student_id: this.student, beat: this.sent.length + 1, status: "pending" };
    this.sent.push(entry);
    return entry;
  }

  async #try(teacher, entry) {
    const { status, response } = await teacher.push("assign_beat", { student_id: entry.student_id, beat: entry.beat });
    // Once a try got no answer, a refusal of the next does not say that the first was not applied.
    const unknown = entry.status === "timeout" && status === "error";
    Object.assign(entry, { status: unknown ? "timeout" : status, reason: response?.reason });
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

/** Repeats a push until it is acknowledged, as a patient app does. `alsoPassing`: reasons that pass here by themselves. */
export async function insist(player, event, payload = {}, within = 20_000, alsoPassing = []) {
  const begun = now();
  for (;;) {
    const { status, response } = await player.push(event, payload);
    if (status === "ok") return response;
    const passing = status === "timeout" || [...PASSING, ...alsoPassing].includes(response?.reason);
    assert.ok(passing, `${player.id}: ${event} was refused for good: ${JSON.stringify(response)}`);
    assert.ok(now() - begun < within, `${player.id}: ${event} got no ok within ${within} ms; last: ${status}`);
    await span(RETRY_MS);
  }
}
