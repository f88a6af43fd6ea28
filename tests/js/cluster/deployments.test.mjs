// Redis in its other shapes: a primary that is replaced by its replica, and a cluster of three.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Scene } from "../harness/scene.mjs";
import { RedisCluster, Sentinel } from "../harness/sentinel.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const NODES = ["a", "b", "c"];
/** I5 after a change of primary: 3 s, the sessions' TTL, and a margin. */
const AFTER_PROMOTION_MS = 3_000 + 2_000 + 2_000;

/** Starts nodes over `redis` with a scene on them, plays it, and takes everything down. */
async function over(redis, where, play) {
  let cluster = null;
  let scene = null;
  try {
    cluster = await Cluster.start({ redis });
    scene = await Scene.open(cluster, where);
    await play(cluster, scene);
  } finally {
    await scene?.close();
    await cluster?.stop();
    await redis.stop();
  }
}

test("Sentinel promotes the replica after the primary's death: conducted again, epochs never fall, controls kept", async (t) => {
  const redis = await Sentinel.start();
  await over(redis, { conductor: "a", control: "b", on: NODES }, async (cluster, scene) => {
    for (let count = 0; count < 5; count++) await scene.controls.work(scene.teacher("b"), { within: 3_000 });
    const before = await cluster.record(scene.room);
    const from = now();
    const promotion = redis.failOver();
    // Controls go on while the primary dies: what is acknowledged must survive or be reported.
    let promoted = null;
    promotion.then(() => (promoted = now()));
    while (promoted === null) {
      await scene.controls.assign(scene.teacher("c"));
      await span(100);
    }
    t.diagnostic(`promoted after ${(promoted - from).toFixed(0)} ms`);
    const took = await scene.controls.work(scene.teacher("b"), { since: promoted, within: AFTER_PROMOTION_MS });
    t.diagnostic(`controls ${took.toFixed(0)} ms after the promotion`);
    await scene.beats(4);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
    const everybody = scene.peopleOn().map((player) => scene.witness(player));
    await scene.controls.assertKept(scene.teacher("a"), everybody);
    const record = await cluster.recordThat(scene.room, "an owner", ({ owner }) => NODES.includes(owner));
    assert.ok(Number(record.epoch) >= Number(before.epoch));
    await scene.noteReachesAll(scene.student("a"), 88);
    await redis.oldPrimaryComesBack();
    await scene.beats(4);
    await scene.controls.work(scene.teacher("c"), { within: 3_000 });
    scene.assertSteady({ from });
  });
});

test("over a Redis Cluster: notes and controls cross nodes, and a killed conductor is replaced within 3 s", async (t) => {
  const redis = await RedisCluster.start();
  await over(redis, { conductor: "a", control: "b", on: ["b", "c"] }, async (cluster, scene) => {
    await scene.noteReachesAll(scene.student("b"), 60);
    await scene.noteReachesAll(scene.student("c"), 61);
    await scene.controls.work(scene.teacher("b"), { within: 3_000 });
    await scene.controls.work(scene.teacher("c"), { within: 3_000 });
    const from = now();
    await cluster.node("a").kill();
    const took = await scene.controls.work(scene.teacher("c"), {
      since: from,
      within: 3_000,
    });
    t.diagnostic(`controls after ${took.toFixed(0)} ms`);
    await scene.noteReachesAll(scene.student("b"), 62);
    await scene.beats(4);
    scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
    await scene.controls.assertKept(scene.teacher("b"));
    const all = ["anchor", "s-b", "s-c", "t-b", "t-c"];
    const ask = () => scene.membersBy(scene.teacher("b"));
    await eventually("members", ask, (members) => String(members) === String(all), 5_000);
  });
});
