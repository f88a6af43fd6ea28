// A teacher and thirty students in one room, all on the same package and transport.
import assert from "node:assert/strict";
import { Player } from "./player.mjs";
import { makeRoom } from "./rest.mjs";
import { Server } from "./server.mjs";
import { timeOfBeat } from "./timeline.mjs";
import { studentToken, teacherToken } from "./token.mjs";

export const STUDENTS = 30;

export class Classroom {
  /** @param {{phoenix: string, transport: string}} kind what everybody uses */
  constructor(kind) {
    this.kind = kind;
  }

  /** Starts a fresh server (`--drain-s 2`, so that a restart is short) with an empty room at 240 bpm. */
  async open() {
    this.server = await Server.start({ args: ["--drain-s", "2"] });
    this.room = await makeRoom(this.server, { bpm: 240, beats_per_bar: 4 });
    this.teacher = this.player("ms-lee", teacherToken);
    this.students = Array.from({ length: STUDENTS }, (_, index) =>
      this.player(`s${String(index + 1).padStart(2, "0")}`, studentToken),
    );
  }

  player(id, token, join = { name: `Name of ${id}` }) {
    return new Player({ server: this.server, room: this.room, id, token: () => token(id), join, ...this.kind });
  }

  get everybody() {
    return [this.teacher, ...this.students];
  }

  student(id) {
    return this.students.find((one) => one.id === id);
  }

  marks() {
    return new Map(this.everybody.map((player) => [player, player.heard.mark()]));
  }

  /** Waits until everybody has heard `event` (after `marks`), and gives one payload, the same for all. */
  async allHear(event, { fits, marks = new Map(), among = this.everybody, ms } = {}) {
    const payloads = await Promise.all(
      among.map((player) => player.hears(event, { fits, from: marks.get(player) ?? 0, ms })),
    );
    return payloads[0];
  }

  /** Waits until everybody has heard `count` beats more. */
  async allHearBeats(count, among = this.everybody) {
    await Promise.all(
      among.map((player) => {
        const from = player.heard.mark();
        let left = count;
        return player.heard.until(`${count} beats`, (one) => one.event === "beat" && --left === 0, { from });
      }),
    );
  }

  /** Waits until this player's Presence shows exactly the people who are here. */
  async seesEverybody(player) {
    const all = String(this.everybody.map(({ id }) => id).sort());
    const shown = () => String(player.presenceKeys()) === all;
    if (!shown()) await player.presenceLog.until(`presence of ${all}`, ({ keys }) => String(keys) === all && shown());
  }

  /** Every beat came at the time that the last timeline before it says, to 2 µs (milliseconds are doubles). */
  assertBeatsKeepTheTimeline() {
    for (const player of this.everybody) {
      let timeline = null;
      for (const { event, payload } of player.heard.items) {
        if (event === "joined") timeline = payload.timeline;
        if (event === "timeline") timeline = payload;
        if (event !== "beat") continue;
        assert.equal(payload.run, timeline.run, `${player.heard.name}: a beat of another run than the timeline's`);
        const due = timeOfBeat(timeline, payload.beat * 1e6);
        const off = Math.abs(payload.at * 1000 - due);
        assert.ok(off <= 2, `${player.heard.name}: beat ${payload.beat} is ${off} µs off ${JSON.stringify(timeline)}`);
      }
    }
  }

  async close() {
    if (this.students) await Promise.all(this.everybody.map((player) => player.disconnect()));
    await this.server?.stop();
  }
}
