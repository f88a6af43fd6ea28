// Clients that mean harm, or are only quick: tokens that change amid joins, forged names, bursts.
import { test } from "node:test";
import assert from "node:assert/strict";
import { stages } from "../harness/supabase.mjs";
import { makeRoom } from "../harness/rest.mjs";
import { inSeconds, studentToken, teacherToken } from "../harness/token.mjs";

stages("clients that mean harm", (stage) => {
  const ok = async (asked) => assert.equal((await asked).payload.status, "ok");
  const refused = async (asked, words) => {
    const { payload } = await asked;
    assert.equal(payload.status, "error", JSON.stringify(payload));
    assert.match(payload.response.reason ?? payload.response.error, words);
  };
  /** A frame of V2 whose answer is not waited for. */
  const send = (socket, joinRef, ref, topic, event, payload) => socket.text([joinRef, ref, topic, event, payload]);

  test("a token that changes while joins are under way counts for them too", async () => {
    const room = await makeRoom(stage.node(0));
    const teach = stage.topic("teach");
    const socket = await stage.raw({ token: teacherToken(teach, { exp: inSeconds(30) }), on: 1 });
    send(socket, "1", "1", `realtime:music_room:${room}`, "phx_join", {});
    send(socket, "2", "2", `realtime:${teach}:x`, "phx_join", { config: { private: true } });
    send(socket, "1", "3", "realtime:none", "access_token", { access_token: studentToken("bob") });
    await refused(socket.reply("1"), /`sub` claim/);
    // Joined a moment before the token changed, or after: it is over.
    await socket.reply("2");
    await refused(socket.ask("2", `realtime:${teach}:x`, "broadcast", { event: "e" }), /unmatched topic/);
    await refused(socket.ask("1", `realtime:music_room:${room}`, "mute_all"), /unmatched topic/);
  });

  test("an older token that is proven later takes no newer one's place", async () => {
    const sub = stage.topic("ada");
    for (let round = 0; round < 10; round++) {
      const socket = await stage.raw({ token: studentToken(undefined), on: round });
      const old = { access_token: studentToken(undefined) };
      send(socket, "1", "1", `realtime:lobby-${sub}-${round}`, "phx_join", { config: { presence: { key: "x" } }, ...old });
      const fresh = { access_token: studentToken(sub) };
      send(socket, "2", "2", `realtime:${sub}:notes`, "phx_join", { config: { private: true }, ...fresh });
      await ok(socket.reply("1"));
      await ok(socket.reply("2"));
      const ack = socket.ask("2", `realtime:${sub}:notes`, "broadcast", { event: "still", payload: {} });
      await Promise.race([
        // Without ack nothing is answered: an unknown event proves that the channel is there.
        refused(socket.ask("2", `realtime:${sub}:notes`, "nonsense"), /unknown event/),
        ack.then(({ payload }) => assert.fail(JSON.stringify(payload))),
      ]);
      assert.ok(!socket.heard.items.some(({ event }) => event === "phx_close"));
    }
  });

  test("a token for another room ends the stay in this one", async () => {
    const [here, elsewhere] = [await makeRoom(stage.node(0)), await makeRoom(stage.node(0))];
    const topic = `music_room:${here}`;
    const socket = await stage.raw({ sub: "ada", on: 1 });
    await ok(socket.join(topic));
    await ok(socket.ask("1", topic, "access_token", { access_token: studentToken("ada", { room: elsewhere }) }));
    await socket.event("phx_close", { fits: (frame) => frame.topic === topic });
    await refused(socket.ask("1", topic, "play_note", { midi: 60 }), /unmatched topic/);
  });

  test("a room's events cannot be forged, however their names are written", async () => {
    const topic = `realtime:music_room:${await makeRoom(stage.node(0))}`;
    const socket = await stage.raw({ sub: "eve", on: 1 });
    await ok(socket.join(topic));
    for (const event of ["beat", "BEAT", "cloc\u212a_stopped", "Presence_Diff", "phx_close", "student_note", "system"])
      await refused(socket.ask("1", topic, "broadcast", { event, payload: {} }), /^reserved event: only the room itself/);
    await refused(socket.ask("1", topic, "nonsense"), /unknown event/);
    const config = { broadcast: { ack: true } };
    await ok(socket.join(topic, { config }, "2"));
    await ok(socket.ask("2", topic, "broadcast", { event: "cursor", payload: {} }));
  });

  test("who joins a room without presence hears of it from the first track on", async () => {
    const topic = `realtime:music_room:${await makeRoom(stage.node(0))}`;
    const socket = await stage.raw({ sub: "ada", on: 1 });
    await ok(socket.join(topic, { config: { presence: { enabled: false } } }));
    await ok(socket.ask("1", topic, "presence", { event: "track", payload: { mood: "good" } }));
    const { payload } = await socket.event("presence_state");
    assert.equal(payload.ada.metas[0].mood, "good");
    await ok((await stage.raw({ sub: "bob" })).join(topic));
    await socket.event("presence_diff", { fits: (frame) => "bob" in frame.payload.joins });
  });

  test("a burst of broadcasts that are acknowledged once kept is taken whole, in its order", async () => {
    const sub = stage.topic("burst");
    const topic = `realtime:${sub}`;
    const config = { private: true, broadcast: { ack: true } };
    const [socket, other] = [await stage.raw({ sub }), await stage.raw({ sub, on: 1 })];
    await ok(socket.join(topic, { config }));
    await ok(other.join(topic, { config }));
    const asked = Array.from({ length: 200 }, (_, n) =>
      socket.ask("1", topic, "broadcast", { event: "n", payload: { n } }),
    );
    await Promise.all(asked.map(ok));
    await other.event("broadcast", { fits: ({ payload }) => payload.payload.n === 199 });
    const heard = other.heard.items.filter(({ event }) => event === "broadcast");
    assert.deepEqual(
      heard.map(({ payload }) => payload.payload.n),
      Array.from({ length: 200 }, (_, n) => n),
    );
  });

  test("who enters a topic while its last broadcasts are being kept hears all of them once, in their order", async () => {
    for (let round = 0; round < 5; round++) {
      const sub = stage.topic("hasty");
      const topic = `realtime:${sub}`;
      const config = { private: true, broadcast: { replay: { since: 0, limit: 25 } } };
      const socket = await stage.raw({ sub, on: round });
      await ok(socket.join(topic, { config }));
      for (let n = 0; n < 20; n++) send(socket, "1", null, topic, "broadcast", { event: "n", payload: { n } });
      await ok(socket.join(topic, { config }, "2"));
      const numbers = () => socket.heard.items.filter(({ event }) => event === "broadcast").map(({ payload }) => payload.payload.n);
      await socket.event("broadcast", { fits: () => numbers().length >= 20 });
      await socket.heartbeat();
      assert.deepEqual(numbers(), Array.from({ length: 20 }, (_, n) => n));
    }
  });

  test("a tenant that says very much does not hold up another's private broadcasts", async () => {
    const sub = stage.topic("loud");
    const config = { private: true, broadcast: { ack: true } };
    const loud = await stage.raw({ sub });
    const quiet = await stage.raw({ sub, claims: { tenant: "globex" } });
    const listener = await stage.raw({ sub, on: 1 });
    for (const socket of [loud, quiet, listener]) await ok(socket.join(`realtime:${sub}`, { config }));
    const said = 1500;
    for (let n = 0; n < said; n++) send(loud, "1", null, `realtime:${sub}`, "broadcast", { event: "n", payload: { n } });
    await ok(quiet.ask("1", `realtime:${sub}`, "broadcast", { event: "kept", payload: {} }));
    await listener.event("broadcast", { fits: ({ payload }) => payload.payload.n === said - 1 });
    const heard = listener.heard.items.filter(({ event }) => event === "broadcast").map(({ payload }) => payload.payload.n);
    assert.deepEqual(heard, Array.from({ length: said }, (_, n) => n), "in their order, kept or not");
  });

  test("who may not write any more is not shown any more, though the track came first", async () => {
    const topic = `realtime:${stage.topic("shy")}`;
    const grant = (write) => studentToken("shy", { topics: [{ topic, write }] });
    const socket = await stage.raw({ token: grant(true) });
    const config = { private: true, presence: { enabled: false } };
    await ok(socket.join(topic, { config }));
    // In one write, so that the token comes while the track is under way.
    socket.ws._socket.cork();
    send(socket, "1", "9", topic, "presence", { event: "track", payload: { x: 1 } });
    send(socket, "1", "10", topic, "access_token", { access_token: grant(false) });
    socket.ws._socket.uncork();
    await socket.reply("9");
    await refused(socket.ask("1", topic, "presence", { event: "track", payload: { x: 2 } }), /permissions to write/);
    const late = await stage.raw({ token: grant(false) });
    await ok(late.join(topic, { config: { private: true } }));
    assert.deepEqual((await late.event("presence_state")).payload, {}, "nobody is shown");
  });

  test("a flood of tokens is bounded by the tenant's limits", async () => {
    const socket = await stage.raw({ claims: { tenant: "quiet" } });
    const flood = 1000;
    await ok(socket.join("realtime:x"));
    for (let n = 0; n < flood; n++) send(socket, null, null, "realtime:x", "access_token", { access_token: `no.${n}.token` });
    await socket.heartbeat();
    const told = socket.heard.items.filter(({ event }) => event === "system").length;
    assert.ok(told > 0 && told < flood / 2, `${told} were proven`);
  });

  test("much that was kept does not drown a newcomer", async () => {
    const sub = stage.topic("flood");
    const topic = `realtime:${sub}`;
    const config = { private: true, broadcast: { ack: true, replay: { since: 0, limit: 25 } } };
    const socket = await stage.raw({ sub });
    await ok(socket.join(topic, { config }));
    const large = "x".repeat(30_000);
    for (let n = 0; n < 30; n++) await ok(socket.ask("1", topic, "broadcast", { event: "n", payload: { n, large } }));
    await ok(socket.ask("1", topic, "broadcast", { event: "too large to keep", payload: "x".repeat(40_000) }));
    const late = await stage.raw({ sub, on: 1 });
    late.ws.pause();
    send(late, "1", "1", topic, "phx_join", { config });
    await ok(socket.ask("1", topic, "broadcast", { event: "n", payload: { n: 30 } }));
    late.ws.resume();
    await ok(late.reply("1"));
    await late.event("broadcast", { fits: ({ payload }) => payload.payload.n === 30 });
    const numbers = late.heard.items.filter(({ event }) => event === "broadcast").map(({ payload }) => payload.payload.n);
    assert.ok(numbers.length > 5 && numbers.length < 15, `the newest that fit: ${numbers}`);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
    await late.heartbeat();
  });
});
