// Redis goes away, stands still, comes back with its data and without: the class plays on.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { neverThrownOut } from "../harness/invariants.mjs";
import { RawSocket } from "../harness/raw.mjs";
import { Redis } from "../harness/redis.mjs";
import { withScene } from "../harness/scene.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const NODES = ["a", "b", "c"];
/** From Redis' return to a control's success: the session, a second before any takeover, and the takeover. */
const BACK_MS = 8_000;

let redis;
let cluster;
before(async () => {
  redis = await Redis.start();
  cluster = await Cluster.start({ redis });
});
beforeEach(async () => {
  await redis.mended();
  await cluster.mended();
});
after(async () => {
  await cluster?.stop();
  await redis?.stop();
});

/** Members on one gateway go on playing together, whatever happens to Redis. */
async function playLocally(scene, midi) {
  for (const id of NODES) {
    const near = [scene.teacher(id), scene.student(id), scene.anchors[NODES.indexOf(id)]];
    const marks = near.map((player) => player.heard.mark());
    await scene.student(id).ok("play_note", { midi });
    const fits = (note) => note.midi === midi && note.student_id === `s-${id}`;
    await Promise.all(near.map((player, at) => player.hears("student_note", { fits, from: marks[at], ms: 1_000 })));
  }
}

/** All is as before: one owner, everybody a member, notes across nodes, controls kept, and nobody had to rejoin. */
async function assertWhole(scene, t, { since, epochAbove }) {
  const took = await scene.controls.work(scene.teacher("c"), { since, within: BACK_MS });
  t.diagnostic(`controls ${took.toFixed(0)} ms after Redis' return`);
  const record = await cluster.recordThat(scene.room, "an owner", ({ owner }) => NODES.includes(owner), { ms: 5_000 });
  if (epochAbove !== undefined) {
    assert.ok(Number(record.epoch) > epochAbove, `epoch ${record.epoch} must be above ${epochAbove}`);
  }
  const all = ["anchor", ...NODES.flatMap((id) => [`s-${id}`, `t-${id}`])].sort();
  for (const id of NODES) {
    const ask = () => scene.membersBy(scene.teacher(id));
    await eventually(`members seen from ${id}`, ask, (members) => String(members) === String(all), 10_000);
  }
  for (const [index, id] of NODES.entries()) {
    let tries = 0;
    const across = async () => {
      const midi = 100 + index;
      const mark = scene.student("c").heard.mark();
      await scene.student(id).push("play_note", { midi });
      const fits = (note) => note.midi === midi && note.student_id === `s-${id}`;
      tries += 1;
      return scene
        .student("c")
        .hears("student_note", { fits, from: mark, ms: 500 })
        .catch(() => null);
    };
    await eventually(`a note from ${id} on c`, across, Boolean, 5_000);
    if (tries > 1) t.diagnostic(`the note from ${id} needed ${tries} tries`);
  }
  await scene.controls.assertKept(scene.teacher("b"), []);
  for (const player of scene.peopleOn())
    scene.witness(player).assertNothing(neverThrownOut(scene.witness(player).frames));
}

test("Redis is down for 20 s and comes back empty: beats and local notes go on, and the room is written back", (t) =>
  withScene(cluster, { conductor: "a", control: "b", on: NODES }, async (scene) => {
    const closed = await cluster.roomOn("b", { bpm: 120 });
    const last = await RawSocket.open(cluster.node("c"), { token: studentToken("last") });
    await last.join(`music_room:${closed}`);
    await last.event("beat");
    const closer = await RawSocket.open(cluster.node("a"), { token: teacherToken() });
    await closer.join(`music_room:${closed}`);
    assert.equal((await closer.ask("1", `music_room:${closed}`, "close_room")).payload.status, "ok");
    await last.event("phx_close");

    await scene.controls.work(scene.teacher("a"), { within: 3_000 });
    await scene.teacher("b").ok("mute_student", { student_id: "anchor" });
    await scene.beats(2);
    const before = await cluster.record(scene.room);
    const from = now();
    await redis.kill();
    const refused = scene.controls.assign(scene.teacher("b"));
    for (let second = 0; second < 20; second += 4) {
      await playLocally(scene, 60 + second);
      await span(4_000 - ((now() - from) % 4_000));
    }
    assert.equal((await refused).status, "error", "a control cannot be stored while Redis is away");
    await redis.comeBackEmpty();
    const back = now();
    await assertWhole(scene, t, { since: back, epochAbove: Number(before.epoch) });
    await scene.beats(4);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
    const view = await scene.teacher("a").ok("get_room");
    assert.deepEqual(view.muted, ["anchor"], "a mute outlives Redis");
    await scene.anchors[2].refused("muted", "play_note", { midi: 1 });
    for (const player of scene.peopleOn()) assert.deepEqual(player.all("clock_lost"), []);

    assert.equal(await cluster.record(closed), null, "a closed room stays closed");
    const late = await last.join(`music_room:${closed}`, {}, "9");
    assert.equal(late.payload.response.reason, "Room not found");
    await Promise.all([last.close(), closer.close()]);
  }));

test("Redis is killed and comes back after 5 s with its data", (t) =>
  withScene(cluster, { conductor: "b", control: "c", on: NODES }, async (scene) => {
    await scene.controls.work(scene.teacher("a"), { within: 3_000 });
    const from = now();
    await redis.kill();
    await playLocally(scene, 61);
    await span(5_000 - (now() - from));
    await redis.comeBack();
    await assertWhole(scene, t, { since: now() });
    await scene.beats(2);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
  }));

for (const [what, words] of [
  ["DEBUG SLEEP 3", ["DEBUG", "SLEEP", "3"]],
  ["CLIENT PAUSE 3000", ["CLIENT", "PAUSE", "3000", "ALL"]],
])
  test(`Redis stands still for 3 s (${what})`, (t) =>
    withScene(cluster, { conductor: "c", control: "a", on: NODES }, async (scene) => {
      await scene.controls.work(scene.teacher("a"), { within: 3_000 });
      const from = now();
      const asleep = redis.cli(...words);
      await playLocally(scene, 62);
      await asleep;
      await span(3_000 - (now() - from));
      await assertWhole(scene, t, { since: now() });
      await scene.beats(2);
      scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
    }));

test("redis-server is frozen for 6 s: neither client notices by itself, both come back", (t) =>
  withScene(cluster, { conductor: "a", control: "b", on: NODES }, async (scene) => {
    await scene.controls.work(scene.teacher("a"), { within: 3_000 });
    const from = now();
    redis.freeze();
    await playLocally(scene, 63);
    await span(6_000 - (now() - from));
    redis.thaw();
    await assertWhole(scene, t, { since: now() });
    await scene.beats(2);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
  }));
