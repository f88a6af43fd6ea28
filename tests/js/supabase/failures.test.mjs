// Nodes die; Supabase's clients come back by themselves, and nobody haunts a topic.
import { afterEach, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { Balancer } from "../harness/balancer.mjs";
import { VERSIONS, stages } from "../harness/supabase.mjs";
import { now } from "../harness/witness.mjs";

/** How long a dead node's presences may be seen. */
const GHOSTS_MS = 5_000;

stages("after a node's death", (stage) => {
  beforeEach(() => stage.cluster?.mended());
  afterEach(() => stage.everybodyLeaves());

  test("everybody is back on the subscription that they had, tracks again, and hears what comes", async () => {
    const topic = stage.topic("phoenix");
    const [dying, other] = stage.nodes;
    const balancer = await Balancer.start(() => stage.nodes.map((node) => Number(node.listen.split(":")[1])));
    balancer.only(Number(dying.listen.split(":")[1]));
    stage.guests.push(() => balancer.stop());
    const seats = [];
    for (const version of Object.keys(VERSIONS)) {
      const seat = stage
        .app(version, { sub: version.replace(/ .*/, ""), node: balancer })
        .seat(topic, { presence: version });
      // As Supabase's documentation has it: whoever is subscribed (again) tracks (again).
      seat.channel.subscribe((status) => {
        seat.statuses.add({ status });
        if (status === "SUBSCRIBED") seat.channel.track({ version });
      });
      seats.push(seat);
    }
    const all = Object.fromEntries(Object.keys(VERSIONS).map((version) => [version, [{ version }]]));
    for (const seat of seats) await seat.sees(all);
    const marks = seats.map(({ statuses }) => statuses.mark());
    await dying.kill();
    if (other) balancer.only(Number(other.listen.split(":")[1]));
    else await dying.launch();
    for (const [n, seat] of seats.entries()) {
      await seat.statuses.until("SUBSCRIBED again", ({ status }) => status === "SUBSCRIBED", { from: marks[n] });
      await seat.sees(all);
    }
    await seats[0].send("back", {});
    await seats[1].hears("back");
  });

  test("its presences are gone within five seconds, and nobody else's", async (t) => {
    if (!stage.cluster) return t.skip("one node has nobody left to see it");
    const [a, b] = stage.nodes;
    const topic = stage.topic("ghosts");
    const seats = {};
    for (const [sub, on] of [
      ["ghost", 0],
      ["alive", 1],
    ]) {
      seats[sub] = await stage.app("newest", { sub, on }).sit(topic, { presence: sub });
      await seats[sub].channel.track({ sub });
    }
    const watchers = [];
    for (const version of Object.keys(VERSIONS))
      watchers.push(await stage.app(version, { sub: "watcher", on: 1 }).sit(topic, { presence: version }));
    for (const seat of watchers) await seat.sees({ ghost: [{ sub: "ghost" }], alive: [{ sub: "alive" }] });
    // Gone with its node: it must not come back through the other one.
    const killed = now();
    const death = a.kill();
    seats.ghost.app.leave();
    await death;
    for (const seat of watchers) await seat.sees({ alive: [{ sub: "alive" }] });
    const took = now() - killed;
    assert.ok(took < GHOSTS_MS, `gone only after ${took.toFixed(0)} ms`);
    t.diagnostic(`gone after ${took.toFixed(0)} ms`);
    const late = await stage.app("newest", { sub: "late", node: b }).sit(topic, { presence: "late" });
    await late.sees({ alive: [{ sub: "alive" }] });
  });
});
