// One node loses Redis while its sockets live; or only its subscriptions die.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Redis } from "../harness/redis.mjs";
import { withScene, without } from "../harness/scene.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const NODES = ["a", "b", "c"];
const CUT_MS = 8_000;

let redis;
let cluster;
before(async () => {
  redis = await Redis.start();
  cluster = await Cluster.start({ redis, wired: true });
});
beforeEach(async () => {
  await redis.mended();
  await cluster.mended();
});
after(async () => {
  await cluster?.stop();
  await redis?.stop();
});

for (const [how, conductor] of [
  ["stall", "a"],
  ["sever", "b"],
])
  test(`the conductor is cut off from Redis (${how}): its clients hear on, the others get a new one, all meet again`, (t) =>
    withScene(cluster, { conductor, control: without(NODES, conductor)[0], on: NODES }, async (scene) => {
      const others = without(NODES, conductor);
      await scene.controls.work(scene.teacher(conductor), { within: 3_000 });
      const before = await cluster.record(scene.room);
      await scene.beats(2);
      const wire = cluster.node(conductor).wire;
      const from = now();
      wire[how]();
      const took = await scene.controls.work(scene.teacher(others[0]), {
        since: from,
        within: 3_000,
      });
      t.diagnostic(`controls elsewhere after ${took.toFixed(0)} ms`);
      const record = await cluster.recordThat(scene.room, "a new owner", ({ owner }) => others.includes(owner));
      assert.ok(Number(record.epoch) > Number(before.epoch));
      // Its own room plays on among those who are there, and it takes no control that it could not keep.
      const mark = scene.teacher(conductor).heard.mark();
      await scene.student(conductor).ok("play_note", { midi: 64 });
      await scene.teacher(conductor).hears("student_note", { fits: (note) => note.midi === 64, from: mark });
      const refused = await scene.controls.assign(scene.teacher(conductor));
      assert.notEqual(refused.status, "ok", "a node without Redis acknowledged a control");
      await scene.controls.work(scene.teacher(others[1]), { within: 3_000 });
      await span(CUT_MS - (now() - from));
      const healed = now();
      wire.heal();
      const back = await scene.controls.work(scene.teacher(conductor), { since: healed, within: 5_000 });
      t.diagnostic(`controls from the node ${back.toFixed(0)} ms after it was reconnected`);
      await relocked(scene, scene.student(conductor), scene.student(others[0]));
      await scene.beats(4);
      scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
      await scene.controls.assertKept(scene.teacher(conductor));
      await scene.controls.assertKept(scene.teacher(others[0]));
      await scene.noteReachesAll(scene.student(conductor), 65);
      await scene.noteReachesAll(scene.student(others[1]), 66);
      const all = ["anchor", ...NODES.flatMap((id) => [`s-${id}`, `t-${id}`])].sort();
      for (const id of NODES) {
        const ask = () => scene.membersBy(scene.teacher(id));
        await eventually(`members seen from ${id}`, ask, (members) => String(members) === String(all), 10_000);
      }
    }));

/** Both hear the same reign, from a clock that is no holdover. */
async function relocked(scene, one, other) {
  const heard = (player) => player.all("timeline").at(-1);
  const same = ([left, right]) => left.epoch === right.epoch && left.rev === right.rev && left.source === "clock";
  await eventually("the same timeline", () => span(100).then(() => [heard(one), heard(other)]), same, 12_000);
}

test("all subscriptions die while commands work: notes flow again within 3 s, and what was missed is read again", (t) =>
  withScene(cluster, { conductor: "a", control: "b", on: NODES }, async (scene) => {
    await scene.beats(1);
    const from = now();
    assert.ok((await redis.cli("CLIENT", "KILL", "TYPE", "pubsub")) >= 3, "each node subscribes");
    const guest = scene.player("guest", cluster.node("b"));
    const [join] = await Promise.all([guest.join(), scene.controls.work(scene.teacher("b"), { within: 3_000 })]);
    assert.equal(join.status, "ok");
    for (const id of NODES) {
      const heardFrom = async () => {
        const mark = scene.student(id).heard.mark();
        await scene.student("b").push("play_note", { midi: 67 });
        const fits = (note) => note.midi === 67;
        return scene
          .student(id)
          .hears("student_note", { fits, from: mark, ms: 200 })
          .catch(() => null);
      };
      await eventually(`a note from b on ${id}`, heardFrom, Boolean, 3_000);
    }
    t.diagnostic(`notes everywhere after ${(now() - from).toFixed(0)} ms`);
    for (const id of NODES) {
      const ask = () => scene.membersBy(scene.teacher(id));
      await eventually(`the guest seen from ${id}`, ask, (members) => members.includes("guest"), 5_000);
      await scene.controls.assertKept(scene.teacher(id));
    }
    await scene.beats(2);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
  }));
