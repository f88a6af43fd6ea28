// What goes out on the wire, frame by frame: the same broadcast to both serializers, to topics and to rooms, as JSON and
// as octets. Binary frames are compared byte for byte.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { RawSocket } from "./harness/raw.mjs";
import { call } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { mint, studentToken, teacherToken } from "./harness/token.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const VSNS = { V1: "1.0.0", V2: "2.0.0" };

/** One member of a topic, whose frames are kept as they came: text as a string, binary as bytes. */
class Member {
  static async join(vsn, topic, { token = studentToken("ada"), config = {}, params = {} } = {}) {
    const member = new Member();
    Object.assign(member, { vsn, topic, frames: [], nextRef: 10 });
    member.socket = await RawSocket.open(server, { vsn: VSNS[vsn], token, path: "/realtime/v1/websocket" });
    member.socket.ws.on("message", (data, isBinary) => member.frames.push(isBinary ? data : data.toString()));
    const { payload } = await member.ask("phx_join", { config, ...params }, "1");
    assert.equal(payload.status, "ok", JSON.stringify(payload));
    return member;
  }

  push(event, payload, ref = `${this.nextRef++}`) {
    const { topic } = this;
    this.socket.text(this.vsn === "V1" ? { topic, event, payload, ref, join_ref: "1" } : ["1", ref, topic, event, payload]);
    return ref;
  }

  ask(event, payload, ref) {
    return this.socket.reply(this.push(event, payload, ref));
  }

  say(event, payload) {
    return this.push("broadcast", { type: "broadcast", event, payload });
  }

  /** The frames since the last call, once all that was sent to this member before has come. */
  async news() {
    await this.socket.heartbeat();
    const isReply = (frame) => typeof frame === "string" && frame.includes('"phx_reply"');
    return this.frames.splice(0).filter((frame) => !isReply(frame));
  }

  /** The same without what rooms and presence send by themselves. */
  async said() {
    const frames = await this.news();
    return frames.filter((frame) => typeof frame !== "string" || /"event":"say/.test(frame));
  }

  close() {
    return this.socket.close();
  }
}

/** A push that goes to everybody alike, as this serializer writes it. */
const wire = (vsn, topic, event, payload) =>
  JSON.parse(
    JSON.stringify(vsn === "V1" ? { topic, event, payload, ref: null } : [null, null, topic, event, payload]),
  );
const broadcast = (event, payload, rest = {}) => ({ type: "broadcast", event, payload, ...rest });

const sized = (...fields) => fields.map((field) => Buffer.from(field));
/** `03 jr# ref# topic# event# meta# enc`, as Supabase's clients push it. */
const userPush = (ref, topic, event, meta, encoding, body) => {
  const fields = sized("1", ref, topic, event, meta);
  return Buffer.concat([Buffer.from([3, ...fields.map((field) => field.length), encoding]), ...fields, body]);
};
/** `04 topic# event# meta# enc`. */
const userBroadcast = (topic, event, meta, body) => {
  const fields = sized(topic, event, meta);
  return Buffer.concat([Buffer.from([4, ...fields.map((field) => field.length), 0]), ...fields, body]);
};
const OCTETS = Buffer.from([0, 255, 4, 123, 10, 0x80, 0]);

/** A sender and one hearer of each serializer. */
async function trio(topic, config = {}, sender = "V2") {
  const members = [];
  for (const vsn of [sender, "V1", "V2"]) members.push(await Member.join(vsn, topic, { config }));
  for (const member of members) await member.news();
  return members;
}

/** Proof that a broadcast was given to all: a later one has come. */
async function heardBy(speaker, ...members) {
  speaker.say("say-end", {});
  const isEnd = (one) => JSON.stringify(one.raw ?? one).includes("say-end");
  return Promise.all(
    members.map(async (member) => {
      await member.socket.heard.until("the end", isEnd);
      const frames = await member.said();
      return frames.filter((frame) => typeof frame !== "string" || !frame.includes("say-end"));
    }),
  );
}

const parsed = (frames) => frames.map((frame) => (typeof frame === "string" ? JSON.parse(frame) : frame));

describe("a JSON broadcast leaves as text for both serializers", () => {
  const payload = { a: 1.5, deep: [null, "é\u2028\"\\", { "": false }] };
  for (const sender of ["V1", "V2"]) {
    test(`from ${sender}`, async () => {
      const topic = `realtime:json-${sender}`;
      const [speaker, one, two] = await trio(topic, {}, sender);
      speaker.say("say", payload);
      const [toOne, toTwo] = await heardBy(speaker, one, two);
      assert.deepEqual(parsed(toOne), [wire("V1", topic, "broadcast", broadcast("say", payload))]);
      assert.deepEqual(parsed(toTwo), [wire("V2", topic, "broadcast", broadcast("say", payload))]);
      await Promise.all([speaker, one, two].map((member) => member.close()));
    });
  }

  test("from a binary push, without the client's own metadata", async () => {
    const topic = "realtime:json-binary";
    const [speaker, one, two] = await trio(topic);
    speaker.socket.binary(userPush("77", topic, "say", '{"mine":1}', 1, Buffer.from(JSON.stringify(payload))));
    const [toOne, toTwo] = await heardBy(speaker, one, two);
    assert.deepEqual(parsed(toOne), [wire("V1", topic, "broadcast", broadcast("say", payload))]);
    assert.deepEqual(parsed(toTwo), [wire("V2", topic, "broadcast", broadcast("say", payload))]);
    await Promise.all([speaker, one, two].map((member) => member.close()));
  });

  test("a payload is passed on as it was written", async () => {
    const topic = "realtime:verbatim";
    const [speaker, one, two] = await trio(topic);
    const written = '{"big":12345678901234567890,"small":1.50e0}';
    speaker.socket.text(`["1","7","${topic}","broadcast",{"type":"broadcast","event":"say","payload":${written}}]`);
    for (const frames of await heardBy(speaker, one, two)) {
      assert.equal(frames.length, 1);
      assert.ok(frames[0].includes(written), frames[0]);
    }
    await Promise.all([speaker, one, two].map((member) => member.close()));
  });
});

describe("octets leave as kind 4 for V2, and not at all for V1", () => {
  test("from a binary push", async () => {
    const topic = "realtime:octets";
    const [speaker, one, two] = await trio(topic, { broadcast: { ack: true } });
    speaker.socket.binary(userPush("77", topic, "say", '{"mine":1}', 0, OCTETS));
    const { payload } = await speaker.socket.reply("77");
    assert.deepEqual(payload, { status: "ok", response: {} });
    const [toOne, toTwo] = await heardBy(speaker, one, two);
    assert.deepEqual(toOne, []);
    assert.deepEqual(toTwo, [userBroadcast(topic, "say", "", OCTETS)]);
    await Promise.all([speaker, one, two].map((member) => member.close()));
  });

  test("names are measured in bytes, up to the longest, and the body may be empty", async () => {
    const topic = `realtime:${"é".repeat(123)}`;
    assert.equal(Buffer.byteLength(topic), 255);
    const event = `${"ü".repeat(127)}x`;
    const [speaker, one, two] = await trio(topic);
    speaker.socket.binary(userPush("77", topic, event, "", 0, Buffer.alloc(0)));
    const [toOne, toTwo] = await heardBy(speaker, one, two);
    assert.deepEqual(toOne, []);
    assert.deepEqual(toTwo, [userBroadcast(topic, event, "", Buffer.alloc(0))]);
    await Promise.all([speaker, one, two].map((member) => member.close()));
  });

  test("to oneself where one asks for it", async () => {
    const topic = "realtime:octets-self";
    const itself = await Member.join("V2", topic, { config: { broadcast: { self: true } } });
    itself.socket.binary(userPush("77", topic, "say", "", 0, OCTETS));
    const [heard] = await heardBy(itself, itself);
    assert.deepEqual(heard, [userBroadcast(topic, "say", "", OCTETS)]);
    await itself.close();
  });

  test("from REST", async () => {
    const topic = "realtime:octets-rest";
    const [speaker, one, two] = await trio(topic);
    const path = `${server.url}/realtime/v1/api/broadcast/octets-rest/events/say`;
    const headers = { authorization: `Bearer ${mint({ sub: "ada" })}`, "content-type": "application/octet-stream" };
    const { status } = await fetch(path, { method: "POST", headers, body: OCTETS });
    assert.equal(status, 202);
    const [toOne, toTwo] = await heardBy(speaker, one, two);
    assert.deepEqual(toOne, []);
    assert.deepEqual(toTwo, [userBroadcast(topic, "say", "", OCTETS)]);
    await Promise.all([speaker, one, two].map((member) => member.close()));
  });
});

test("private broadcasts bear an id, the same for both serializers, and say so when they are replayed", async () => {
  const topic = "realtime:ada:log";
  const [speaker, one, two] = await trio(topic, { private: true, broadcast: { ack: true } });
  const { payload: kept } = await speaker.ask("broadcast", broadcast("say", { n: 1 }));
  assert.equal(kept.status, "ok");
  speaker.socket.binary(userPush("77", topic, "say", "", 0, OCTETS));
  assert.equal((await speaker.socket.reply("77")).payload.status, "ok");
  const [toOne, toTwo] = await heardBy(speaker, one, two);
  const id = parsed(toOne)[0].payload.meta.id;
  assert.deepEqual(parsed(toOne), [wire("V1", topic, "broadcast", broadcast("say", { n: 1 }, { meta: { id } }))]);
  assert.deepEqual(JSON.parse(toTwo[0]), wire("V2", topic, "broadcast", broadcast("say", { n: 1 }, { meta: { id } })));
  const meta = toTwo[1].subarray(5 + topic.length + 3, toTwo[1].length - OCTETS.length).toString();
  const { id: other, ...rest } = JSON.parse(meta);
  assert.deepEqual(rest, {});
  assert.notEqual(other, id);
  assert.deepEqual(toTwo[1], userBroadcast(topic, "say", meta, OCTETS));
  // A newcomer of each is told again: V1 without the octets.
  const again = { private: true, broadcast: { replay: { since: 0, limit: 25 } } };
  for (const vsn of ["V1", "V2"]) {
    const newcomer = await Member.join(vsn, topic, { config: again });
    const [json, octets, ...more] = (await newcomer.said()).filter((frame) => !frame.toString().includes("say-end"));
    const replayed = JSON.parse(json);
    const payload = broadcast("say", { n: 1 }, { meta: { id, replayed: true } });
    assert.deepEqual(vsn === "V1" ? replayed.payload : replayed[4], payload);
    if (vsn === "V2") assert.deepEqual(octets, userBroadcast(topic, "say", JSON.stringify({ id: other, replayed: true }), OCTETS));
    else assert.equal(octets, undefined);
    assert.deepEqual(more, []);
    await newcomer.close();
  }
  await Promise.all([speaker, one, two].map((member) => member.close()));
});

test("presence_state bears the join's ref on V2, presence_diff is everybody's alike", async () => {
  const topic = "realtime:present";
  const config = { presence: { key: "ada" } };
  const watchers = [await Member.join("V1", topic), await Member.join("V2", topic)];
  const [stateOne, stateTwo] = await Promise.all(watchers.map(async (watcher) => parsed(await watcher.news())));
  assert.deepEqual(stateOne, [wire("V1", topic, "presence_state", {})]);
  assert.deepEqual(stateTwo, [["1", null, topic, "presence_state", {}]]);
  const ada = await Member.join("V2", topic, { config });
  await ada.ask("presence", { type: "presence", event: "track", payload: { at: 1 } });
  const diffs = [];
  for (const watcher of watchers) {
    const diff = await watcher.socket.event("presence_diff");
    const [meta] = diff.payload.joins.ada.metas;
    assert.equal(typeof meta.phx_ref, "string");
    assert.deepEqual(diff.payload, { joins: { ada: { metas: [{ phx_ref: meta.phx_ref, at: 1 }] } }, leaves: {} });
    assert.deepEqual(diff.raw, wire(watcher.vsn, topic, "presence_diff", diff.payload));
    diffs.push(diff.payload);
  }
  assert.deepEqual(diffs[0], diffs[1]);
  await Promise.all([ada, ...watchers].map((member) => member.close()));
});

describe("a room", () => {
  const teacher = () => ({ token: teacherToken() });

  /** A bridged teacher, and a plain and a bridged student of each serializer. */
  async function room() {
    const { json } = await call(server, "POST", "/api/music/rooms", { token: teacherToken(), body: { autostart: false } });
    const topic = `music_room:${json.room_id}`;
    const members = { teacher: await Member.join("V2", `realtime:${topic}`, teacher()) };
    for (const vsn of ["V1", "V2"]) {
      members[`plain${vsn}`] = await Member.join(vsn, topic, { token: studentToken(`p${vsn}`) });
      members[`bridged${vsn}`] = await Member.join(vsn, `realtime:${topic}`, { token: studentToken(`b${vsn}`) });
    }
    return { topic, ...members, all: Object.values(members) };
  }

  test("says the same to plain and to bridged members, each in its own form", async () => {
    const { topic, all, ...members } = await room();
    const { payload } = await members.teacher.ask("set_tempo", { bpm: 99 });
    assert.equal(payload.status, "ok");
    const payloads = [];
    for (const vsn of ["V1", "V2"]) {
      const plain = await members[`plain${vsn}`].socket.event("tempo_changed");
      assert.deepEqual(plain.raw, wire(vsn, topic, "tempo_changed", plain.payload));
      const fits = ({ payload }) => payload.event === "tempo_changed";
      const bridged = await members[`bridged${vsn}`].socket.event("broadcast", { fits });
      const said = broadcast("tempo_changed", plain.payload);
      assert.deepEqual(bridged.raw, wire(vsn, `realtime:${topic}`, "broadcast", said));
      payloads.push(plain.payload);
    }
    assert.equal(payloads[0].bpm, 99);
    assert.deepEqual(payloads[0], payloads[1]);
    await Promise.all(all.map((member) => member.close()));
  });

  test("passes its members' own broadcasts on to bridged members alone, octets to V2 alone", async () => {
    const { topic, all, ...members } = await room();
    const bridge = `realtime:${topic}`;
    for (const member of all) await member.news();
    const speaker = members.bridgedV2;
    speaker.say("say", { n: 1 });
    speaker.socket.binary(userPush("77", bridge, "say", '{"mine":1}', 0, OCTETS));
    const hearers = [members.bridgedV1, members.teacher];
    const [toOne, toTwo] = await heardBy(speaker, ...hearers);
    assert.deepEqual(parsed(toOne), [wire("V1", bridge, "broadcast", broadcast("say", { n: 1 }))]);
    assert.deepEqual(parsed(toTwo), [
      wire("V2", bridge, "broadcast", broadcast("say", { n: 1 })),
      userBroadcast(bridge, "say", "", OCTETS),
    ]);
    for (const other of [members.plainV1, members.plainV2, speaker]) assert.deepEqual(await other.said(), []);
    await Promise.all(all.map((member) => member.close()));
  });

  test("tells who comes as presence_diff on both topics", async () => {
    const { topic, all, ...members } = await room();
    const late = await Member.join("V2", topic, { token: studentToken("late") });
    for (const [name, on] of [["plain", topic], ["bridged", `realtime:${topic}`]]) {
      for (const vsn of ["V1", "V2"]) {
        const fits = ({ payload }) => payload.joins.late !== undefined;
        const diff = await members[`${name}${vsn}`].socket.event("presence_diff", { fits });
        assert.deepEqual(diff.raw, wire(vsn, on, "presence_diff", diff.payload));
      }
    }
    await Promise.all([late, ...all].map((member) => member.close()));
  });
});
