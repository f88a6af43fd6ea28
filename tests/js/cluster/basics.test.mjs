// Three nodes are one service: whoever is where, through whatever balancer, it is the same room.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { knowsNothingOf } from "../harness/invariants.mjs";
import { Player } from "../harness/player.mjs";
import { Poller } from "../harness/poller.mjs";
import { RawSocket } from "../harness/raw.mjs";
import { Redis } from "../harness/redis.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Scene, withScene } from "../harness/scene.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now, Witness } from "../harness/witness.mjs";

const NODES = ["a", "b", "c"];

let redis;
let cluster;
before(async () => {
  redis = await Redis.start();
  cluster = await Cluster.start({ redis });
});
after(async () => {
  await cluster?.stop();
  await redis?.stop();
});

test("Redis names one owner for a room, in plain fields, and each node's lease", async () => {
  const room = await makeRoom(cluster.balancer, { bpm: 120 });
  const record = await cluster.recordThat(room, "a conductor", ({ owner }) => NODES.includes(owner));
  assert.equal(record.tenant, "acme");
  assert.equal(record.code, room);
  assert.equal(record.bpm, "120");
  assert.ok(Number(record.epoch) > 0, `epoch ${record.epoch}`);
  for (const id of NODES) assert.ok((await redis.cli("PTTL", `lease:{${id}}`)) <= 2_000);
});

test("what the sessions cost does not grow with the rooms (I6)", async (t) => {
  const few = await commandsPerSecond();
  const token = teacherToken("ms-lee", { tenant: "globex" });
  for (let batch = 0; batch < 30; batch++)
    await Promise.all(Array.from({ length: 10 }, () => makeRoom(cluster.balancer, {}, token)));
  const many = await commandsPerSecond();
  t.diagnostic(
    `commands a second of three nodes, publishing apart: ${few.toFixed(1)}, with 300 more rooms ${many.toFixed(1)}`,
  );
  assert.ok(many - few <= 2 * NODES.length, `${few} became ${many}`);
});

/** How many commands Redis was sent, scripts' own included, publishing and this test's questions apart. */
async function commandsPerSecond() {
  const count = async () => {
    const stats = await redis.cli("INFO", "commandstats");
    const calls = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].filter(([, name]) => !/publish|info/.test(name));
    return calls.reduce((sum, [, , number]) => sum + Number(number), 0);
  };
  // What making rooms left behind is done first.
  await span(1_500);
  // Each node looks once a minute for rooms that nobody conducts, which falls into one second, and is no lease's cost.
  const seconds = [];
  for (let second = 0; second < 5; second++) {
    const [begun, before] = [now(), await count()];
    await span(1_000);
    seconds.push(((await count()) - before) / ((now() - begun) / 1_000));
  }
  return seconds.sort((a, b) => a - b)[2];
}

describe("a class on three nodes", () => {
  let scene;
  before(async () => {
    scene = await Scene.open(cluster, { conductor: "a", control: "b", on: NODES });
  });
  after(() => scene?.close());

  test("a note of anyone is heard by everyone, once", async () => {
    for (const [index, id] of NODES.entries()) await scene.noteReachesAll(scene.student(id), 40 + index);
    await scene.beats(1);
    for (const player of scene.peopleOn()) {
      const heard = player.all("student_note").map((note) => note.midi);
      assert.deepEqual(heard, [40, 41, 42], player.heard.name);
    }
  });

  test("controls work from every node and are told to all", async () => {
    for (const [index, id] of NODES.entries()) {
      const marks = scene.peopleOn().map((player) => player.heard.mark());
      await scene.teacher(id).ok("assign_role", { student_id: "s-b", role: `section:${index}` });
      const fits = (one) => one.role === `section:${index}`;
      await Promise.all(scene.peopleOn().map((player, at) => player.hears("role_assigned", { fits, from: marks[at] })));
    }
    for (const id of NODES) {
      await scene.controls.assign(scene.teacher(id));
      await scene.student(id).refused("unauthorized", "set_tempo", { bpm: 90 });
    }
    for (const id of NODES) await scene.controls.assertKept(scene.teacher(id));
  });

  test("after a mute's ok not one note goes out, on any node, until it is lifted", async () => {
    const loud = scene.student("c");
    const pushes = [];
    let playing = true;
    const storm = (async () => {
      while (playing) {
        const push = { sent: now(), ...(await loud.push("play_note", { midi: 61 })) };
        pushes.push(push);
        await span(20);
      }
    })();
    try {
      await scene.student("b").hears("student_note", { fits: (note) => note.midi === 61 });
      await scene.teacher("b").ok("mute_student", { student_id: loud.id });
      const muted = now();
      await scene.beats(2);
      const late = pushes.filter(({ sent, status }) => sent > muted && status === "ok");
      assert.deepEqual(late, [], "a muted student's note was acknowledged");
      assert.ok(pushes.some(({ sent, response }) => sent > muted && response.reason === "muted"));
    } finally {
      playing = false;
      await storm;
    }
    const acknowledged = pushes.filter(({ status }) => status === "ok").length;
    for (const player of scene.peopleOn()) {
      const heard = player.all("student_note").filter((note) => note.midi === 61);
      assert.equal(heard.length, acknowledged, `${player.heard.name}: each acknowledged note once, no other`);
    }
    await scene.teacher("a").ok("unmute_student", { student_id: loud.id });
    await eventually(
      "leave to play",
      () => span(50).then(() => loud.push("play_note", { midi: 62 })),
      ({ status }) => status === "ok",
    );
  });

  test("members and presence are the same seen from every node, and so is a leave", async () => {
    const guest = scene.player("guest", cluster.node("b"));
    await guest.join();
    const all = ["anchor", "guest", ...NODES.flatMap((id) => [`s-${id}`, `t-${id}`])].sort();
    for (const id of NODES) {
      const player = scene.teacher(id);
      await eventually(
        "members",
        () => scene.membersBy(player),
        (members) => String(members) === String(all),
      );
      await eventually(
        "presence",
        () => span(20).then(() => player.presenceKeys()),
        (keys) => String(keys) === String(all),
      );
    }
    const marks = NODES.map((id) => scene.teacher(id).heard.mark());
    await guest.leave();
    for (const [index, id] of NODES.entries()) {
      const fits = ({ leaves }) => "guest" in leaves;
      await scene.teacher(id).hears("presence_diff", { fits, from: marks[index] });
      await eventually(
        "members",
        () => scene.membersBy(scene.teacher(id)),
        (members) => !members.includes("guest"),
      );
    }
  });

  test("a student with connections on three nodes is one member, there until the last goes", async () => {
    const view = await scene.teacher("a").ok("get_room");
    assert.equal(view.members.find((member) => member.student_id === "anchor").connections, 3);
  });

  test("all that was heard until now is in order", () => {
    for (const player of scene.peopleOn()) {
      const witness = scene.witness(player);
      witness.assertNothing(witness.wrongs());
    }
  });
});

test("players who come through the balancer sit on different nodes and hear each other", async () => {
  const room = await makeRoom(cluster.balancer, { bpm: 240 });
  const kinds = [
    ["newest", "websocket"],
    ["1.8.15", "websocket"],
    ["1.7.21", "websocket"],
    ["newest", "longpoll"],
    ["1.8.15", "longpoll"],
  ];
  const players = kinds.map(([phoenix, transport], index) => {
    const id = `p${index}`;
    return new Player({ server: cluster.balancer, room, id, token: () => studentToken(id), phoenix, transport });
  });
  try {
    for (const player of players) assert.equal((await player.join()).status, "ok", player.heard.name);
    for (const [index, player] of players.entries()) {
      await player.ok("play_note", { midi: 50 + index });
      const fits = (note) => note.midi === 50 + index;
      await Promise.all(players.map((other) => other.hears("student_note", { fits })));
    }
    await Promise.all(players.map((player) => player.hears("beat", { fits: ({ beat }) => beat >= 12 })));
    for (const player of players) player.assertUnbrokenBeats();
  } finally {
    await Promise.all(players.map((player) => player.disconnect()));
  }
});

test("a long poll opened on one node is posted to on another and polled on the third", async () => {
  const room = await makeRoom(cluster.balancer, { bpm: 240 });
  const [a, b, c] = cluster.all;
  const poller = await Poller.open(a, { token: studentToken("ada") });
  const at = (node) => {
    poller.server = node;
    return poller;
  };
  const topic = `music_room:${room}`;
  assert.equal((await at(b).send(["1", "1", topic, "phx_join", {}])).status, 200);
  at(c);
  assert.equal((await poller.reply("1")).status, "ok");
  assert.equal((await at(a).send(["1", "2", topic, "play_note", { midi: 64 }])).status, 200);
  at(b);
  assert.equal((await poller.reply("2")).status, "ok");
  await poller.until("beat 6 or later", (one) => one[3] === "beat" && one[4].beat >= 6);
  at(c);
  await poller.until("beat 12 or later", (one) => one[3] === "beat" && one[4].beat >= 12);
  const beats = poller.messages.filter((one) => one[3] === "beat").map((one) => one[4].beat);
  beats.forEach((beat, index) => index && assert.equal(beat, beats[index - 1] + 1));
});

test("two tenants with the same code never meet, on any node", async () => {
  const code = await sameCode();
  const make = (id, tenant, mint, node) =>
    new Player({ server: node, room: code, id, token: () => mint(id, { tenant }) });
  const ours = cluster.all.map((node) => make(`ours-${node.id}`, "acme", teacherToken, node));
  const theirs = cluster.all.map((node) => make(`theirs-${node.id}`, "globex", teacherToken, node));
  const witnesses = new Map([...ours, ...theirs].map((player) => [player, new Witness(player)]));
  try {
    for (const player of witnesses.keys()) assert.equal((await player.join()).status, "ok");
    await Promise.all([...witnesses.keys()].map((player) => player.hears("beat")));
    for (const [side, midi] of [
      [ours, 70],
      [theirs, 80],
    ]) {
      await side[0].ok("set_tempo", { bpm: midi + 100 });
      await side[1].ok("play_note", { midi });
      await side[2].ok("raise_hand");
      for (const player of side) {
        await player.hears("student_note", { fits: (note) => note.midi === midi });
        await player.hears("tempo_changed", { fits: ({ bpm }) => bpm === midi + 100 });
      }
    }
    for (const [own, other, tempo] of [
      [ours, theirs, 170],
      [theirs, ours, 180],
    ]) {
      const strangers = other.map(({ id }) => id);
      for (const player of own) {
        const witness = witnesses.get(player);
        witness.assertNothing(knowsNothingOf(witness.frames, strangers));
        const view = await player.ok("get_room");
        assert.equal(view.bpm, tempo);
        assert.deepEqual(view.members.map((member) => member.student_id).sort(), own.map(({ id }) => id).sort());
      }
    }
    const [left, right] = [await cluster.record(code, "acme"), await cluster.record(code, "globex")];
    assert.deepEqual([left.tenant, right.tenant], ["acme", "globex"]);
  } finally {
    await Promise.all([...witnesses.keys()].map((player) => player.disconnect()));
  }
});

/** Two of 10,000 codes are soon the same: rooms are made in both tenants until one is. */
async function sameCode() {
  const codes = { acme: new Set(), globex: new Set() };
  for (let round = 0; round < 100; round++) {
    for (const tenant of ["acme", "globex"]) {
      const token = teacherToken("ms-lee", { tenant });
      const fresh = await Promise.all(Array.from({ length: 10 }, () => makeRoom(cluster.balancer, {}, token)));
      fresh.forEach((code) => codes[tenant].add(code));
    }
    const same = [...codes.acme].find((code) => codes.globex.has(code));
    if (same) return same;
  }
  return assert.fail("no code was given out by both tenants");
}

test("a room is made on one node, read on another, controlled over the third, and gone everywhere after DELETE", async () => {
  const [a, b, c] = cluster.all;
  const token = teacherToken();
  const room = await makeRoom(a, { bpm: 100 });
  const path = `/api/music/rooms/${room}`;
  assert.equal((await call(b, "GET", path, { token })).json.bpm, 100);
  const action = await call(c, "POST", `${path}/actions/set_tempo`, { token, body: { bpm: 140 } });
  assert.equal(action.status, 200, action.text);
  for (const node of cluster.all) assert.equal((await call(node, "GET", path, { token })).json.bpm, 140);
  const listed = await call(a, "GET", "/api/music/rooms?limit=100", { token });
  assert.ok(listed.json.rooms.length > 0);
  const socket = await RawSocket.open(c, { token: studentToken("ada") });
  assert.equal((await socket.join(`music_room:${room}`)).payload.status, "ok");
  assert.equal((await call(b, "DELETE", path, { token })).status, 204);
  await socket.event("room_closed");
  await socket.event("phx_close");
  await socket.close();
  for (const node of cluster.all) assert.equal((await call(node, "GET", path, { token })).status, 404);
  assert.equal(await cluster.record(room), null);
});

test("a beat is emitted by all gateways at once", () =>
  withScene(cluster, { conductor: "b", on: NODES }, async (scene) => {
    const from = now();
    await scene.beats(6);
    const arrivals = new Map();
    for (const player of NODES.map((id) => scene.student(id)))
      for (const { payload, arrived } of scene
        .witness(player)
        .since(from)
        .filter(({ event }) => event === "beat"))
        arrivals.set(payload.beat, [...(arrivals.get(payload.beat) ?? []), arrived]);
    const apart = [...arrivals.values()]
      .filter((all) => all.length === NODES.length)
      .map((all) => Math.max(...all) - Math.min(...all));
    assert.ok(apart.length >= 5);
    const noise = scene.loop.worst({ from });
    assert.ok(
      Math.min(...apart) <= 10,
      `the same beat came ${apart.map((ms) => ms.toFixed(1))} ms apart; noise ${noise}`,
    );
  }));
