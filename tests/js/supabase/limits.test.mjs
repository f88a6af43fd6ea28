// Limits answer with Supabase's own words, and its clients recover as they do there.
import { test } from "node:test";
import assert from "node:assert/strict";
import { upgrade } from "../harness/raw.mjs";
import { matrix } from "../harness/supabase.mjs";
import { studentToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";

matrix("limits", (stage, { app }) => {
  const of = (tenant, sub, on = 0) => app({ sub, on, claims: { tenant } });

  test("more channels than a client may have", async () => {
    const ada = of("tiny", "ada", 1);
    for (const n of [1, 2]) await ada.sit(stage.topic(`channel${n}`));
    await ada.seat(stage.topic("channel3")).refused("ChannelRateLimitReached: Too many channels");
    ada.leave();
  });

  test("more users than a tenant may have: who comes too early comes in when somebody left", async () => {
    const token = studentToken("knock", { tenant: "tiny" });
    const knock = (status) =>
      eventually(
        `${status} at the door`,
        async () => {
          await span(50);
          return upgrade(stage.node(1), { path: "/realtime/v1/websocket", query: `vsn=1.0.0&apikey=${token}` });
        },
        (answer) => answer.status === status,
      );
    // Counts lag by a second, over nodes; so does the leaving of the test before.
    await knock(101);
    const topic = stage.topic("full");
    const [ada, bob] = [of("tiny", "ada"), of("tiny", "bob", 1)];
    await ada.sit(topic);
    await bob.sit(topic);
    const { body } = await knock(429);
    assert.deepEqual(JSON.parse(body), { error: "ConnectionRateLimitReached: Too many connected users" });
    const late = of("tiny", "late", 1).seat(topic).subscribe();
    await late.statuses.until("CHANNEL_ERROR", ({ status }) => status === "CHANNEL_ERROR");
    ada.leave();
    await late.subscribed();
    for (const one of [bob, late.app]) one.leave();
  });

  test("more joins than a tenant may have a second: who was refused gets in a little later", async () => {
    const ada = of("hasty", "ada", 1);
    const seats = Array.from({ length: 7 }, () => ada.seat(stage.topic("rush")).subscribe());
    const { response } = await ada.hears("phx_reply", { fits: ({ status }) => status === "error" });
    assert.deepEqual(response, { reason: "ClientJoinRateLimitReached: Too many joins per second" });
    for (const seat of seats) await seat.subscribed();
  });

  test("more messages than a tenant may have a second", async () => {
    const topic = stage.topic("flood");
    const ada = await of("quiet", "ada", 1).sit(topic, { broadcast: { ack: true } });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ada.send("drop", { n })));
    assert.ok(answers.includes("ok"), "some must go through");
    assert.ok(answers.includes("error"), "60 messages at once must be too many");
    for (const { payload } of ada.app.heard.items.filter(({ payload }) => payload.status === "error"))
      assert.deepEqual(payload.response, { reason: "Too many messages per second" });
    await eventually(
      "the next second",
      async () => {
        await span(100);
        return ada.send("later", {});
      },
      (answer) => answer === "ok",
    );
    const body = JSON.stringify({ messages: [{ topic, event: "script", payload: {} }] });
    const headers = { authorization: `Bearer ${ada.app.token}`, "content-type": "application/json" };
    const calls = Array.from({ length: 60 }, () =>
      fetch(`${stage.node(1).url}/api/broadcast`, { method: "POST", headers, body }),
    );
    const statuses = await Promise.all(
      (await Promise.all(calls)).map(async (answer) => [answer.status, await answer.json().catch(() => null)]),
    );
    const refused = statuses.filter(([status]) => status !== 202);
    assert.ok(refused.length > 0, "60 calls at once must be too many");
    for (const one of refused) assert.deepEqual(one, [429, { message: "Too many messages per second" }]);
  });
});
