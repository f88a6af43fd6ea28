// Broadcasts over HTTP: supabase-js' httpSend, its send() before it is subscribed, and scripts.
import { test } from "node:test";
import assert from "node:assert/strict";
import { matrix } from "../harness/supabase.mjs";
import { mint, studentToken } from "../harness/token.mjs";

const BATCH = "/api/broadcast";

matrix("broadcasts over HTTP", (stage, { app, version }) => {
  const newest = version === "newest";

  /** A script's call; `body` as it is. */
  async function post(path, body, { token = studentToken("script"), on = 0, headers = {} } = {}) {
    const sent = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      "content-type": "application/json",
      ...headers,
    };
    const answer = await fetch(`${stage.node(on).url}${path}`, { method: "POST", headers: sent, body });
    const text = await answer.text();
    return { status: answer.status, json: text && JSON.parse(text) };
  }

  const batch = (messages, options) => post(BATCH, JSON.stringify({ messages }), options);

  /** 400, 401, 403, 413 and 429 have the one form that Supabase's clients read. */
  function refused({ status, json }, wanted, words = /\w/) {
    assert.equal(status, wanted, JSON.stringify(json));
    assert.match(json.message, words);
  }

  test("httpSend reaches all who listen, from outside the channel", async () => {
    const topic = stage.topic("é a/b:c");
    const bob = await app({ sub: "bob", on: 1 }).sit(topic);
    const { channel } = app({ sub: "ada" }).seat(topic);
    assert.deepEqual(await channel.httpSend("hello wörld", { n: 1 }), { success: true });
    assert.deepEqual(await bob.hears("hello wörld"), { type: "broadcast", event: "hello wörld", payload: { n: 1 } });
  });

  test("httpSend sends bytes as bytes", { skip: !newest && "a year ago it could not" }, async () => {
    const topic = stage.topic("sounds");
    const bob = await app({ sub: "bob", on: 1, vsn: "2.0.0" }).sit(topic);
    const { channel } = app({ sub: "ada" }).seat(topic);
    assert.deepEqual(await channel.httpSend("sound", new Uint8Array([0, 255, 7])), { success: true });
    const { payload } = await bob.hears("sound");
    assert.deepEqual([...new Uint8Array(payload)], [0, 255, 7]);
  });

  test("a private topic takes it from who may write, and the others read why not", async () => {
    const sub = stage.topic("ada");
    const hidden = { private: true };
    const reader = await app({ sub, on: 1 }).sit(sub, hidden);
    const stranger = app({ sub: "stranger" });
    const own = app({ sub });
    // An app sets the user's token before it sends; a subscription would do it, too.
    await Promise.all([own, stranger].map((one) => one.supabase.realtime.setAuth()));
    const words = `Unauthorized: You do not have permissions to write to this Channel topic: ${sub}`;
    await assert.rejects(stranger.seat(sub, hidden).channel.httpSend("hello", {}), { message: words });
    assert.deepEqual(await own.seat(sub, hidden).channel.httpSend("hello", { n: 1 }), { success: true });
    const { payload, meta } = await reader.hears("hello");
    assert.deepEqual(payload, { n: 1 });
    assert.match(String(meta.id), /\S/);
    assert.equal(reader.broadcasts.items.length, 1);
  });

  test("send() before the subscription goes over HTTP", async (t) => {
    t.mock.method(console, "warn", () => {});
    const topic = stage.topic("early");
    const bob = await app({ sub: "bob", on: 1 }).sit(topic);
    assert.equal(await app({ sub: "ada" }).seat(topic).send("hello", { n: 1 }), "ok");
    assert.deepEqual((await bob.hears("hello")).payload, { n: 1 });
  });

  test("a script sends many at once, under either mount and with either header", async () => {
    const topic = stage.topic("many");
    const [bob, eve] = [app({ sub: "bob", on: 1 }), app({ sub: "eve" })];
    const seats = [await bob.sit(topic), await bob.sit(`${topic}-2`), await eve.sit(topic)];
    const message = (n) => ({ topic: n % 2 ? `${topic}-2` : topic, event: "script", payload: { n } });
    const token = studentToken("script");
    const { status } = await batch([0, 1, 2].map(message));
    assert.equal(status, 202);
    // Between two nodes' calls there is no order, within one there is.
    for (const seat of seats) await seat.hears("script", { fits: ({ n }) => n === (seat.topic === topic ? 2 : 1) });
    const headers = { apikey: token };
    const body = JSON.stringify({ messages: [{ ...message(4), private: false }] });
    const mounted = await post(`/realtime/v1${BATCH}?stray=1&vsn=9`, body, { token: null, headers, on: 1 });
    assert.equal(mounted.status, 202);
    const single = await post(`${BATCH}/${topic}/events/script?stray[x]=1`, '{"n":6}', { on: 1 });
    assert.equal(single.status, 202);
    for (const seat of seats.filter((one) => one.topic === topic)) {
      await seat.hears("script", { fits: ({ n }) => n === 6 });
      assert.deepEqual(
        seat.broadcasts.items.map(({ payload }) => payload.n),
        [0, 2, 4, 6],
      );
    }
    assert.deepEqual((await seats[1].hears("script")).payload, { n: 1 });
  });

  test("whoever has no right is told so in Supabase's form", async () => {
    const message = { topic: stage.topic("rights"), event: "x", payload: {} };
    const single = `${BATCH}/${message.topic}/events/x`;
    for (const send of [(options) => batch([message], options), (options) => post(single, "{}", options)]) {
      refused(await send({ token: null }), 401);
      refused(await send({ token: `${studentToken("ada")}x` }), 401);
      refused(await send({ token: mint({ sub: "ada", exp: 1 }) }), 401, /expired/);
    }
    const hidden = { ...message, topic: "somebody-else", private: true };
    refused(await batch([hidden]), 403, /^Unauthorized: You do not have permissions to write/);
    refused(await post(`${BATCH}/somebody-else/events/x?private=true`, "{}"), 403, /^Unauthorized/);
  });

  test("what is no message is 422 with its errors, what is too large 413, what is no JSON 400", async () => {
    const topic = stage.topic("wrong");
    const message = { topic, event: "x", payload: {} };
    const wrongs = [
      {},
      { messages: [] },
      { messages: "hello" },
      { messages: [{ ...message, topic: undefined }] },
      { messages: [{ ...message, topic: "" }] },
      { messages: [{ ...message, event: undefined }] },
      { messages: [{ ...message, payload: undefined }] },
      { messages: Array(101).fill(message) },
    ];
    const bob = await app({ sub: "bob", on: 1 }).sit(topic);
    for (const body of wrongs) {
      const { status, json } = await post(BATCH, JSON.stringify(body));
      assert.equal(status, 422, `${JSON.stringify(body).slice(0, 100)}: ${JSON.stringify(json)}`);
      assert.ok(json.errors && typeof json.errors === "object", JSON.stringify(json));
    }
    const large = { text: "x".repeat(300 * 1024) };
    refused(await batch([{ ...message, payload: large }]), 413, /^payload_size_exceeded/);
    refused(await post(`${BATCH}/${topic}/events/x`, JSON.stringify(large)), 413, /^payload_size_exceeded/);
    refused(await post(BATCH, '{"messages":['), 400);
    refused(await post(`${BATCH}/${topic}/events/x`, "{"), 400);
    assert.equal((await batch([message])).status, 202);
    await bob.hears("x");
    assert.equal(bob.broadcasts.items.length, 1);
  });
});
