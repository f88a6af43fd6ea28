// People who play notes that nobody can mistake for others, so that what was recorded can be held against what was
// acknowledged, to the note.
import assert from "node:assert/strict";
import { Player } from "./player.mjs";
import { studentToken } from "./token.mjs";
import { soon, span } from "./wait.mjs";

/** A little slower than the ten notes a second that a student has. */
const PACE_MS = 120;
/** An answer that took so long was lost with its connection. */
const ANSWER_MS = 5_000;
/** With these no note was played, and the same may be tried again. */
const NOT_PLAYED = ["rate_limit_exceeded", "unmatched topic", "removed_from_room"];

/** The note of a number: each pair of key and velocity once. */
export const noteOf = (number) => ({ midi: number % 128, velocity: 1 + Math.floor(number / 128) });
const named = ({ student_id, midi, velocity }) => `${student_id} ${midi}/${velocity}`;

/** A student with a number for each note, who knows of each what became of it. */
export class Pupil extends Player {
  constructor({ token = () => studentToken(this.id), paceMs = PACE_MS, ...options }) {
    super({ token, ...options });
    this.paceMs = paceMs;
    this.next = 0;
    this.acknowledged = [];
    /** Whether these were played nobody knows. */
    this.unanswered = [];
    /** Told at each ok, before anything else happens. */
    this.waiting = new Set();
    this.playing = null;
  }

  get nextNote() {
    return noteOf(this.next);
  }

  /** Plays the next note; true when it was acknowledged. */
  async playNext() {
    const note = this.nextNote;
    const push = this.channel.push("play_note", note, ANSWER_MS);
    push.receive("ok", () => {
      this.acknowledged.push(note);
      for (const tell of [...this.waiting]) tell();
    });
    const { status, response } = await answered(push);
    if (status === "error") {
      assert.ok(NOT_PLAYED.includes(response.reason), `${this.id}: play_note was refused: ${response.reason}`);
      return false;
    }
    this.next += 1;
    if (status === "timeout") this.unanswered.push(note);
    return status === "ok";
  }

  /** Plays on and on, until `rest`. */
  play() {
    let going = true;
    const ended = (async () => {
      while (going) {
        await this.playNext();
        await span(this.paceMs);
      }
    })();
    ended.catch(() => {});
    this.playing = { stop: () => (going = false), ended };
  }

  /** Stops, once the last note's fate is known. */
  async rest() {
    this.playing?.stop();
    await this.playing?.ended;
    this.playing = null;
  }

  /** Until so many notes more are acknowledged, while it plays; at once with the last one's ok. */
  async hasPlayed(count, ms = 30_000) {
    const goal = this.acknowledged.length + count;
    const reached = new Promise((resolve) => {
      const tell = () => {
        if (this.acknowledged.length < goal) return;
        this.waiting.delete(tell);
        resolve();
      };
      this.waiting.add(tell);
      tell();
    });
    // A loop that failed says more than one that is late.
    await soon(`${count} notes more of ${this.id}`, Promise.race([reached, this.playing.ended]), ms);
  }
}

function answered(push) {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"])
      push.receive(status, (response) => resolve({ status, response: response ?? {} }));
  });
}

/** What is wrong with what was recorded of these people: each acknowledged note once, each unanswered one at most. */
export function notesWrong(rows, pupils) {
  const recorded = new Map();
  for (const row of rows) recorded.set(named(row), (recorded.get(named(row)) ?? 0) + 1);
  const wrongs = [];
  const known = new Set();
  for (const { id, acknowledged, unanswered } of pupils) {
    const check = (notes, fits, must) => {
      for (const note of notes) {
        const name = named({ student_id: id, ...note });
        known.add(name);
        const count = recorded.get(name) ?? 0;
        if (!fits(count)) wrongs.push(`${name}: recorded ${count} times, must be ${must}`);
      }
    };
    check(acknowledged, (count) => count === 1, "once");
    check(unanswered, (count) => count <= 1, "at most once");
  }
  for (const name of recorded.keys()) if (!known.has(name)) wrongs.push(`${name}: recorded, and never played`);
  return wrongs;
}
