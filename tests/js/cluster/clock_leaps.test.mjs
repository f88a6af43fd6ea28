// Redis' wall clock is an hour off from one moment to the next: every lease expires at once, or none ever does.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Redis } from "../harness/redis.mjs";
import { without, withScene } from "../harness/scene.mjs";
import { ShiftedClock } from "../harness/shifted_clock.mjs";
import { now } from "../harness/witness.mjs";

const NODES = ["a", "b", "c"];
const HOUR_S = 3_600;
/** The leases are gone with the leap, and a session is renewed under a new incarnation first. */
const AGAIN_MS = 5_000;

let clock;
let redis;
let cluster;
before(async () => {
  clock = new ShiftedClock();
  redis = await Redis.start({ env: clock.env });
  cluster = await Cluster.start({ redis });
});
after(async () => {
  await cluster?.stop();
  await redis?.stop();
  clock?.remove();
});

const redisTime = async () => Number((await redis.cli("TIME"))[0]);

test("the clock leaps an hour ahead, and back, and a conductor dies under the wrong clock: the music knows of nothing", (t) =>
  withScene(cluster, { conductor: "a", control: "b", on: NODES }, async (scene) => {
    await scene.controls.work(scene.teacher("b"), { within: 3_000 });
    await scene.beats(2);
    const from = now();
    for (const [what, seconds] of [
      ["ahead", HOUR_S],
      ["right again", 0],
      ["behind", -HOUR_S],
    ]) {
      const leapt = now();
      clock.shift(seconds);
      assert.ok(Math.abs((await redisTime()) - Date.now() / 1_000 - seconds) < 5, "Redis tells the wrong time");
      const took = await scene.controls.work(scene.teacher("c"), { since: leapt, within: AGAIN_MS });
      t.diagnostic(`${what}: controls after ${took.toFixed(0)} ms`);
      await cluster.ready();
      await scene.noteReachesAll(scene.student("b"), 60);
      await scene.beats(6);
      scene.assertSteady({ from, report: (text) => t.diagnostic(text) });
    }
    const owner = await cluster.conductorOf(scene.room);
    const killed = now();
    const left = without(NODES, owner);
    await cluster.node(owner).kill();
    const took = await scene.controls.work(scene.teacher(left[0]), { since: killed, within: 3_000 });
    t.diagnostic(`the conductor killed: controls after ${took.toFixed(0)} ms`);
    await scene.beats(4, left);
    scene.assertSteady({ from, ids: left, report: (text) => t.diagnostic(text) });
    const view = await scene.controls.assertKept(scene.teacher(left[1]));
    const off = Math.abs(view.server_time / 1_000 - Date.now() / 1_000);
    assert.ok(off < 5, `cluster time is ${off} s off: it must not follow the leap`);
  }));
