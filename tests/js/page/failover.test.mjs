// A node dies under a class: two nodes on one Redis, each person's way leads to one of them as long as it lives.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Balancer } from "../harness/balancer.mjs";
import { assertBeatsKept } from "../harness/beat_sheet.mjs";
import { Browser } from "../harness/browser.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { ListeningClass } from "../harness/listening_class.mjs";
import { Redis } from "../harness/redis.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { span } from "../harness/wait.mjs";

const GONE = "The connection is gone. The beat goes on; trying to come back…";
const REPLACED = "The server of this class is being replaced. The beat goes on.";
/** So long a balancer sends people to a node that is no more, ms, before it notices. */
const UNNOTICED_MS = 2_000;
/** By which node people come in, where both live. The room's conductor is on `a`. */
const HOMES = { teacher: "a", Ada: "a", Ben: "b", Cem: "b" };

describe("a class of a teacher and three students on a cluster of two nodes", () => {
  let redis, cluster, doors, browser, room;

  before(async () => {
    redis = await Redis.start();
    cluster = await Cluster.start({ redis, names: ["a", "b"] });
    const door = async (home) => {
      const lives = ({ child }) => child.exitCode === null && child.signalCode === null;
      const nodes = [cluster.node(home), ...cluster.others(home)];
      return Balancer.start(() =>
        nodes
          .filter(lives)
          .slice(0, 1)
          .map(({ port }) => port),
      );
    };
    doors = { a: await door("a"), b: await door("b") };
    browser = await Browser.launch();
    const code = await cluster.roomOn("a", { bpm: 150, autostart: false });
    const enter = async (teacher) => {
      await teacher.open(`/?role=teacher#token=${teacherToken()}`);
      return teacher.enterRoom(code);
    };
    const token = (name) => studentToken(name.toLowerCase(), { name });
    room = await ListeningClass.open({ browser, door: (name) => doors[HOMES[name]], enter, token });
    await room.teacher.start();
    await Promise.all(room.ears.map((ear) => ear.hears(12)));
    await Promise.all(room.ears.map((ear) => ear.isSettled()));
  });
  after(async () => {
    await browser?.close();
    for (const door of Object.values(doors ?? {})) await door.stop();
    await cluster?.stop();
    await redis?.stop();
  });

  /** The power goes; the balancer finds out. */
  async function dies(id) {
    doors[id].refusing = true;
    await cluster.node(id).kill();
    await span(UNNOTICED_MS);
    doors[id].heal();
  }

  /** Its connection has broken since the ears began anew. */
  const isCutOff = (ear) =>
    ear.page.waitForFunction(() => globalThis.ear.states.some(({ connection }) => connection === "offline"));
  const isOnline = (person) => person.knows((state) => state.connection === "online" && state.clock.source === "clock");

  /** The teacher's tempo reaches everybody: the class is whole again, and conducted. */
  async function tempoReaches(bpm) {
    await room.teacher.page.getByLabel("Tempo in beats a minute").fill(String(bpm));
    await room.teacher.page.getByLabel("Tempo in beats a minute").press("Enter");
    await Promise.all(room.people.map((person) => person.knows((state, wanted) => state.bpm === wanted, bpm)));
    await Promise.all(room.ears.map((ear) => ear.hears(8)));
  }

  async function recordsAfter(story) {
    const records = await room.records();
    for (const record of records)
      console.log(`${story}: ${record.name} off the timeline by ${assertBeatsKept(record)}`);
    return Object.fromEntries(records.map((record) => [record.name, record]));
  }

  test("the node that holds two students' sockets is killed: nobody hears it, they read it and come back", async () => {
    await Promise.all(room.ears.map((ear) => ear.anew()));
    await dies("b");
    await Promise.all(room.ears.slice(2).map(isCutOff));
    await Promise.all(room.people.map(isOnline));
    await tempoReaches(160);
    const heard = await recordsAfter("after a gateway's death");
    for (const name of ["Ben", "Cem"]) assert.ok(heard[name].read(GONE), `${name} reads that the connection is gone`);
    for (const name of ["the teacher", "Ada"])
      assert.ok(
        heard[name].states.every(({ connection }) => connection === "online"),
        `${name} stays online`,
      );
  });

  test("the node that conducts is killed, with the teacher's socket: the beat goes on, and is conducted again", async () => {
    await cluster.node("b").comeBack();
    await cluster.ready();
    // Ben and Cem go home to `b`.
    await Promise.all(room.ears.map((ear) => ear.anew()));
    doors.b.sever();
    doors.b.heal();
    await Promise.all(room.ears.slice(2).map(isCutOff));
    await Promise.all(room.people.map(isOnline));
    await cluster.recordThat(room.code, "conducted by a", ({ owner }) => owner === "a");
    await Promise.all(room.ears.map((ear) => ear.anew()));
    await dies("a");
    await Promise.all(room.ears.slice(0, 2).map(isCutOff));
    await cluster.recordThat(room.code, "conducted by b", ({ owner }) => owner === "b");
    await Promise.all(room.people.map(isOnline));
    await tempoReaches(140);
    const heard = await recordsAfter("after the conductor's death");
    for (const name of ["the teacher", "Ada"]) assert.ok(heard[name].read(GONE), `${name} reads it`);
    for (const name of ["Ben", "Cem"]) {
      // A takeover may be quicker than the three missed plans after which a node says so.
      const heldOver = heard[name].states.some(({ source }) => source === "holdover");
      console.log(`${name} ${heldOver ? "was told of" : "noticed no"} holdover`);
      assert.equal(heard[name].read(REPLACED), heldOver, `${name} reads that the server is being replaced`);
      assert.ok(
        heard[name].states.every(({ connection }) => connection === "online"),
        `${name} stays online`,
      );
    }
  });
});
