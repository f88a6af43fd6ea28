// Bad input: each wrong field ends in an error that names it, and nobody else notices.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "./harness/player.mjs";
import { RawSocket, binaryPush } from "./harness/raw.mjs";
import { call, makeRoom } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { mint, studentToken, teacherToken } from "./harness/token.mjs";
import { soon } from "./harness/wait.mjs";

let server;
let room;
let topic;
let observer;
before(async () => {
  server = await Server.start();
  room = await makeRoom(server, { bpm: 240 });
  topic = `music_room:${room}`;
  observer = new Player({ server, room, id: "observer", token: () => studentToken("observer") });
  await observer.join();
});
after(async () => {
  await observer?.disconnect();
  await server?.stop();
});

const NONE = Symbol("missing");
const OVERSIZED = "x".repeat(100_000);
/** Every kind of wrong value; JSON has no other. */
const VALUES = {
  missing: NONE,
  null: null,
  true: true,
  "a word": "word",
  "an empty string": "",
  "NaN in words": "NaN",
  "a number in words": "60",
  "an oversized string": OVERSIZED,
  "a list": [1],
  "an object": { a: 1 },
  negative: -1,
  fractional: 1.5,
  huge: 1e300,
  "beyond 64 bits": 18446744073709551616,
};
const ABSENT = ["missing", "null"];
const WORDS = ["a word", "NaN in words", "a number in words"];
const NUMBERS = ["negative", "fractional", "huge", "beyond 64 bits"];

/**
 * Every event with every field: a good payload, and for each field what an error must name and which of the
 * values are fine after all (`fine`) or may be either (`either`: the contract leaves it open).
 */
const EVENTS = {
  play_note: {
    good: { midi: 60, velocity: 64 },
    fields: { midi: {}, velocity: { fine: [...ABSENT, "negative", "huge", "beyond 64 bits"], either: ["fractional"] } },
  },
  set_tempo: { good: { bpm: 240, at: "now" }, fields: { bpm: {}, at: { fine: ABSENT } } },
  ramp_tempo: { good: { bpm: 240, beats: 4 }, fields: { bpm: {}, beats: { either: ["fractional"] } } },
  start_clock: {
    good: { count_in: 0, resume: true },
    fields: { count_in: { fine: ABSENT }, resume: { fine: [...ABSENT, "true"] } },
  },
  set_meter: { good: { beats_per_bar: 4, groups: [4] }, fields: { beats_per_bar: {}, groups: { fine: ABSENT } } },
  mute_student: { good: { student_id: "observer" }, fields: { student_id: { names: /student/ } } },
  unmute_student: { good: { student_id: "observer" }, fields: { student_id: { names: /student/ } } },
  assign_beat: { good: { student_id: "observer", beat: 1 }, fields: { student_id: { names: /student/ }, beat: {} } },
  clear_beat: { good: { beat: 1 }, fields: { beat: {} } },
  assign_role: {
    good: { student_id: "observer", role: "section:alto" },
    fields: { student_id: { names: /student/ }, role: {} },
  },
  remove_student: { good: null, fields: { student_id: { names: /student/ } } },
  clock_sync: {
    good: { i: 1, t0: 1 },
    fields: {
      i: { either: [...ABSENT, ...NUMBERS] },
      t0: { fine: ["negative", "fractional"], either: ["huge", "beyond 64 bits"] },
    },
  },
  submit_reflection: {
    good: {
      reflection_text: "Good.",
      reflection_type: "exit_ticket",
      mood: 3,
      competency: "self_awareness",
      metadata: {},
    },
    fields: {
      reflection_text: { fine: WORDS },
      reflection_type: {},
      competency: { fine: ABSENT },
      mood: { fine: ABSENT },
      metadata: { fine: [...ABSENT, "an object"], either: ["a list", "true", ...WORDS, "an empty string", ...NUMBERS] },
    },
  },
};

/** Sends the same push until it is not refused for its rate alone. */
async function ask(socket, event, payload) {
  for (;;) {
    const reply = (await socket.ask("1", topic, event, payload)).payload;
    if (reply.response?.reason !== "rate_limit_exceeded") return reply;
    await observer.hears("beat", { from: observer.heard.mark() });
  }
}

describe("each field with each wrong value", () => {
  for (const [event, { good, fields }] of Object.entries(EVENTS)) {
    for (const [field, { fine = [], either = [], names = new RegExp(field, "i") }] of Object.entries(fields)) {
      test(`${event}.${field}`, async () => {
        const socket = await RawSocket.open(server, { token: teacherToken() });
        assert.equal((await socket.join(topic)).payload.status, "ok");
        const wrong = [];
        for (const [what, value] of Object.entries(VALUES)) {
          const payload = { ...good, [field]: value };
          if (value === NONE) delete payload[field];
          const { status, response } = await ask(socket, event, payload);
          if (either.includes(what)) continue;
          if (fine.includes(what)) {
            if (status !== "ok") wrong.push(`${what} was refused: ${JSON.stringify(response)}`);
          } else if (status !== "error") wrong.push(`${what} was taken: ${JSON.stringify(response)}`);
          else if (!names.test(response.reason))
            wrong.push(`${what}: the error names no ${field}: ${JSON.stringify(response)}`);
          else if (response.reason.length > 300) wrong.push(`${what}: the error repeats what it was sent`);
        }
        if (good) {
          const { status, response } = await ask(socket, event, good);
          if (status !== "ok") wrong.push(`the good payload was refused after all: ${JSON.stringify(response)}`);
        }
        assert.deepEqual(
          socket.heard.items.filter((one) => ["phx_error", "phx_close"].includes(one.event)),
          [],
        );
        assert.deepEqual(wrong, []);
        await socket.close();
      });
    }
  }

  test("a payload that is no object is answered, for every event", async () => {
    const socket = await RawSocket.open(server, { token: teacherToken() });
    await socket.join(topic);
    for (const event of [...Object.keys(EVENTS), "raise_hand", "lower_hand", "get_room", "clear_beats"]) {
      for (const payload of [null, [], "text", 5, true]) {
        const { status } = await ask(socket, event, payload);
        assert.match(status, /^(ok|error)$/, `${event} ${JSON.stringify(payload)}`);
      }
    }
    assert.deepEqual(
      socket.heard.items.filter((one) => ["phx_error", "phx_close"].includes(one.event)),
      [],
    );
    await socket.close();
  });

  for (const [field, values] of Object.entries({
    student_id: [5, [], {}, true, "x".repeat(65), OVERSIZED, "line\nbreak", "\u202egnp"],
    name: [5, [], {}, true, OVERSIZED, "line\nbreak"],
    access_token: [5, [], {}, true, "garbage", OVERSIZED],
  })) {
    test(`the join's ${field}`, async () => {
      // Without `sub`, so that student_id counts.
      const socket = await RawSocket.open(server, { token: mint({}) });
      for (const [index, value] of values.entries()) {
        const good = { student_id: "joe", name: "Joe" };
        const { payload } = await socket.join(topic, { ...good, [field]: value }, `j${index}`);
        const shown = JSON.stringify(value).slice(0, 40);
        if (payload.status === "ok") assert.equal(field, "name", `${field} ${shown} was taken`);
        else assert.match(payload.response.reason, field === "access_token" ? /token/ : new RegExp(field), shown);
      }
      assert.equal((await socket.join(topic, { student_id: "joe" }, "last")).payload.status, "ok");
      await socket.close();
    });
  }
});

describe("frames cut at every byte", () => {
  /** What became of one frame on a socket of its own: a close code, or an answer. */
  async function fate(send) {
    const socket = await RawSocket.open(server, { token: studentToken("cut") });
    const answered = socket.heard
      .until("an answer", () => true)
      .then(
        () => "answered",
        () => "closed",
      );
    send(socket);
    const came = await soon("close or answer", Promise.race([socket.closed.then(({ code }) => code), answered]));
    const code = came === "closed" ? await socket.closeCode() : came;
    if (code === "answered") await socket.close();
    return code;
  }

  test("binary", async () => {
    const whole = binaryPush("1", "2", topic, "play_note", Buffer.from([1, 2, 3]));
    const header = whole.length - 3;
    for (let length = 0; length < whole.length; length += 1) {
      const came = await fate((socket) => socket.binary(whole.subarray(0, length)));
      assert.equal(came, length < header ? 1011 : "answered", `cut at ${length} of ${whole.length}`);
    }
  });

  test("text", async () => {
    const whole = Buffer.from(JSON.stringify(["1", "2", topic, "phx_leave", { ü: "x" }]));
    for (let length = 0; length < whole.length; length += 1) {
      const came = await fate((socket) => socket.rawText(whole.subarray(0, length)));
      const brokenUtf8 = whole.subarray(0, length).at(-1) === 0xc3;
      assert.equal(came, brokenUtf8 ? 1007 : 1011, `cut at ${length} of ${whole.length}`);
    }
  });

  for (const kind of [1, 2, 4, 5, 255]) {
    test(`binary of kind ${kind}, which no client may send`, async () => {
      assert.equal(await fate((socket) => socket.binary(Buffer.from([kind, 1, 1, 1, 1, 65, 65, 65, 65, 65]))), 1011);
    });
  }
});

test("HTTP bodies that are no JSON, or too large, or wrong are refused with the field's name", async () => {
  const token = teacherToken();
  for (const bpm of [0, 300, -1, 1.5, 1e300, "fast", [], {}, true]) {
    const { status, json, text } = await call(server, "POST", "/api/music/rooms", { token, body: { bpm } });
    assert.equal(status, 422, `bpm ${bpm}: ${text}`);
    assert.match(json.error.message, /bpm/i);
    assert.equal(typeof json.error.code, "string");
  }
  const broken = await fetch(`${server.url}/api/music/rooms`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: "{",
  });
  assert.equal(broken.status, 400);
  const large = await fetch(`${server.url}/api/music/rooms`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "x".repeat(4 << 20) }),
  }).then(
    ({ status }) => status,
    () => "cut off",
  );
  assert.ok([413, 422, "cut off"].includes(large), `status ${large}`);
});

test("all along, the observer heard every beat", async () => {
  await observer.hears("beat", { from: observer.heard.mark() });
  observer.assertUnbrokenBeats();
  assert.equal(observer.all("joined").length, 1, "it never had to join again");
});
