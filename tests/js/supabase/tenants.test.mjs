// Tenants: chosen by the token or by the host, and never mixed.
import { test } from "node:test";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { upgrade } from "../harness/raw.mjs";
import { call } from "../harness/rest.mjs";
import { matrix } from "../harness/supabase.mjs";
import { SECRETS, hmacToken, inSeconds, mint, studentToken } from "../harness/token.mjs";

/** A WebSocket of a network in which every name is this machine. */
class Here extends WebSocket {
  constructor(url, protocols) {
    const address = { address: "127.0.0.1", family: 4 };
    const lookup = (_, options, done) => (options.all ? done(null, [address]) : done(null, address.address, 4));
    super(url, protocols ?? [], { lookup });
  }
}

/** A token that names no tenant. */
const nameless = (tenant, sub) => hmacToken(SECRETS[tenant], { sub, role: "student", exp: inSeconds(3600) });

matrix("tenants", (stage, { app }) => {
  const at = (host, on) => ({ url: `http://${host}:${stage.node(on).listen.split(":")[1]}` });

  test("two tenants' topics of one name are two topics", async () => {
    const sub = stage.topic("ada");
    const seats = {};
    for (const [on, tenant] of ["acme", "globex"].entries())
      for (const hidden of [false, true]) {
        const options = { private: hidden, presence: `${tenant} ${hidden}`, broadcast: { ack: true, self: true } };
        const seat = await app({ sub, on, claims: { tenant } }).sit(sub, options);
        await seat.channel.track({ tenant, hidden });
        assert.equal(await seat.send(tenant, { hidden }), "ok");
        seats[`${tenant} ${hidden}`] = seat;
      }
    const token = mint({ tenant: "globex", sub });
    const body = {
      messages: [false, true].map((hidden) => ({ topic: sub, event: "rest", payload: {}, private: hidden })),
    };
    assert.equal((await call(stage.node(0), "POST", "/api/broadcast", { token, body })).status, 202);
    for (const hidden of [false, true]) await seats[`globex ${hidden}`].hears("rest");
    for (const [key, seat] of Object.entries(seats)) {
      const [tenant, hidden] = [key.split(" ")[0], key.endsWith("true")];
      await seat.send("end", {});
      await seat.hears("end");
      await seat.sees({ [key]: [{ tenant, hidden }] });
      assert.deepEqual(
        seat.broadcasts.items.map(({ event }) => event),
        tenant === "globex" ? [tenant, "rest", "end"] : [tenant, "end"],
        key,
      );
    }
  });

  test("where the token names none, the host does: by its first label, by an alias, else it is the default", async () => {
    const topic = stage.topic("hosts");
    const hosts = { "globex.lesson.test": "globex", "globex.example.org": "globex", "school.test": "acme" };
    for (const [host, tenant] of Object.entries(hosts)) {
      const native = await app({ sub: "native", on: 1, claims: { tenant } }).sit(topic);
      const realtime = { transport: Here };
      const guest = await app({ sub: host, node: at(host, 0), token: nameless(tenant, host), realtime }).sit(topic);
      await guest.send(host, {});
      await native.hears(host);
      const options = { token: nameless(tenant, host), host, body: { n: 1 } };
      const rest = await call(stage.node(0), "POST", `/api/broadcast/${topic}/events/rest-${host}`, options);
      assert.equal(rest.status, 202, rest.text);
      await native.hears(`rest-${host}`);
    }
  });

  test("a host and a token that disagree are refused; a tenant that is not there is named", async () => {
    const knock = (token, host) =>
      upgrade(stage.node(1), {
        path: "/realtime/v1/websocket",
        query: `vsn=1.0.0&apikey=${token}`,
        headers: host ? { Host: host } : {},
      });
    assert.equal((await knock(studentToken("ada"), "globex.lesson.test")).status, 403);
    const nowhere = hmacToken(SECRETS.acme, { tenant: "nowhere", sub: "ada", exp: inSeconds(60) });
    const unknown = await knock(nowhere);
    assert.equal(unknown.status, 404);
    assert.match(JSON.parse(unknown.body).error, /nowhere/);
    // Supabase's clients take a 404 for an outdated server.
    const body = { messages: [{ topic: "x", event: "y", payload: {} }] };
    const rest = await call(stage.node(1), "POST", "/api/broadcast", { token: nowhere, body });
    assert.ok(rest.status === 401 || rest.status === 403, `${rest.status}`);
    assert.match(rest.json.message, /nowhere/);
  });
});
