// Long poll over plain HTTP: the statuses in the body, the session's token, batches and their limits.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Poller } from "./harness/poller.mjs";
import { RawSocket, binaryPush } from "./harness/raw.mjs";
import { call, makeRoom } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { inSeconds, studentToken, teacherToken } from "./harness/token.mjs";

let server;
let room;
let topic;
before(async () => {
  server = await Server.start();
  room = await makeRoom(server, { bpm: 240 });
  topic = `music_room:${room}`;
});
after(() => server?.stop());

const token = studentToken("ada");
const heartbeat = (ref) => [null, ref, "phoenix", "heartbeat", {}];

test("the first poll opens a session: 410 and a token", async () => {
  const poller = new Poller(server, { token });
  const body = await poller.poll();
  assert.equal(body.status, 410);
  assert.equal(typeof body.token, "string");
});

test("a message waits for the next poll: 200, the token again, the messages as text", async () => {
  const poller = await Poller.open(server, { token });
  assert.equal((await poller.send(heartbeat("1"))).status, 200);
  const body = await poller.poll();
  assert.equal(body.status, 200);
  assert.equal(typeof body.token, "string", "phoenix.js keeps the token of every answer");
  assert.deepEqual(poller.messages, [[null, "1", "phoenix", "phx_reply", { status: "ok", response: {} }]]);
});

test("a message comes while the poll waits", async () => {
  const poller = await Poller.open(server, { token });
  const waiting = poller.poll();
  await poller.send(heartbeat("1"));
  assert.equal((await waiting).status, 200);
});

test("nothing for a whole window is 204, with the token", async () => {
  const poller = await Poller.open(server, { token });
  const begun = Date.now();
  const body = await poller.poll();
  assert.equal(body.status, 204);
  assert.equal(typeof body.token, "string");
  const took = Date.now() - begun;
  assert.ok(took > 8_000 && took < 15_000, `the window is 10 s, not ${took} ms`);
});

test("whoever is refused gets 403 in the body, whatever the cause", async () => {
  const refused = [
    { token: null },
    { token: "garbage" },
    { token: studentToken("ada", { exp: inSeconds(-60) }) },
    { token, vsn: "3.0.0" },
    { token, vsn: "garbage" },
    { token, headers: { origin: "https://evil.org" } },
  ];
  for (const options of refused) {
    const body = await new Poller(server, options).poll();
    assert.equal(body.status, 403, JSON.stringify(options));
  }
});

test("a session token that is garbage or forged is 410 with a fresh session, on a poll", async () => {
  const good = await Poller.open(server, { token });
  const forged = good.session.slice(0, -4) + (good.session.endsWith("AAAA") ? "BBBB" : "AAAA");
  for (const session of ["garbage", forged, "a.b.c", "%00"]) {
    const poller = new Poller(server, { token });
    const body = await poller.poll({ url: poller.url(session) });
    assert.equal(body.status, 410, session);
  }
});

test("a post to a session that is garbage or gone is 410", async () => {
  const poller = new Poller(server, { token });
  for (const session of [null, "garbage"]) {
    const body = await poller.post(JSON.stringify(heartbeat("1")), { url: poller.url(session) });
    assert.equal(body.status, 410, `session ${session}`);
  }
});

test("a room is played from one poll to the next", async () => {
  const poller = await Poller.open(server, { token });
  await poller.send(["1", "1", topic, "phx_join", {}]);
  const { status, response } = await poller.reply("1");
  assert.equal(status, "ok");
  assert.equal(response.role, "student");
  await poller.send(["1", "2", topic, "play_note", { midi: 64 }]);
  assert.equal((await poller.reply("2")).status, "ok");
  await poller.until("its own note", (one) => one[3] === "student_note" && one[4].midi === 64);
  await poller.until("beat 20 or later", (one) => one[3] === "beat" && one[4].beat >= 20);
  const beats = poller.messages.filter((one) => one[3] === "beat").map((one) => one[4].beat);
  beats.forEach((beat, index) => index && assert.equal(beat, beats[index - 1] + 1));
  await poller.send(["1", "3", topic, "phx_leave", {}]);
  assert.equal((await poller.reply("3")).status, "ok");
});

test("lines of one post are text or base64 binary", async () => {
  const poller = await Poller.open(server, { token });
  const binary = binaryPush("1", "3", topic, "play_note", Buffer.from([1, 2, 3])).toString("base64");
  const lines = [
    JSON.stringify(["1", "1", topic, "phx_join", {}]),
    JSON.stringify(heartbeat("2")),
    binary,
    JSON.stringify(heartbeat("4")),
  ];
  assert.equal((await poller.post(lines.join("\n"))).status, 200);
  for (const ref of ["1", "2", "4"]) assert.equal((await poller.reply(ref)).status, "ok");
  assert.match(JSON.stringify(await poller.reply("3")), /binary not supported here|unmatched topic/);
});

test("of 101 lines none is dropped in silence", async () => {
  const poller = await Poller.open(server, { token });
  const refs = Array.from({ length: 101 }, (_, index) => `n${index + 1}`);
  const { status } = await poller.send(...refs.map(heartbeat));
  for (const ref of refs.slice(0, status === 200 ? 101 : 0)) {
    const reply = await poller.reply(ref);
    assert.equal(reply.status, ref === "n101" ? "error" : "ok", `${ref}: ${JSON.stringify(reply)}`);
  }
});

for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
  test(`a post of ${type} is one message, as V1 needs it`, async () => {
    const poller = await Poller.open(server, { token, vsn: "1.0.0" });
    const frame = { topic: "phoenix", event: "heartbeat", payload: { text: "two\nlines" }, ref: "1" };
    assert.equal((await poller.post(JSON.stringify(frame, null, 2), { type })).status, 200);
    const reply = await poller.until("reply", (one) => one.ref === "1");
    assert.deepEqual(reply, {
      topic: "phoenix",
      event: "phx_reply",
      payload: { status: "ok", response: {} },
      ref: "1",
    });
  });
}

test("the session's token may come in a header, which beats the query's", async () => {
  const poller = await Poller.open(server, { token });
  const url = poller.url("garbage");
  const headers = { "X-Phoenix-LongPoll-Token": poller.session };
  assert.equal((await poller.post(JSON.stringify(heartbeat("1")), { url, headers })).status, 200);
  assert.equal((await poller.poll({ url, headers })).status, 200);
});

test("the app's token may come in X-Phoenix-AuthToken", async () => {
  const poller = await Poller.open(server, { headers: { "X-Phoenix-AuthToken": token } });
  await poller.send(["1", "1", topic, "phx_join", {}]);
  assert.equal((await poller.reply("1")).status, "ok");
});

test("the two tokens of one query are told apart in either order, and a bare & is fine", async () => {
  const opened = await Poller.open(server, { token });
  for (const query of [
    `token=${opened.session}&token=${token}&vsn=2.0.0`,
    `vsn=2.0.0&token=${token}&token=${opened.session}&`,
    `token=${opened.session}&vsn=2.0.0&&`,
  ]) {
    const url = `${server.url}/socket/longpoll?${query}`;
    assert.equal((await opened.post(JSON.stringify(heartbeat("1")), { url })).status, 200, query);
    assert.equal((await opened.poll({ url })).status, 200, query);
  }
});

test("the realtime mount serves long poll too", async () => {
  const poller = await Poller.open(server, { token, path: "/realtime/v1/longpoll" });
  await poller.send(heartbeat("1"));
  assert.equal((await poller.reply("1")).status, "ok");
});

test("a poll that was given up loses no message", async () => {
  const poller = await Poller.open(server, { token });
  for (let round = 0; round < 20; round += 1) {
    const giveUp = new AbortController();
    const given = poller.poll({ signal: giveUp.signal }).catch(() => null);
    // Another call's round trip, before and after: the poll is there when it is given up, and then it is gone.
    await call(server, "GET", "/api/ping");
    giveUp.abort();
    await given;
    await call(server, "GET", "/api/ping");
    await poller.send(heartbeat(`g${round}`));
    assert.equal((await poller.reply(`g${round}`)).status, "ok");
  }
});

test("what a client does not show to have received comes again, and what it shows does not", async () => {
  const poller = await Poller.open(server, { token });
  const replies = () => poller.messages.map((one) => one[1]);
  await poller.send(heartbeat("1"));
  await poller.poll();
  const shown = poller.session;
  await poller.send(heartbeat("2"));
  await poller.poll();
  assert.deepEqual(replies(), ["1", "2"]);
  // As if the last answer had been lost on its way: the client shows the token of the one before.
  await poller.poll({ url: poller.url(shown) });
  assert.deepEqual(replies(), ["1", "2", "2"]);
  await poller.send(heartbeat("3"));
  await poller.poll();
  assert.deepEqual(replies(), ["1", "2", "2", "3"]);
});

test("a client that keeps its first token gets nothing twice", async () => {
  const poller = await Poller.open(server, { token });
  const first = poller.url(poller.session);
  for (const ref of ["1", "2", "3", "4", "5"]) {
    await poller.post(JSON.stringify(heartbeat(ref)), { url: first });
    await poller.poll({ url: first });
  }
  assert.deepEqual(
    poller.messages.map((one) => one[1]),
    ["1", "2", "3", "4", "5"],
  );
});

test("a player on long poll and one on a WebSocket hear each other", async () => {
  const poller = await Poller.open(server, { token: teacherToken() });
  const socket = await RawSocket.open(server, { token: studentToken("bob") });
  await socket.join(topic);
  await poller.send(["1", "1", topic, "phx_join", {}]);
  await poller.reply("1");
  await socket.ask("1", topic, "play_note", { midi: 81 });
  await poller.until("bob's note", (one) => one[3] === "student_note" && one[4].midi === 81);
  await poller.send(["1", "2", topic, "play_note", { midi: 82 }]);
  await socket.event("student_note", { fits: (one) => one.payload.midi === 82 });
  await socket.close();
});

test("a malformed line ends the session, not the server", async () => {
  const poller = await Poller.open(server, { token });
  await poller.post("[this is no json").catch(() => null);
  const body = await poller.poll();
  assert.ok([410, 403, 500].includes(body.status), JSON.stringify(body));
  const next = await Poller.open(server, { token });
  await next.send(heartbeat("1"));
  assert.equal((await next.reply("1")).status, "ok");
});
