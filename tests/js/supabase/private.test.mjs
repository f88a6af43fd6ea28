// Private topics: the token says who reads and who writes. And their last broadcasts, for who comes later.
import { test } from "node:test";
import assert from "node:assert/strict";
import { matrix } from "../harness/supabase.mjs";

const noRead = (topic) => `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`;
const noWrite = (topic) => `Unauthorized: You do not have permissions to write to this Channel topic: ${topic}`;

matrix("private topics", (stage, { app }) => {
  const hidden = { private: true, broadcast: { ack: true } };

  test("everybody has the topics under their own name, and nobody else's", async () => {
    const sub = stage.topic("ada");
    const ada = app({ sub });
    const twin = app({ sub, on: 1 });
    for (const topic of [sub, `${sub}:notes`, `${sub}/notes/1`]) {
      const [said, heard] = [await ada.sit(topic, hidden), await twin.sit(topic, hidden)];
      assert.equal(await said.send("hello", { topic }), "ok");
      const { payload, meta } = await heard.hears("hello");
      assert.deepEqual(payload, { topic });
      assert.match(String(meta?.id), /\S/);
    }
    const stranger = app({ sub: "stranger", on: 1 });
    for (const topic of [sub, `${sub}:notes`, `${sub}x`]) await stranger.seat(topic, hidden).refused(noRead(topic));
    await ada.seat(`${sub}x`, hidden).refused(noRead(`${sub}x`));
  });

  test("a name with signs in it opens nothing", async () => {
    const base = stage.topic("eve");
    for (const sub of [`${base}:x`, `${base}/x`]) await app({ sub }).seat(sub, hidden).refused(noRead(sub));
  });

  test("the claim `topics` opens others: whole, by their beginning, to read or to write", async () => {
    const base = stage.topic("club");
    const topics = [
      `realtime:${base}`,
      `realtime:${base}-many:*`,
      { topic: `realtime:${base}-board`, write: false },
      { topic: `realtime:${base}-box`, read: false },
    ];
    const member = app({ sub: "member", claims: { topics } });
    const writer = app({ sub: "writer", on: 1, claims: { topics: [`realtime:${base}*`] } });
    for (const topic of [base, `${base}-many:1`]) {
      const [from, to] = [await member.sit(topic, hidden), await writer.sit(topic, hidden)];
      assert.equal(await from.send("hello", {}), "ok");
      await to.hears("hello");
    }
    const board = await member.sit(`${base}-board`, hidden);
    const pen = await writer.sit(`${base}-board`, hidden);
    assert.equal(await board.send("graffiti", {}), "error");
    await member.hears("phx_reply", { fits: ({ response }) => response.reason === noWrite(`${base}-board`) });
    assert.equal(await pen.send("notice", {}), "ok");
    await board.hears("notice");
    assert.equal(pen.broadcasts.items.length, 0);
    await member.seat(`${base}-box`, hidden).refused(noRead(`${base}-box`));
    await member.seat(`${base}-many`, hidden).refused(noRead(`${base}-many`));
  });

  test("who may not write may not be present either", async () => {
    const name = stage.topic("gallery");
    const topics = [{ topic: `realtime:${name}`, write: false }];
    const viewer = await app({ sub: "viewer", claims: { topics } }).sit(name, { ...hidden, presence: "viewer" });
    assert.equal(await viewer.channel.track({ n: 1 }), "error");
    await viewer.app.hears("phx_reply", { fits: ({ response }) => response.reason === noWrite(name) });
  });

  test("the private and the public topic of one name never meet", async () => {
    const sub = stage.topic("ada");
    const inside = await app({ sub }).sit(sub, { ...hidden, presence: "inside" });
    const outside = await app({ sub: "other", on: 1 }).sit(sub, { broadcast: { ack: true }, presence: "outside" });
    await inside.channel.track({ n: 1 });
    await outside.channel.track({ n: 2 });
    await inside.sees({ inside: [{ n: 1 }] });
    await outside.sees({ outside: [{ n: 2 }] });
    await inside.send("secret", {});
    await outside.send("open", {});
    const again = await app({ sub, on: 1 }).sit(`${sub}`, hidden);
    await again.send("end", {});
    await inside.hears("end");
    assert.deepEqual(
      [inside, outside].map(({ broadcasts }) => broadcasts.items.map(({ event }) => event)),
      [["end"], []],
    );
  });

  test("a guest's token opens its room and no other topic", async () => {
    const socket = await stage.raw({ sub: "guest", claims: { room: "MUSIC-1234" } });
    for (const [n, config] of [{}, { private: true }].entries()) {
      const { payload } = await socket.join(`realtime:${stage.topic("guests")}`, { config }, `g${n}`);
      assert.equal(payload.status, "error");
    }
  });

  test("who comes later may ask for the last broadcasts", async () => {
    const sub = stage.topic("ada");
    const early = await app({ sub }).sit(sub, hidden);
    const began = Date.now() - 60_000;
    for (let n = 0; n < 30; n++) assert.equal(await early.send("note", { n }), "ok");
    const late = await app({ sub, on: 1 }).sit(sub, {
      private: true,
      broadcast: { replay: { since: began, limit: 3 } },
    });
    await late.hears("note", { fits: ({ n }) => n === 29 });
    assert.deepEqual(
      late.broadcasts.items.map(({ payload, meta }) => [payload.n, meta.replayed]),
      [27, 28, 29].map((n) => [n, true]),
    );
    const ids = late.broadcasts.items.map(({ meta }) => meta.id);
    assert.equal(new Set(ids).size, 3);
    await early.send("note", { n: 30 });
    const { meta } = await late.hears("note", { fits: ({ n }) => n === 30 });
    assert.equal(meta.replayed, undefined);
    const most = await app({ sub, on: 1 }).sit(sub, { private: true, broadcast: { replay: { since: began } } });
    await most.hears("note", { fits: ({ n }) => n === 30 });
    assert.ok(most.broadcasts.items.length <= 25, `${most.broadcasts.items.length} messages were replayed`);
    const after = { replay: { since: Date.now() + 60_000, limit: 25 } };
    const none = await app({ sub, on: 1 }).sit(sub, { private: true, broadcast: after });
    await early.send("end", {});
    await none.hears("end");
    assert.equal(none.broadcasts.items.length, 1);
  });

  test("bytes are replayed as bytes", async () => {
    const sub = stage.topic("ada");
    const modern = (options) => stage.app("newest", { vsn: "2.0.0", ...options });
    const early = await modern({ sub }).sit(sub, hidden);
    await early.send("sound", new Uint8Array([1, 2, 3]).buffer);
    await early.send("text", { n: 1 });
    const replay = { since: Date.now() - 60_000, limit: 25 };
    const late = await modern({ sub, on: 1 }).sit(sub, { private: true, broadcast: { replay } });
    await late.hears("text");
    const [sound] = late.broadcasts.items;
    assert.deepEqual([sound.event, sound.meta.replayed], ["sound", true]);
    assert.deepEqual([...new Uint8Array(sound.payload)], [1, 2, 3]);
  });

  test("nothing is replayed of public topics, nor to who asks wrongly", async () => {
    const sub = stage.topic("ada");
    const socket = await stage.raw({ sub, on: 1 });
    const asks = [
      [{ replay: { since: 1, limit: 1 } }, false, "Replay is not allowed for public channels"],
      [{ replay: { since: "yesterday", limit: 1 } }, true, "Replay params are not valid"],
      [{ replay: { since: 1, limit: "all" } }, true, "Replay params are not valid"],
    ];
    for (const [n, [broadcast, isPrivate, words]] of asks.entries()) {
      const reply = await socket.join(`realtime:${sub}`, { config: { private: isPrivate, broadcast } }, `r${n}`);
      assert.deepEqual(reply.payload, { status: "error", response: { reason: `UnableToReplayMessages: ${words}` } });
    }
  });
});
