// Broadcasts among the users of a topic, as supabase-js sends and hears them.
import { test } from "node:test";
import assert from "node:assert/strict";
import { matrix } from "../harness/supabase.mjs";
import { soon } from "../harness/wait.mjs";

const text = (bytes) => new TextDecoder().decode(bytes);

matrix("broadcasts", (stage, { app }) => {
  /** A user on V2: always the newest, because the older version's V2 was a draft whose frames no server reads. */
  const modern = (options) => stage.app("newest", { vsn: "2.0.0", ...options });
  const old = (options) => app({ vsn: "1.0.0", ...options });

  /** Two users on one topic, on different nodes if there are two. */
  async function pair(name, options = {}) {
    const topic = stage.topic(name);
    const ada = await app({ sub: "ada" }).sit(topic, options);
    const bob = await app({ sub: "bob", on: 1 }).sit(topic, options);
    return { topic, ada, bob };
  }

  test("a broadcast reaches the others as it was sent, and not its sender", async () => {
    const { ada, bob } = await pair("class");
    const payload = { text: "good morning, Zoë 🎵", list: [1, 2.5, null, true], deep: { er: {} } };
    assert.equal(await ada.send("hello", payload), "ok");
    assert.deepEqual(await bob.hears("hello"), { type: "broadcast", event: "hello", payload });
    // What bob says comes after what ada said; so had she heard herself, it would be here.
    await bob.send("answer", {});
    await ada.hears("answer");
    assert.deepEqual(
      ada.broadcasts.items.map(({ event }) => event),
      ["answer"],
    );
  });

  test("with `self` the sender hears it too", async () => {
    const { ada, bob } = await pair("mirror", { broadcast: { self: true } });
    await ada.send("hello", { n: 1 });
    assert.deepEqual((await ada.hears("hello")).payload, { n: 1 });
    assert.deepEqual((await bob.hears("hello")).payload, { n: 1 });
  });

  test("with `ack` the server answers, without it does not", async () => {
    const { ada, bob } = await pair("answered", { broadcast: { ack: true } });
    const replies = (seat) => seat.app.heard.items.filter(({ event }) => event === "phx_reply").length;
    const before = replies(ada);
    assert.equal(await ada.send("hello", {}), "ok");
    assert.equal(replies(ada), before + 1);
    await bob.hears("hello");

    const { ada: silent, bob: listener } = await pair("unanswered");
    const none = replies(silent);
    await silent.send("hello", {});
    await listener.send("answer", {});
    await silent.hears("answer");
    assert.equal(replies(silent), none);
  });

  test("a hundred broadcasts come once each and in order", async () => {
    const { ada, bob } = await pair("order");
    for (let n = 0; n < 100; n++) ada.send("count", { n });
    await bob.hears("count", { fits: ({ n }) => n === 99 });
    assert.deepEqual(
      bob.broadcasts.items.map(({ payload }) => payload.n),
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  test("topics of one beginning, and topics with signs in them, are topics of their own", async () => {
    const names = ["a:b", "a/b", "a b é", "a", "a:b:c"].map((name) => `${stage.topic("signs")} ${name}`);
    const [ada, bob] = [app({ sub: "ada" }), app({ sub: "bob", on: 1 })];
    const said = await Promise.all(names.map((name) => ada.sit(name)));
    const heard = await Promise.all(names.map((name) => bob.sit(name)));
    for (const [n, seat] of said.entries()) await seat.send("hello", { n });
    for (const [n, seat] of heard.entries()) {
      assert.equal((await seat.hears("hello")).payload.n, n);
      assert.equal(seat.broadcasts.items.length, 1);
    }
  });

  test("V1 and V2 clients share a channel", async () => {
    const topic = stage.topic("versions");
    const carl = await old({ sub: "carl" }).sit(topic);
    const dora = await modern({ sub: "dora", on: 1 }).sit(topic);
    await carl.send("from-v1", { n: 1 });
    await dora.send("from-v2", { n: 2 });
    assert.deepEqual(await dora.hears("from-v1"), { type: "broadcast", event: "from-v1", payload: { n: 1 } });
    assert.deepEqual(await carl.hears("from-v2"), { type: "broadcast", event: "from-v2", payload: { n: 2 } });
  });

  test("bytes reach V2 clients as bytes; V1 clients, which cannot carry them, hear what comes next", async () => {
    const topic = stage.topic("bytes");
    const options = { broadcast: { ack: true, self: true } };
    const ada = await modern({ sub: "ada" }).sit(topic, options);
    const bob = await modern({ sub: "bob", on: 1 }).sit(topic, options);
    const carl = await old({ sub: "carl", on: 1 }).sit(topic, options);
    const bytes = Uint8Array.from({ length: 1000 }, (_, n) => n % 256);
    assert.equal(await ada.send("sound", bytes.buffer), "ok");
    for (const seat of [ada, bob]) {
      const { payload } = await seat.hears("sound");
      assert.deepEqual(new Uint8Array(payload), bytes);
    }
    await ada.send("after", {});
    await carl.hears("after");
    assert.equal(carl.broadcasts.items.length, 1);
  });

  test("who unsubscribes hears no more, and may come back", async () => {
    const { topic, ada, bob } = await pair("leaving");
    const stays = await app({ sub: "cid", on: 1 }).sit(topic);
    assert.equal(await soon("leave", bob.channel.unsubscribe()), "ok");
    await bob.statuses.until("CLOSED", ({ status }) => status === "CLOSED");
    await ada.send("missed", {});
    await stays.hears("missed");
    const again = await bob.app.sit(topic);
    await ada.send("heard", {});
    await again.hears("heard");
    assert.deepEqual([bob.broadcasts.items.length, again.broadcasts.items.length], [0, 1]);
  });

  test("a broadcast over the size is refused in Supabase's words, and the channel lives", async () => {
    const { ada, bob } = await pair("large", { broadcast: { ack: true } });
    assert.equal(await ada.send("large", { text: "x".repeat(300 * 1024) }), "error");
    const { response } = await ada.app.hears("phx_reply", { fits: ({ status }) => status === "error" });
    assert.deepEqual(response, { error: "payload_size_exceeded" });
    assert.equal(await ada.send("small", {}), "ok");
    await bob.hears("small");
    assert.equal(bob.broadcasts.items.length, 1);
  });

  test("who asks for Postgres changes is told that there are none, and stays", async () => {
    const topic = stage.topic("tables");
    const postgres = { event: "*", schema: "public", table: "notes", filter: "id=eq.1" };
    const ada = await app({ sub: "ada" }).sit(topic, { postgres });
    const bob = await app({ sub: "bob", on: 1 }).sit(topic);
    const [{ id, ...rest }] = ada.channel.bindings.postgres_changes.map(({ filter, id }) => ({ ...filter, id }));
    assert.deepEqual(rest, postgres);
    assert.ok(Number.isInteger(id), `the entry must be given an integer as its id: ${id}`);
    const system = await ada.app.hears("system");
    assert.deepEqual([system.status, system.extension, system.channel], ["error", "postgres_changes", topic]);
    assert.match(system.message, /\w/);
    await bob.send("hello", {});
    await ada.hears("hello");
    assert.deepEqual(
      ada.statuses.items.map(({ status }) => status),
      ["SUBSCRIBED"],
    );
  });

  test("what is no broadcast is refused, and the channel lives", async () => {
    const topic = `realtime:${stage.topic("strange")}`;
    const socket = await stage.raw({ on: 1 });
    assert.deepEqual((await socket.join(topic, {})).payload, { status: "ok", response: { postgres_changes: [] } });
    const ask = async (event, payload) => (await socket.ask("1", topic, event, payload)).payload;
    for (const event of [undefined, null, 7, {}])
      assert.deepEqual(await ask("broadcast", { type: "broadcast", event, payload: {} }), {
        status: "error",
        response: { reason: "event must be a string" },
      });
    const unknown = await ask("dance", {});
    assert.equal(unknown.status, "error");
    assert.match(unknown.response.reason, /broadcast.*presence/s);
    const named = await socket.join("realtime:", {}, "2");
    assert.deepEqual(named.payload, {
      status: "error",
      response: { reason: "TopicNameRequired: You must provide a topic name" },
    });
    // A join whose fields are wrong is a join with the defaults.
    const wrong = {
      config: { broadcast: { self: "true", ack: 7 }, presence: "no", private: null, postgres_changes: {} },
    };
    assert.equal((await socket.join(`${topic}-wrong`, wrong, "3")).payload.status, "ok");
    socket.text(["3", "9", `${topic}-wrong`, "broadcast", { type: "broadcast", event: "mirrored", payload: {} }]);
    await socket.event("broadcast", { fits: ({ payload }) => payload.event === "mirrored" });
    // But whatever is not clearly public is private: a slip shows nothing to everybody.
    for (const [at, slip] of [[], "yes", 1].entries()) {
      const closed = await socket.join(`${topic}-private`, { config: { private: slip } }, `${at + 10}`);
      assert.match(closed.payload.response.reason, /^Unauthorized: /);
    }
    // Nor is what cannot be read taken for public: JSON.stringify writes such halves of an emoji.
    socket.text(`["20","21","${topic}-private","phx_join",{"config":{"private":true,"presence":{"key":"\\ud83d"}}}]`);
    const unread = await socket.event("phx_reply", { fits: ({ ref }) => ref === "21" });
    assert.equal(unread.payload.status, "error");
  });

  test("a binary broadcast by hand comes back as the frame that the contract draws", async () => {
    const topic = `realtime:${stage.topic("hand")}`;
    const socket = await stage.raw();
    await socket.join(topic, { config: { broadcast: { self: true, ack: true } } });
    const fields = ["1", "2", topic, "sound", '{"persist":false}'].map((field) => Buffer.from(field));
    const head = Buffer.from([3, ...fields.map((field) => field.length), 0]);
    socket.binary(Buffer.concat([head, ...fields, Buffer.from([0, 255, 7])]));
    const { raw } = await socket.heard.until("kind 4", ({ kind }) => kind === "binary 4");
    const [topicLength, eventLength, metaLength, encoding] = raw.subarray(1, 5);
    assert.deepEqual([topicLength, eventLength, metaLength, encoding], [Buffer.byteLength(topic), 5, 0, 0]);
    assert.equal(text(raw.subarray(5, 5 + topicLength)), topic);
    assert.deepEqual([...raw.subarray(-3)], [0, 255, 7]);
    assert.deepEqual((await socket.reply("2")).payload, { status: "ok", response: {} });
  });
});
