// Who is here: presence as supabase-js keeps it, and what the wire says of it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { matrix } from "../harness/supabase.mjs";
import { soon } from "../harness/wait.mjs";

matrix("presence", (stage, { app }) => {
  const here = async (sub, topic, { on = 0, meta } = {}) => {
    const seat = await app({ sub, on }).sit(topic, { presence: sub });
    if (meta) assert.equal(await soon("track", seat.channel.track(meta)), "ok");
    return seat;
  };

  test("who tracks is seen by all who listen, those included who come later", async () => {
    const topic = stage.topic("hall");
    const ada = await here("ada", topic, { meta: { mood: "glad" } });
    await ada.sees({ ada: [{ mood: "glad" }] });
    const bob = await here("bob", topic, { on: 1, meta: { mood: "calm" } });
    const all = { ada: [{ mood: "glad" }], bob: [{ mood: "calm" }] };
    await Promise.all([ada, bob].map((seat) => seat.sees(all)));
    const late = await here("late", topic, { on: 1 });
    await late.sees(all);
    for (const seat of [ada, bob, late]) {
      // A newcomer's first diff may repeat what its state has shown.
      const joins = new Set(seat.presences.items.filter(({ event }) => event === "join").map(({ key }) => key));
      assert.deepEqual([...joins].sort(), ["ada", "bob"]);
      assert.ok(seat.presences.items.some(({ event }) => event === "sync"));
    }
  });

  test("a changed track is one change of the same person", async () => {
    const topic = stage.topic("moods");
    const watcher = await stage.raw({ sub: "watcher", on: 1 });
    await watcher.join(`realtime:${topic}`, { config: { presence: { enabled: true } } });
    const bob = await here("bob", topic, { on: 1 });
    const ada = await here("ada", topic, { meta: { mood: "glad" } });
    const diff = (mood) =>
      watcher.event("presence_diff", {
        fits: ({ payload }) => payload.joins.ada?.metas.some((meta) => meta.mood === mood),
      });
    const { payload: first } = await diff("glad");
    await bob.sees({ ada: [{ mood: "glad" }] });
    assert.equal(await ada.channel.track({ mood: "tired" }), "ok");
    const { payload: second } = await diff("tired");
    const [before] = first.joins.ada.metas;
    const [now] = second.joins.ada.metas;
    assert.notEqual(now.phx_ref, before.phx_ref);
    assert.equal(now.phx_ref_prev, before.phx_ref);
    assert.deepEqual(
      second.leaves.ada.metas.map(({ phx_ref }) => phx_ref),
      [before.phx_ref],
    );
    await bob.sees({ ada: [{ mood: "tired" }] });
    await ada.sees({ ada: [{ mood: "tired" }] });
  });

  test("who untracks, leaves or is gone is seen no more", async () => {
    const topic = stage.topic("exits");
    const watcher = await here("watcher", topic, { on: 1 });
    const people = [];
    for (const [on, sub] of ["ada", "bob", "cid"].entries()) people.push(await here(sub, topic, { on, meta: { sub } }));
    const [ada, bob, cid] = people;
    await watcher.sees({ ada: [{ sub: "ada" }], bob: [{ sub: "bob" }], cid: [{ sub: "cid" }] });
    assert.equal(await soon("untrack", ada.channel.untrack()), "ok");
    await watcher.sees({ bob: [{ sub: "bob" }], cid: [{ sub: "cid" }] });
    await bob.channel.unsubscribe();
    await watcher.sees({ cid: [{ sub: "cid" }] });
    cid.app.leave();
    await watcher.sees({});
    assert.deepEqual(
      watcher.presences.items.filter(({ event }) => event === "leave").map(({ key }) => key),
      ["ada", "bob", "cid"],
    );
  });

  test("one key on two devices is one person with two presences", async () => {
    const topic = stage.topic("devices");
    const phone = await here("ada", topic, { meta: { device: "phone" } });
    const laptop = await here("ada", topic, { on: 1, meta: { device: "laptop" } });
    const both = { ada: [{ device: "phone" }, { device: "laptop" }] };
    await Promise.all([phone, laptop].map((seat) => seat.sees(both)));
    await phone.channel.unsubscribe();
    await laptop.sees({ ada: [{ device: "laptop" }] });
  });

  test("without a key everybody gets one of their own", async () => {
    const topic = stage.topic("keyless");
    const seats = [];
    for (const [on, sub] of ["ada", "bob"].entries()) {
      const seat = await app({ sub, on }).sit(topic, { presence: true });
      await seat.channel.track({ sub });
      seats.push(seat);
    }
    for (const seat of seats) {
      await seat.presences.until("both", () => Object.keys(seat.state()).length === 2);
      assert.deepEqual(
        Object.values(seat.state())
          .flat()
          .map(({ sub }) => sub)
          .sort(),
        ["ada", "bob"],
      );
    }
  });

  test("who does not listen hears nothing of it, but may be seen", async () => {
    const topic = stage.topic("shy");
    const bob = await here("bob", topic, { on: 1 });
    const shy = await stage.raw({ sub: "shy" });
    const config = { presence: { enabled: false, key: "shy" }, broadcast: { self: true } };
    await shy.join(`realtime:${topic}`, { config });
    const ada = await here("ada", topic, { meta: { n: 1 } });
    await bob.sees({ ada: [{ n: 1 }] });
    await ada.channel.untrack();
    await bob.sees({});
    assert.deepEqual(
      shy.heard.items.map(({ event }) => event),
      ["phx_reply"],
    );
    const tracked = await shy.ask("1", `realtime:${topic}`, "presence", {
      type: "presence",
      event: "track",
      payload: { n: 2 },
    });
    assert.deepEqual(tracked.payload, { status: "ok", response: {} });
    await bob.sees({ shy: [{ n: 2 }] });
    const { payload: state } = await shy.event("presence_state");
    assert.ok(state && typeof state === "object");
  });

  test("a presence that is no object, or too large, or one too many is refused in words", async () => {
    const topic = `realtime:${stage.topic("limits")}`;
    const socket = await stage.raw({ on: 1 });
    await socket.join(topic, { config: { presence: { key: "raw" } } });
    const track = async (payload) =>
      (await socket.ask("1", topic, "presence", { type: "presence", event: "track", payload })).payload;
    assert.deepEqual(await track([1]), {
      status: "error",
      response: { reason: "Presence track payload must be a map" },
    });
    assert.deepEqual(await track({ text: "x".repeat(17 * 1024) }), {
      status: "error",
      response: { error: "payload_size_exceeded" },
    });
    const replies = await Promise.all(Array.from({ length: 30 }, (_, n) => track({ n })));
    const refused = replies.filter(({ status }) => status === "error");
    assert.ok(refused.length >= 10, `of 32 presence messages in a second only ${refused.length} were refused`);
    for (const { response } of refused)
      assert.deepEqual(response, { reason: "ClientPresenceRateLimitReached: Client presence rate limit exceeded" });
  });
});
