// What a node's death leaves behind elsewhere: long poll sessions, counts, rooms that were closed meanwhile.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Poller } from "../harness/poller.mjs";
import { RawSocket, upgrade } from "../harness/raw.mjs";
import { Redis } from "../harness/redis.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

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

test("a long poll session whose owner died is 410 within 2 s on any node, and begins anew", async () => {
  const room = await cluster.roomOn("b", { bpm: 240 });
  const [a, b] = cluster.all;
  const poller = await Poller.open(a, { token: studentToken("ada") });
  poller.server = b;
  await poller.send(["1", "1", `music_room:${room}`, "phx_join", {}]);
  assert.equal((await poller.reply("1")).status, "ok");
  await poller.until("a beat", (one) => one[3] === "beat");
  await a.kill();
  const killed = now();
  let body;
  do body = await poller.poll();
  while (body.status === 200 || body.status === 204);
  assert.equal(body.status, 410);
  // The session of the node itself must lapse first: 2 s from its last renewal.
  assert.ok(now() - killed < 4_500, `410 only after ${(now() - killed).toFixed(0)} ms`);
  // phoenix.js forgets the session then, and opens a new one.
  const anew = await Poller.open(b, { token: studentToken("ada") });
  await anew.send(["2", "2", `music_room:${room}`, "phx_join", {}]);
  assert.equal((await anew.reply("2")).status, "ok");
  await a.comeBack();
  await cluster.ready();
});

test("the rooms of a tenant are counted over all nodes, and a node's death gives none back", async () => {
  const token = teacherToken("ms-lee", { tenant: "tiny" });
  const rooms = [];
  for (const node of cluster.all) rooms.push(await makeRoom(node, {}, token));
  const refusedBy = async (node) => (await call(node, "POST", "/api/music/rooms", { token, body: {} })).status;
  for (const node of cluster.all) assert.equal(await refusedBy(node), 429);
  await cluster.node("b").kill();
  for (const node of cluster.others("b")) assert.equal(await refusedBy(node), 429);
  await cluster.node("b").comeBack();
  await cluster.ready();
  for (const node of cluster.all) assert.equal(await refusedBy(node), 429);
  for (const room of rooms) {
    assert.equal((await call(cluster.node("c"), "DELETE", `/api/music/rooms/${room}`, { token })).status, 204);
  }
  await makeRoom(cluster.node("a"), {}, token);
});

test("the users of a tenant are counted over all nodes; a dead node's users alone are given back", async () => {
  const token = (sub) => studentToken(sub, { tenant: "tiny" });
  const [a, b, c] = cluster.all;
  const first = await RawSocket.open(a, { token: token("ada") });
  const second = await RawSocket.open(b, { token: token("bob") });
  const knock = async (node) => {
    const { status } = await upgrade(node, { query: `vsn=2.0.0&token=${token("eve")}` });
    await span(50);
    return status;
  };
  // Counts may lag by a second.
  await eventually(
    "a third user's refusal",
    () => knock(c),
    (status) => status === 429,
    3_000,
  );
  await b.kill();
  await second.closeCode();
  await eventually(
    "room for the dead node's user",
    () => knock(c),
    (status) => status === 101,
    6_000,
  );
  const third = await RawSocket.open(c, { token: token("bob") });
  await eventually(
    "a third user's refusal",
    () => knock(c),
    (status) => status === 429,
    3_000,
  );
  await Promise.all([first.close(), third.close()]);
  await b.comeBack();
  await cluster.ready();
});

test("a room that was closed while a node slept stays closed, though Redis forgot it and the node remembers it", async () => {
  const room = await cluster.roomOn("a", { bpm: 120 });
  const topic = `music_room:${room}`;
  const sleeper = await RawSocket.open(cluster.node("c"), { token: studentToken("sleeper") });
  assert.equal((await sleeper.join(topic)).payload.status, "ok");
  const teacher = await RawSocket.open(cluster.node("b"), { token: teacherToken() });
  assert.equal((await teacher.join(topic)).payload.status, "ok");
  await sleeper.event("beat");
  cluster.node("c").freeze();
  const closed = await teacher.ask("1", topic, "close_room");
  assert.equal(closed.payload.status, "ok");
  await redis.kill();
  await redis.comeBackEmpty();
  await cluster.ready(cluster.others("c"));
  cluster.node("c").thaw();
  await cluster.ready();
  // Rooms are written back within a second of a session's renewal.
  const until = now() + 4_000;
  while (now() < until) {
    assert.equal(await cluster.record(room), null, "the closed room came back");
    await span(100);
  }
  for (const node of cluster.all) {
    const socket = await RawSocket.open(node, { token: studentToken("late") });
    assert.equal((await socket.join(topic)).payload.response.reason, "Room not found", `on ${node.id}`);
    await socket.close();
  }
  await Promise.all([sleeper.close(), teacher.close()]);
});
