// Who somebody is: the token decides, the client's word counts for nothing, and tokens end and are renewed.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { Player } from "./harness/player.mjs";
import { RawSocket, upgrade } from "./harness/raw.mjs";
import { call, makeRoom } from "./harness/rest.mjs";
import { Server, TENANTS, downbeatBin } from "./harness/server.mjs";
import { SECRETS, hmacToken, inSeconds, mint, signedToken, studentToken, unsignedToken } from "./harness/token.mjs";
import { eventually } from "./harness/wait.mjs";

let server;
let room;
let topic;
before(async () => {
  server = await Server.start();
  room = await makeRoom(server, { bpm: 240 });
  topic = `music_room:${room}`;
});
after(() => server?.stop());

async function joined(token, payload = {}) {
  const socket = await RawSocket.open(server, { token });
  const { payload: reply } = await socket.join(topic, payload);
  await socket.close();
  return reply;
}

describe("role and id", () => {
  test("a role in the join's params is ignored", async () => {
    const { response } = await joined(studentToken("eve"), { role: "teacher", student_id: "ms-lee" });
    assert.deepEqual([response.role, response.student_id], ["student", "eve"]);
  });
  test("an unknown role is a student's", async () => {
    assert.equal((await joined(mint({ sub: "x", role: "admin" }))).response.role, "student");
    assert.equal((await joined(mint({ sub: "x", role: undefined }))).response.role, "student");
  });
  test("app_metadata.role counts where there is no role", async () => {
    assert.equal(
      (await joined(mint({ sub: "x", role: undefined, app_metadata: { role: "teacher" } }))).response.role,
      "teacher",
    );
  });
  test("without sub the join names the student", async () => {
    const nameless = mint({});
    assert.equal((await joined(nameless, { student_id: "carl" })).response.student_id, "carl");
    assert.deepEqual(await joined(nameless), { status: "error", response: { reason: "student_id required" } });
  });
  test("`downbeat token` mints what the server takes", async () => {
    const args = ["token", "--tenant", "acme", "--role", "teacher", "--sub", "ada", "--config", server.configFile];
    const token = execFileSync(downbeatBin(), args, { cwd: server.dir, encoding: "utf8" }).trim();
    const { response } = await joined(token);
    assert.deepEqual([response.role, response.student_id], ["teacher", "ada"]);
  });
});

describe("a forged token opens nothing", () => {
  const claims = { tenant: "acme", role: "teacher", sub: "eve", exp: inSeconds(3600) };
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const forged = {
    "alg none": unsignedToken(claims),
    "alg None": hmacToken("", claims, { header: { alg: "None" } }),
    "the wrong family": signedToken(rsa.privateKey, "RS256", "k1", claims),
    "no exp": mint({ exp: undefined, role: "teacher", sub: "eve" }),
    "another tenant's key": hmacToken(SECRETS.globex, claims),
    "a far-future nbf": mint({ ...claims, nbf: inSeconds(86_400) }),
    "exp as text": mint({ ...claims, exp: "tomorrow" }),
    "a cut signature": mint(claims).slice(0, -8),
    "no signature": mint(claims).replace(/[^.]*$/, ""),
    "claims that are a list": hmacToken(SECRETS.acme, [1, 2]),
  };
  for (const [what, token] of Object.entries(forged)) {
    test(what, async () => {
      const { status, body } = await upgrade(server, { headers: { "x-auth-token": token } });
      assert.equal(status, 401, body);
      assert.match(JSON.parse(body).error, /^\w+: /);
      const rest = await call(server, "POST", "/api/music/rooms", { token, body: {} });
      assert.equal(rest.status, 401, rest.text);
      assert.ok(!rest.text.includes(token.slice(0, 40)), "the token itself is not repeated");
    });
  }
  test("rooms are for teachers to make", async () => {
    assert.equal(
      (await call(server, "POST", "/api/music/rooms", { token: studentToken("ada"), body: {} })).status,
      403,
    );
    assert.equal((await call(server, "POST", "/api/music/rooms", { body: {} })).status, 401);
  });
  test("another tenant's teacher finds no room here", async () => {
    const stranger = await RawSocket.open(server, { token: mint({ tenant: "globex", role: "teacher", sub: "g" }) });
    assert.equal((await stranger.join(topic)).payload.response.reason, "Room not found");
    await stranger.close();
    const { status } = await call(server, "GET", `/api/music/rooms/${room}`, {
      token: mint({ tenant: "globex", role: "teacher", sub: "g" }),
    });
    assert.equal(status, 404);
  });
});

describe("a token that ends on a live socket", () => {
  const player = (id, token) => new Player({ server, room, id, token });
  const warned = (one) => one.status === "ok" && /token expires/.test(one.message);

  test("is announced, then errors the channel, unless access_token renews it", { timeout: 60_000 }, async () => {
    const short = studentToken("short", { exp: inSeconds(4) });
    const renewing = studentToken("renew", { exp: inSeconds(4) });
    const late = player("short", () => short);
    const renewed = player("renew", () => renewing);
    await Promise.all([late.join(), renewed.join()]);
    await Promise.all([late.hears("system", { fits: warned }), renewed.hears("system", { fits: warned })]);
    renewed.channel.push("access_token", { access_token: studentToken("renew") });
    await late.hears("system", { fits: (one) => one.status === "error", ms: 30_000 });
    await late.hears("phx_error", { ms: 30_000 });
    assert.ok(Date.now() / 1000 >= inSeconds(0), "after exp");
    await renewed.ok("play_note", { midi: 60 });
    await renewed.hears("beat", { from: renewed.heard.mark() });
    assert.deepEqual(renewed.all("phx_error"), []);
    assert.ok(late.socket.isConnected(), "the socket stays");
    await Promise.all([late.disconnect(), renewed.disconnect()]);
  });

  test("may be renewed by the rejoin's params, or on the errored topic", { timeout: 60_000 }, async () => {
    const ending = () => RawSocket.open(server, { token: studentToken("renee", { exp: inSeconds(2) }) });
    const [byJoin, byPush] = await Promise.all([ending(), ending()]);
    await Promise.all([byJoin.join(topic, {}, "1"), byPush.join(topic, {}, "1")]);
    await Promise.all([byJoin.event("phx_error", { ms: 30_000 }), byPush.event("phx_error", { ms: 30_000 })]);
    const refused = await byJoin.join(topic, {}, "2");
    assert.equal(refused.payload.status, "error", "an ended token joins nothing");
    assert.equal((await byJoin.join(topic, { access_token: studentToken("renee") }, "3")).payload.status, "ok");
    byPush.text(["1", "x", topic, "access_token", { access_token: studentToken("renee") }]);
    assert.equal((await byPush.join(topic, {}, "4")).payload.status, "ok");
    await Promise.all([byJoin.close(), byPush.close()]);
  });

  test("is not renewed by a stranger's", { timeout: 60_000 }, async () => {
    const socket = await RawSocket.open(server, { token: studentToken("sam", { exp: inSeconds(2) }) });
    await socket.join(topic, {}, "1");
    socket.text(["1", "x", topic, "access_token", { access_token: mint({ tenant: "globex", sub: "sam" }) }]);
    socket.text(["1", "y", topic, "access_token", { access_token: 5 }]);
    socket.text(["1", "z", topic, "access_token", {}]);
    await socket.event("phx_error", { ms: 30_000 });
    await socket.heartbeat();
    await socket.close();
  });
});

describe("guests", () => {
  test("get a student's token for one room alone", async () => {
    const teacher = mint({ tenant: "open", role: "teacher", sub: "t" });
    const [one, other] = [await makeRoom(server, {}, teacher), await makeRoom(server, {}, teacher)];
    // Without a token the host names the tenant, here by its first label.
    const { status, json, text } = await call(server, "POST", `/api/music/rooms/${one}/guest`, {
      host: "open.example.org",
      body: { name: "Gina" },
    });
    assert.equal(status, 201, text);
    const guest = await RawSocket.open(server, { token: json.token });
    const { payload } = await guest.join(`music_room:${one}`, {}, "1");
    assert.equal(payload.status, "ok", JSON.stringify(payload));
    assert.equal(payload.response.role, "student");
    assert.equal(
      payload.response.members.find((member) => member.student_id === payload.response.student_id).name,
      "Gina",
    );
    assert.equal((await guest.join(`music_room:${other}`, {}, "2")).payload.status, "error");
    await guest.close();
    assert.equal((await call(server, "POST", "/api/music/rooms", { token: json.token, body: {} })).status, 403);
  });

  test("are not for tenants that do not want them", async () => {
    const { status } = await call(server, "POST", `/api/music/rooms/${room}/guest`, { body: { name: "Gina" } });
    assert.ok([403, 404].includes(status), `status ${status}`);
  });
});

describe("a tenant with a key set", () => {
  const pairs = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: generateKeyPairSync("ed25519"),
  };
  const jwk = (alg, kid) => ({ ...pairs[alg].publicKey.export({ format: "jwk" }), kid, alg, use: "sig" });
  const claims = (extra) => ({ tenant: "keys", role: "teacher", sub: "kim", exp: inSeconds(600), ...extra });
  let published = [jwk("RS256", "rsa-1"), jwk("ES256", "ec-1")];
  let fetches = 0;
  let jwksServer;
  let keyed;
  before(async () => {
    jwksServer = createServer((_, response) => {
      fetches += 1;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: published }));
    });
    jwksServer.listen(0, "127.0.0.1");
    await once(jwksServer, "listening");
    const url = `http://127.0.0.1:${jwksServer.address().port}/jwks.json`;
    keyed = await Server.start({ toml: `${TENANTS}\n[[tenants]]\nid = "keys"\njwks_url = "${url}"\n` });
  });
  after(async () => {
    await keyed?.stop();
    jwksServer.close();
  });

  const asks = (token) => call(keyed, "POST", "/api/music/rooms", { token, body: {} });
  for (const [alg, kid] of [
    ["RS256", "rsa-1"],
    ["ES256", "ec-1"],
  ]) {
    test(`takes ${alg}`, async () =>
      assert.equal((await asks(signedToken(pairs[alg].privateKey, alg, kid, claims()))).status, 201));
  }
  test("fetches anew for a kid that it does not know, though not at once again", { timeout: 90_000 }, async () => {
    published = [...published, jwk("EdDSA", "ed-1")];
    const rsa = () => signedToken(pairs.RS256.privateKey, "RS256", "rsa-1", claims());
    const code = await makeRoom(keyed, { bpm: 60 }, rsa());
    const listener = new Player({ server: keyed, room: code, id: "kim", token: rsa });
    await listener.join();
    const askOnTheBeat = async () => {
      await listener.hears("beat", { from: listener.heard.mark() });
      return (await asks(signedToken(pairs.EdDSA.privateKey, "EdDSA", "ed-1", claims()))).status;
    };
    await eventually("the new key is taken", askOnTheBeat, (status) => status === 201, 60_000);
    assert.ok(fetches < 10, `${fetches} fetches: the limit on them`);
    await listener.disconnect();
  });
  test("takes no public key for an HMAC secret", async () => {
    const pem = pairs.RS256.publicKey.export({ type: "spki", format: "pem" });
    assert.equal((await asks(hmacToken(pem, claims(), { header: { kid: "rsa-1" } }))).status, 401);
  });
  test("takes no kid of another family", async () => {
    assert.equal((await asks(signedToken(pairs.RS256.privateKey, "RS256", "ec-1", claims()))).status, 401);
  });
});
