// The limits that keep one client from spoiling it for the others: notes, guesses at codes, floods of joins.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "./harness/player.mjs";
import { RawSocket } from "./harness/raw.mjs";
import { call, makeRoom } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { mint, studentToken, teacherToken } from "./harness/token.mjs";
import { eventually } from "./harness/wait.mjs";

let server;
let room;
before(async () => {
  server = await Server.start();
  room = await makeRoom(server, { bpm: 240 });
});
after(() => server?.stop());

test("a student plays ten notes a second, a teacher fifty", async () => {
  const topic = `music_room:${room}`;
  for (const [token, limit] of [
    [studentToken("fast"), 10],
    [teacherToken(), 50],
  ]) {
    const socket = await RawSocket.open(server, { token });
    await socket.join(topic);
    const began = Date.now();
    const replies = await Promise.all(
      Array.from({ length: 120 }, () => socket.ask("1", topic, "play_note", { midi: 60 })),
    );
    const seconds = (Date.now() - began) / 1000;
    const taken = replies.filter((one) => one.payload.status === "ok").length;
    assert.ok(
      taken >= limit && taken <= limit * (1 + seconds) + 1,
      `${taken} notes in ${seconds} s, the limit is ${limit}`,
    );
    const refused = replies.filter((one) => one.payload.status === "error");
    for (const { payload } of refused) assert.equal(payload.response.reason, "rate_limit_exceeded");
    await socket.close();
  }
});

test("a full room says so, and so does a tenant with as many rooms as it may have", async () => {
  const token = (sub, role = "student") => mint({ tenant: "tiny", role, sub });
  const small = await makeRoom(server, { max_students: 1 }, token("t", "teacher"));
  const sockets = await Promise.all(["a", "b"].map((sub) => RawSocket.open(server, { token: token(sub) })));
  const [first, second] = sockets;
  assert.equal((await first.join(`music_room:${small}`)).payload.status, "ok");
  assert.equal((await second.join(`music_room:${small}`)).payload.response.reason, "room_full");
  await Promise.all(sockets.map((socket) => socket.close()));
  for (let rooms = 1; rooms < 3; rooms += 1) await makeRoom(server, {}, token("t", "teacher"));
  const { status, json } = await call(server, "POST", "/api/music/rooms", { token: token("t", "teacher"), body: {} });
  assert.equal(status, 429);
  assert.match(json.error.message, /3/);
});

test("a socket may guess ten codes a minute", async () => {
  const socket = await RawSocket.open(server, { token: studentToken("guess") });
  const reasons = [];
  for (let i = 0; i < 12; i += 1) {
    const { payload } = await socket.join(`music_room:MUSIC-9${String(i).padStart(5, "0")}`, {}, `g${i}`);
    reasons.push(payload.response.reason);
  }
  assert.deepEqual(reasons, [...Array(10).fill("Room not found"), ...Array(2).fill("rate_limit_exceeded")]);
  await socket.close();
});

test(
  "a hundred thousand joins of unknown rooms are answered, disturb nobody and leave no memory behind",
  { timeout: 300_000 },
  async (t) => {
    const observer = new Player({ server, room, id: "observer", token: () => studentToken("observer") });
    await observer.join();
    const beforeKib = server.rssKib();
    const SOCKETS = 50;
    const JOINS = 2_000;
    const BATCH = 100;
    await Promise.all(
      Array.from({ length: SOCKETS }, async (_, index) => {
        const socket = await RawSocket.open(server, { token: studentToken(`flood${index}`) });
        for (let join = 0; join < JOINS; join += BATCH) {
          const batch = Array.from({ length: BATCH }, (_, i) =>
            socket.join(
              `music_room:MUSIC-8${String(index * JOINS + join + i)
                .slice(-5)
                .padStart(5, "0")}`,
              {},
              `f${join + i}`,
            ),
          );
          for (const { payload } of await Promise.all(batch)) {
            assert.equal(payload.status, "error");
            assert.match(
              payload.response.reason,
              /^(Room not found|rate_limit_exceeded|ClientJoinRateLimitReached: .*)$/,
            );
          }
          socket.heard.items.length = 0;
        }
        await socket.close();
      }),
    );
    observer.assertUnbrokenBeats();
    await observer.disconnect();
    const MIB = 1024;
    const afterKib = await eventually(
      "the memory came back",
      async () => {
        await call(server, "GET", "/api/ping");
        return server.rssKib();
      },
      (kib) => kib - beforeKib < 32 * MIB,
      30_000,
    );
    t.diagnostic(`resident memory: ${beforeKib} KiB before, ${afterKib} KiB after ${SOCKETS * JOINS} joins`);
  },
);

test("after many wrong guesses from one address a right code is late, never refused", { timeout: 60_000 }, async () => {
  const socket = await RawSocket.open(server, { token: studentToken("patient") });
  const began = Date.now();
  assert.equal((await socket.join(`music_room:${room}`)).payload.status, "ok");
  const took = Date.now() - began;
  assert.ok(took < 6_000, `the delay grows to 5 s and no further: ${took} ms`);
  await socket.close();
});
