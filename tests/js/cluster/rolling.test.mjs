// A rolling restart: every node leaves and comes back, one by one, and the class goes on through the balancer.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Controls, insist } from "../harness/controls.mjs";
import { Player } from "../harness/player.mjs";
import { Redis } from "../harness/redis.mjs";
import { makeRoom } from "../harness/rest.mjs";
import { beatsMore } from "../harness/scene.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now, Witness } from "../harness/witness.mjs";

const KINDS = ["newest", "1.8.15", "1.7.21"];

test("all nodes restart one by one: no beat unknown, no acknowledged control lost, every control gets its ok", async (t) => {
  const redis = await Redis.start();
  const cluster = await Cluster.start({ redis });
  const players = [];
  const witnesses = [];
  const person = (id, mint, phoenix) => {
    const player = new Player({ server: cluster.balancer, room, id, token: () => mint(id), phoenix });
    players.push(player);
    witnesses.push(new Witness(player));
    return player;
  };
  const room = await makeRoom(cluster.balancer, { bpm: 120 });
  try {
    const teacher = person("ms-lee", teacherToken);
    const students = KINDS.flatMap((phoenix, kind) =>
      [0, 1].map((one) => person(`s${kind}${one}`, studentToken, phoenix)),
    );
    for (const player of players) assert.equal((await player.join()).status, "ok");
    await Promise.all(players.map((player) => player.hears("beat")));

    const controls = new Controls("s00");
    let restarting = true;
    let slowest = 0;
    const lesson = (async () => {
      for (let place = 1; restarting && place <= 64; place++) {
        const begun = now();
        const entry = { student_id: controls.student, beat: place, status: "pending" };
        controls.sent.push(entry);
        await patientAssign(teacher, entry);
        slowest = Math.max(slowest, now() - begun);
        await span(100);
      }
    })();
    for (const node of cluster.all) {
      const begun = now();
      await node.terminate();
      t.diagnostic(`${node.id} left in ${(now() - begun).toFixed(0)} ms`);
      await node.comeBack();
      await cluster.ready();
      // The class settles on what is there before the next one goes.
      await Promise.all(students.map((student) => beatsMore(student, 4)));
    }
    restarting = false;
    await lesson;
    t.diagnostic(`${controls.acknowledged} controls, the slowest ${slowest.toFixed(0)} ms`);
    assert.ok(controls.acknowledged >= 5, "controls were sent during it all");

    const everybody = String(players.map(({ id }) => id).sort());
    const members = async () => (await insist(teacher, "get_room")).members.map((one) => one.student_id).sort();
    await eventually(
      "everybody's return",
      () => span(100).then(members),
      (ids) => String(ids) === everybody,
    );
    const marks = players.map((player) => player.heard.mark());
    await Promise.all(players.map((player, at) => player.hears("beat", { from: marks[at] })));
    await insist(students[0], "play_note", { midi: 77 });
    await Promise.all(players.map((player) => player.hears("student_note", { fits: (note) => note.midi === 77 })));
    await controls.assertKept(teacher, []);
    for (const witness of witnesses) {
      witness.assertNothing(witness.wrongsOfReturned());
      const codes = witness.client.all("phx_close");
      assert.deepEqual(codes, [], "a drain never closes a channel for good");
    }
  } finally {
    await Promise.all(players.map((player) => player.disconnect()));
    await cluster.stop();
    await redis.stop();
  }
});

/** Assigns again and again, over reconnections, until it is acknowledged; a beat is assigned as often as one likes. */
async function patientAssign(teacher, entry) {
  const rejoined = () => teacher.channel.state === "joined";
  await eventually("the teacher's rejoin", () => span(20).then(rejoined), Boolean);
  // The student may be on the way from one node to another just now, and is then nobody in the room.
  const order = { student_id: entry.student_id, beat: entry.beat };
  await insist(teacher, "assign_beat", order, 30_000, ["unknown student"]);
  entry.status = "ok";
}
