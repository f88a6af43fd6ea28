// Tokens are renewed, end, and change: what a channel's user gets to know of it.
import { after, test } from "node:test";
import assert from "node:assert/strict";
import { VERSIONS, calling, realtimeClient, stages } from "../harness/supabase.mjs";
import { inSeconds, studentToken } from "../harness/token.mjs";
import { Heard } from "../harness/wait.mjs";

const FIELDS = ["channel", "extension", "message", "status"];

stages("tokens", (stage) => {
  after(() => stage.everybodyLeaves());

  for (const version of Object.keys(VERSIONS)) {
    test(`a user whose new token opens a topic no more is told, and leaves it (supabase-js, ${version})`, async () => {
      const sub = stage.topic("ada");
      const ada = stage.app(version, { sub, on: 1 });
      const kept = await ada.sit(stage.topic("open"));
      const lost = await ada.sit(sub, { private: true });
      await ada.renew(studentToken("somebody-else"));
      const { message, ...system } = await ada.hears("system", { fits: ({ status }) => status === "error" });
      assert.equal(message, `You no longer have permission to read from this Channel topic: ${sub}`);
      assert.deepEqual([system.status, system.channel], ["error", sub]);
      await lost.statuses.until("CLOSED", ({ status }) => status === "CLOSED");
      const other = await stage.app(version, { sub: "other" }).sit(kept.topic);
      await other.send("hello", {});
      await kept.hears("hello");
    });

    test(`the app's key opens the socket, the user's token the topic (supabase-js, ${version})`, async () => {
      const sub = stage.topic("ada");
      const seats = [];
      for (const on of [0, 1]) {
        const key = studentToken("anon", { sub: undefined, role: "anon" });
        const own = stage.app(version, { sub, key, on });
        // As Supabase's documentation has it, before a private channel.
        await own.supabase.realtime.setAuth();
        seats.push(await own.sit(sub, { private: true }));
      }
      await seats[0].send("hello", {});
      await seats[1].hears("hello");
    });
    test(`realtime-js alone keeps the token that it was given by hand (${version})`, async () => {
      const sub = stage.topic("ada");
      const client = realtimeClient(version, stage.node(1), studentToken("anon", { sub: undefined, role: "anon" }));
      stage.guests.push(() => calling(() => client.disconnect()));
      const told = new Heard(`realtime-js, ${version}`);
      await client.setAuth(studentToken(sub));
      const channel = client.channel(sub, { config: { private: true } });
      channel.on("broadcast", { event: "*" }, ({ event }) => told.add(event));
      channel.subscribe((status) => told.add(status));
      await told.until("SUBSCRIBED", (one) => one === "SUBSCRIBED");
      await calling(() => client.setAuth(studentToken(sub, { exp: inSeconds(7200) })));
      client.onHeartbeat((status) => told.add(`heartbeat ${status}`));
      client.sendHeartbeat();
      await told.until("heartbeat", (one) => one === "heartbeat ok");
      await (await stage.app(version, { sub }).sit(sub, { private: true })).send("hello", {});
      await told.until("hello", (one) => one === "hello");
      assert.deepEqual(told.items, ["SUBSCRIBED", "heartbeat sent", "heartbeat ok", "hello"]);
    });
  }

  test("a token that is none changes nothing, and its sender is told", async () => {
    const sub = stage.topic("ada");
    const topic = `realtime:${sub}`;
    const socket = await stage.raw({ sub, on: 1 });
    await socket.join(topic, { config: { private: true, broadcast: { ack: true } } });
    const send = async () =>
      (await socket.ask("1", topic, "broadcast", { type: "broadcast", event: "hello", payload: {} })).payload;
    // Supabase's own kinds of key, which some apps pass on as they are, and nothing at all.
    for (const access_token of [null, "sb_publishable_123"])
      socket.text(["1", `t${access_token}`, topic, "access_token", { access_token }]);
    assert.deepEqual(await send(), { status: "ok", response: {} });
    assert.deepEqual(
      socket.heard.items.map(({ event }) => event).filter((event) => !event.startsWith("presence")),
      ["phx_reply", "phx_reply"],
    );
    socket.text(["1", "bad", topic, "access_token", { access_token: `${studentToken(sub)}x` }]);
    const { payload } = await socket.event("system");
    assert.deepEqual([Object.keys(payload).sort(), payload.status, payload.channel], [FIELDS, "error", sub]);
    assert.deepEqual(await send(), { status: "ok", response: {} });
    assert.equal(
      socket.heard.items.some(({ event, ref }) => event === "phx_reply" && ref === "bad"),
      false,
    );
  });

  test(
    "a renewed token goes on; one that ended ends the channel until a fresh one comes",
    { timeout: 60_000 },
    async () => {
      const each = async (version) => {
        const topic = stage.topic("ends");
        // Taken still, within the leeway; the channel ends ten seconds after it.
        const token = studentToken("ada", { exp: inSeconds(-3) });
        const [careful, careless] = [0, 1].map((on) => stage.app(version, { sub: "ada", token, on }));
        const going = await careful.sit(topic);
        const ending = await careless.sit(topic);
        const warning = await careless.hears("system");
        assert.deepEqual([Object.keys(warning).sort(), warning.status, warning.channel], [FIELDS, "ok", topic]);
        assert.match(warning.message, /expires/);
        await careful.renew(studentToken("ada"));

        await ending.statuses.until("CHANNEL_ERROR", ({ status }) => status === "CHANNEL_ERROR");
        const { payload: end } = careless.heard.items.find(
          ({ event, payload }) => event === "system" && payload.status === "error",
        );
        assert.deepEqual([Object.keys(end).sort(), end.channel], [FIELDS, topic]);
        assert.match(end.message, /expired/);

        const from = ending.statuses.mark();
        await careless.renew(studentToken("ada"));
        await ending.subscribed({ from });
        await going.send("hello", {});
        await ending.hears("hello");
        assert.deepEqual(
          going.statuses.items.map(({ status }) => status),
          ["SUBSCRIBED"],
        );
      };
      await Promise.all(Object.keys(VERSIONS).map(each));
    },
  );
});
