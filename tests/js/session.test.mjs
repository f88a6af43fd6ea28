// One socket's joins, pushes and refs, in plain frames of every serializer.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { RawSocket, binaryPush } from "./harness/raw.mjs";
import { makeRoom } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { mint, studentToken, teacherToken } from "./harness/token.mjs";

let server;
let room;
let topic;
const open = (options = {}) => RawSocket.open(server, { token: teacherToken(), ...options });

before(async () => {
  server = await Server.start();
  room = await makeRoom(server, { bpm: 240 });
  topic = `music_room:${room}`;
});
after(() => server?.stop());

/** Opens a socket for the test and closes it whatever happens. */
async function withSocket(options, use) {
  const socket = await open(options);
  try {
    return await use(socket);
  } finally {
    await socket.close();
  }
}

describe("V2 text", () => {
  test("a heartbeat is answered with a null join_ref", () =>
    withSocket({}, async (socket) => {
      socket.text([null, "7", "phoenix", "heartbeat", {}]);
      const { raw } = await socket.reply("7");
      assert.deepEqual(raw, [null, "7", "phoenix", "phx_reply", { status: "ok", response: {} }]);
      socket.text(["3", "8", "phoenix", "heartbeat", {}]);
      assert.equal((await socket.reply("8")).joinRef, null);
    }));

  test("a join is answered with its refs, an unknown room with an error on a living socket", () =>
    withSocket({}, async (socket) => {
      const ok = await socket.join(topic, {}, "5");
      assert.deepEqual(ok.raw.slice(0, 4), ["5", "5", topic, "phx_reply"]);
      assert.deepEqual(Object.keys(ok.payload).sort(), ["response", "status"]);
      assert.equal(ok.payload.status, "ok");
      const refused = await socket.join("music_room:MUSIC-000000", {}, "6");
      assert.deepEqual(refused.raw, [
        "6",
        "6",
        "music_room:MUSIC-000000",
        "phx_reply",
        { status: "error", response: { reason: "Room not found" } },
      ]);
      await socket.heartbeat();
    }));

  test("a message is heard whole, in a thousand fragments sent at once or in one frame of almost the limit", () =>
    withSocket({}, async (socket) => {
      const padded = (ref, bytes) => JSON.stringify([null, ref, "phoenix", "heartbeat", { padding: "x".repeat(bytes) }]);
      const fragmented = padded("f", 200_000);
      for (let at = 0; at < fragmented.length; at += 200) {
        socket.ws.send(fragmented.slice(at, at + 200), { binary: false, fin: at + 200 >= fragmented.length });
      }
      assert.equal((await socket.reply("f")).payload.status, "ok");
      socket.text(padded("w", 1_000_000));
      assert.equal((await socket.reply("w")).payload.status, "ok");
    }));

  test("extra elements of a frame are ignored", () =>
    withSocket({}, async (socket) => {
      socket.text([null, "1", "phoenix", "heartbeat", {}, "more", { and: "more" }]);
      assert.equal((await socket.reply("1")).payload.status, "ok");
    }));

  test("a push to a topic that is not joined is an unmatched topic", () =>
    withSocket({}, async (socket) => {
      for (const where of [topic, "music_room:MUSIC-000000", "weather:today", ""]) {
        socket.text(["1", `at ${where}`, where, "play_note", { midi: 60 }]);
        const { raw } = await socket.reply(`at ${where}`);
        assert.deepEqual(raw, [
          null,
          `at ${where}`,
          where,
          "phx_reply",
          { status: "error", response: { reason: "unmatched topic" } },
        ]);
      }
    }));

  test("a join of a topic of no known kind is an unmatched topic", () =>
    withSocket({}, async (socket) => {
      const { payload } = await socket.join("weather:today");
      assert.deepEqual(payload, { status: "error", response: { reason: "unmatched topic" } });
    }));

  test("a leave is answered, then the channel closes", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "3");
      const from = socket.heard.mark();
      socket.text(["3", "4", topic, "phx_leave", {}]);
      await socket.event("phx_close", { from });
      const leaving = socket.heard.since(from).filter((one) => one.ref === "4" || one.event === "phx_close");
      assert.deepEqual(
        leaving.map((one) => one.raw),
        [
          ["3", "4", topic, "phx_reply", { status: "ok", response: {} }],
          ["3", "3", topic, "phx_close", {}],
        ],
      );
      const { payload } = await socket.ask("3", topic, "play_note", { midi: 60 });
      assert.equal(payload.response.reason, "unmatched topic");
    }));

  test("leaving a topic that was never joined is fine", () =>
    withSocket({}, async (socket) => {
      assert.equal((await socket.ask("1", topic, "phx_leave")).payload.status, "ok");
    }));

  test("a second join of a topic takes over: its reply first, then the old channel's close", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      const from = socket.heard.mark();
      socket.text(["2", "2", topic, "phx_join", {}]);
      await socket.event("phx_close", { from });
      const order = socket.heard.since(from).filter((one) => ["phx_reply", "phx_close"].includes(one.event));
      assert.deepEqual(
        order.map((one) => [one.joinRef, one.event]),
        [
          ["2", "phx_reply"],
          ["1", "phx_close"],
        ],
      );
      assert.equal((await socket.ask("2", topic, "play_note", { midi: 60 })).payload.status, "ok");
    }));

  test("a push or leave of an old join is dropped in silence, one without a join_ref is accepted", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      await socket.join(topic, {}, "2");
      socket.text(["1", "stale push", topic, "play_note", { midi: 60 }]);
      socket.text(["1", "stale leave", topic, "phx_leave", {}]);
      socket.text([null, "no join_ref", topic, "play_note", { midi: 60 }]);
      assert.equal((await socket.reply("no join_ref")).payload.status, "ok");
      await socket.heartbeat();
      const answered = socket.heard.items.map((one) => one.ref);
      assert.ok(!answered.includes("stale push") && !answered.includes("stale leave"), `answered: ${answered}`);
    }));

  test("integer refs come back as integers", () =>
    withSocket({}, async (socket) => {
      socket.text([11, 11, topic, "phx_join", {}]);
      assert.deepEqual((await socket.reply(11)).raw.slice(0, 2), [11, 11]);
      socket.text([11, 12, topic, "play_note", { midi: 60 }]);
      assert.deepEqual((await socket.reply(12)).raw.slice(0, 2), [11, 12]);
    }));

  test("an event that nobody knows crashes its channel alone", async () => {
    const second = await makeRoom(server);
    await withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      await socket.join(`music_room:${second}`, {}, "2");
      socket.text(["1", "3", topic, "make_coffee", {}]);
      const crash = await socket.event("phx_error");
      assert.deepEqual(crash.raw, ["1", "1", topic, "phx_error", { reason: "channel_crash" }]);
      assert.equal((await socket.ask("2", `music_room:${second}`, "play_note", { midi: 60 })).payload.status, "ok");
      assert.equal(
        (await socket.ask("1", topic, "play_note", { midi: 60 })).payload.response.reason,
        "unmatched topic",
      );
      assert.equal((await socket.join(topic, {}, "9")).payload.status, "ok", "it may be joined again");
    });
  });

  test("a topic too many is refused, and a left one makes room", async () => {
    const token = mint({ tenant: "tiny", role: "teacher", sub: "t" });
    const topics = [];
    for (let i = 0; i < 3; i += 1) topics.push(`music_room:${await makeRoom(server, {}, token)}`);
    await withSocket({ token }, async (socket) => {
      assert.equal((await socket.join(topics[0], {}, "1")).payload.status, "ok");
      assert.equal((await socket.join(topics[1], {}, "2")).payload.status, "ok");
      const { payload } = await socket.join(topics[2], {}, "3");
      assert.deepEqual(payload, { status: "error", response: { reason: "too many channels joined" } });
      await socket.ask("1", topics[0], "phx_leave");
      assert.equal((await socket.join(topics[2], {}, "4")).payload.status, "ok");
    });
  });

  test("a payload over the tenant's limit is refused and the socket lives", async () => {
    await withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      const { payload } = await socket.ask("1", topic, "play_note", { midi: 60, padding: "x".repeat(300 * 1024) });
      assert.deepEqual(payload, { status: "error", response: { reason: "payload_too_large" } });
      assert.equal((await socket.ask("1", topic, "play_note", { midi: 60 })).payload.status, "ok");
    });
  });

  test("beats reach a socket with the channel's topic and no ref", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      const { raw } = await socket.event("beat");
      assert.equal(raw[1], null);
      assert.deepEqual(raw.slice(2, 4), [topic, "beat"]);
    }));

  test("a control repeated with its ref is answered again and done once", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      const run = async () => (await socket.ask("1", topic, "get_room")).payload.response.timeline.run;
      const before = await run();
      socket.text(["1", "same", topic, "reset_clock", {}]);
      await socket.reply("same");
      const from = socket.heard.mark();
      socket.text(["1", "same", topic, "reset_clock", {}]);
      assert.equal((await socket.reply("same", { from })).payload.status, "ok");
      assert.equal(await run(), before + 1);
    }));

  test("the clock is there to be synchronised with", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      const t0 = Date.now();
      const { response } = (await socket.ask("1", topic, "clock_sync", { i: 7, t0 })).payload;
      assert.deepEqual([response.i, response.t0], [7, t0]);
      const { t1, t2 } = response;
      assert.ok(t0 - 5 <= t1 && t1 <= t2 && t2 <= Date.now() + 5, JSON.stringify(response));
      assert.equal(typeof response.unc_us, "number");
    }));

  test("the realtime mount serves the same socket", () =>
    withSocket({ path: "/realtime/v1/websocket" }, async (socket) => {
      assert.equal((await socket.join(topic)).payload.status, "ok");
    }));
});

describe("V2 binary", () => {
  test("a binary push to a room is refused and the channel lives", () =>
    withSocket({}, async (socket) => {
      await socket.join(topic, {}, "1");
      socket.binary(binaryPush("1", "2", topic, "play_note", Buffer.from([60, 64])));
      const { payload } = await socket.reply("2");
      assert.equal(payload.status, "error");
      assert.match(JSON.stringify(payload.response), /binary not supported here/);
      assert.equal((await socket.ask("1", topic, "play_note", { midi: 60 })).payload.status, "ok");
    }));

  test("a binary push to a topic that is not joined is an unmatched topic", () =>
    withSocket({}, async (socket) => {
      socket.binary(binaryPush("1", "2", topic, "play_note"));
      const { payload } = await socket.reply("2");
      assert.match(JSON.stringify(payload), /unmatched topic/);
    }));

  test("fields hold 255 bytes of UTF-8", () =>
    withSocket({}, async (socket) => {
      const long = "ü".repeat(127) + "x";
      socket.binary(binaryPush("1", "2", long, "event"));
      assert.equal((await socket.reply("2")).topic, long);
    }));
});

for (const vsn of ["1.0.0", null]) {
  describe(`V1 (vsn ${vsn ?? "absent"})`, () => {
    const plain = ({ topic, event, payload, ref, ...rest }) => ({ topic, event, payload, ref, rest });

    test("frames are objects, without a join_ref, always with a ref", () =>
      withSocket({ vsn }, async (socket) => {
        socket.text({ topic, event: "phx_join", payload: {}, ref: "1" });
        const reply = plain((await socket.reply("1")).raw);
        assert.equal(reply.payload.status, "ok");
        assert.deepEqual(reply.rest, {});
        const beat = (await socket.event("beat")).raw;
        assert.deepEqual(Object.keys(beat).sort(), ["event", "payload", "ref", "topic"]);
        assert.equal(beat.ref, null);
        socket.text({ topic, event: "play_note", payload: { midi: 60 }, ref: "2", join_ref: "1" });
        assert.equal((await socket.reply("2")).payload.status, "ok");
        socket.text({ topic, event: "phx_leave", payload: {}, ref: "3" });
        assert.equal((await socket.reply("3")).payload.status, "ok");
        const close = (await socket.event("phx_close")).raw;
        assert.equal(close.join_ref, undefined);
        assert.equal(close.topic, topic);
      }));

    test("heartbeats, unmatched topics and integer refs are answered", () =>
      withSocket({ vsn }, async (socket) => {
        socket.text({ topic: "phoenix", event: "heartbeat", payload: {}, ref: 5 });
        assert.deepEqual((await socket.reply(5)).raw, {
          topic: "phoenix",
          event: "phx_reply",
          payload: { status: "ok", response: {} },
          ref: 5,
        });
        socket.text({ topic: "weather:today", event: "ask", payload: {}, ref: "6" });
        assert.deepEqual((await socket.reply("6")).payload, {
          status: "error",
          response: { reason: "unmatched topic" },
        });
      }));
  });
}

test("clients of both serializers hear each other in one room", async () => {
  const [one, two] = await Promise.all([
    open({ vsn: "1.0.0", token: studentToken("vi") }),
    open({ token: studentToken("wu") }),
  ]);
  one.text({ topic, event: "phx_join", payload: {}, ref: "1" });
  await one.reply("1");
  await two.join(topic, {}, "1");
  assert.equal((await two.ask("1", topic, "play_note", { midi: 71 })).payload.status, "ok");
  assert.equal(
    (await one.event("student_note", { fits: (note) => note.payload.midi === 71 })).payload.student_id,
    "wu",
  );
  one.text({ topic, event: "play_note", payload: { midi: 72 }, ref: "2" });
  assert.equal(
    (await two.event("student_note", { fits: (note) => note.payload.midi === 72 })).payload.student_id,
    "vi",
  );
  await Promise.all([one.close(), two.close()]);
});
