// The conductor goes: killed, or stopped for shorter and longer than its session, and back again.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { insist } from "../harness/controls.mjs";
import { Redis } from "../harness/redis.mjs";
import { withScene } from "../harness/scene.mjs";
import { teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

/** I5: a room is conducted again, and its controls work. */
const AGAIN_MS = 3_000;
/** A dead node's members are gone. */
const GONE_MS = 5_000;

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

test("kill -9 of the conductor: no beat missed, twice or late; controls within 3 s; its members leave within 5 s", (t) =>
  withScene(cluster, { conductor: "a", control: "b", on: ["b", "c"] }, async (scene) => {
    const orphan = scene.player("orphan", cluster.node("a"));
    await orphan.join();
    for (const id of scene.on)
      await eventually(
        "the orphan",
        () => scene.membersBy(scene.teacher(id)),
        (all) => all.includes("orphan"),
      );
    await scene.controls.work(scene.teacher("b"), { within: AGAIN_MS });
    const before = await cluster.record(scene.room);
    await scene.beats(2);

    const killed = now();
    await cluster.node("a").kill();
    const departures = scene.on.map(async (id) => {
      const fits = ({ leaves }) => "orphan" in leaves;
      await scene.teacher(id).hears("presence_diff", { fits });
      const took = now() - killed;
      const here = (members) => !members.includes("orphan");
      await eventually("members", () => scene.membersBy(scene.teacher(id)), here, GONE_MS);
      return took;
    });
    const gone = Promise.all(departures);
    gone.catch(() => {});
    const took = await scene.controls.work(scene.teacher("c"), { since: killed, within: AGAIN_MS });
    t.diagnostic(`controls after ${took.toFixed(0)} ms`);
    await scene.noteReachesAll(scene.student("b"), 71);
    const left = Math.max(...(await gone));
    t.diagnostic(`the dead node's member left after ${left.toFixed(0)} ms`);
    assert.ok(left <= GONE_MS, `the dead node's member left only after ${left.toFixed(0)} ms`);
    await scene.beats(8);
    scene.assertSteady({ from: killed, report: (text) => t.diagnostic(text) });
    const record = await cluster.record(scene.room);
    assert.ok(scene.on.includes(record.owner), `the owner is ${record.owner}`);
    assert.ok(Number(record.epoch) > Number(before.epoch), "a new reign has a higher epoch");
    assert.ok(Number(record.rev) > Number(before.rev), "the rev goes on");
    await scene.controls.assertKept(scene.teacher("b"), []);

    // Back under its old name: its clients rejoin by themselves and are told the same music.
    await cluster.node("a").comeBack();
    await orphan.heard.until("the rejoin", () => orphan.all("joined").length === 2, { from: orphan.heard.mark() });
    await orphan.hears("beat", { from: orphan.heard.mark() });
    await scene.beats(4);
    const returned = scene.witness(orphan);
    returned.assertNothing(returned.wrongsOfReturned());
    scene.assertSteady({ from: killed });
  }));

test("the conductor is killed and back under its old name before anyone missed it", (t) =>
  withScene(cluster, { conductor: "c", control: "a", on: ["a", "b"] }, async (scene) => {
    await scene.controls.work(scene.teacher("a"), { within: AGAIN_MS });
    const before = await cluster.record(scene.room);
    await scene.beats(2);
    const killed = now();
    await cluster.node("c").kill();
    const [took] = await Promise.all([
      scene.controls.work(scene.teacher("b"), { since: killed, within: AGAIN_MS }),
      cluster.node("c").comeBack(),
    ]);
    t.diagnostic(`controls after ${took.toFixed(0)} ms`);
    await cluster.ready();
    await scene.beats(6);
    scene.assertSteady({ from: killed, report: (text) => t.diagnostic(text) });
    const record = await cluster.record(scene.room);
    assert.ok(Number(record.epoch) > Number(before.epoch), "the process that came back is another reign");
    assert.notEqual(record.incarnation, before.incarnation, "and another incarnation");
    await scene.controls.assertKept(scene.teacher("a"));
  }));

for (const [what, stopMs, lapses] of [
  ["700 ms, which its session survives", 700, false],
  ["10 s", 10_000, true],
])
  test(`SIGSTOP of the conductor for ${what}, then SIGCONT: nobody elsewhere notices, and nothing stale comes out`, (t) =>
    withScene(cluster, { conductor: "b", control: "c", on: ["a", "c"] }, async (scene) => {
      await cluster.ready();
      const loud = scene.player("loud", cluster.node("b"));
      const boss = scene.player("t-b", cluster.node("b"), { token: teacherToken });
      // The same student sits on another node too, and so is a member while this one sleeps.
      const twin = scene.player("loud", cluster.node("a"));
      await Promise.all([loud.join(), boss.join(), twin.join()]);
      await eventually(
        "loud",
        () => scene.membersBy(scene.teacher("a")),
        (all) => all.includes("loud"),
      );
      await scene.controls.work(scene.teacher("a"), { within: AGAIN_MS });
      await scene.beats(2);
      // The node has said the beat that is due: frozen amid it, it would say it when it wakes.
      await loud.hears("beat", { from: loud.heard.mark() });

      const stopped = now();
      cluster.node("b").freeze();
      let pending = null;
      if (lapses) {
        const took = await scene.controls.work(scene.teacher("c"), { since: stopped, within: AGAIN_MS });
        t.diagnostic(`controls after ${took.toFixed(0)} ms`);
        await insist(scene.teacher("a"), "mute_student", { student_id: "loud" });
        // What the frozen gateway and conductor will find in their buffers when they wake.
        pending = [loud.push("play_note", { midi: 99 }), boss.push("set_tempo", { bpm: 299 })];
      }
      const marks = scene.peopleOn().map((player) => player.heard.mark());
      await span(stopMs - (now() - stopped));
      const revived = now();
      cluster.node("b").thaw();
      await scene.beats(6);
      scene.assertSteady({ from: stopped, report: (text) => t.diagnostic(text) });
      await scene.controls.work(scene.teacher("a"), { within: AGAIN_MS });
      if (pending) {
        const [, tempo] = await Promise.all(pending);
        for (const [index, player] of scene.peopleOn().entries()) {
          const stale = player.all("student_note", marks[index]).filter((note) => note.midi === 99);
          assert.deepEqual(stale, [], `${player.heard.name}: a muted student's note came out of the revived node`);
        }
        const bpm = (await scene.teacher("a").ok("get_room")).bpm;
        const possible = { ok: [299], error: [120], timeout: [120, 299] }[tempo.status];
        assert.ok(possible.includes(bpm), `set_tempo from the frozen node: ${tempo.status}, the tempo is ${bpm}`);
      }
      // Its own clients: nothing older than what was accepted, and no burst of the beats that it slept through.
      for (const player of [loud, boss]) {
        const witness = scene.witness(player);
        await player.hears("beat", { from: player.heard.mark() });
        const own = witness.wrongs().filter((wrong) => !(wrong.startsWith("I1: beat") && lapses));
        witness.assertNothing(own, "on the revived node");
        const least = Math.min(
          ...witness.frames.filter(({ event }) => event === "beat").map(({ payload, arrived }) => arrived - payload.at),
        );
        const stale = witness
          .since(revived)
          .filter(({ event, payload, arrived }) => event === "beat" && arrived - payload.at - least > 1_200);
        assert.deepEqual(stale, [], `${player.id}: beats of the time before it slept`);
      }
      await scene.controls.assertKept(scene.teacher("c"), []);
    }));
