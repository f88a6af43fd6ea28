// Who gets a socket: versions, the places of a token, origins, and refusals that say why.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { RawSocket, upgrade } from "./harness/raw.mjs";
import { Server } from "./harness/server.mjs";
import { inSeconds, hmacToken, mint, SECRETS, studentToken } from "./harness/token.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const token = studentToken("ada");
/** One of Supabase's newer keys, in which nothing can be read. */
const PUBLISHABLE = "sb_publishable_0123456789abcdefghijkl_01234567";
const withToken = `vsn=2.0.0&token=${token}`;

/** A refusal before the upgrade: its status, and a body that says `<Code>: <sentence>` with `word` in it. */
async function refused(status, word, options) {
  const answer = await upgrade(server, options);
  assert.equal(answer.status, status, answer.body);
  const { error, ...rest } = JSON.parse(answer.body);
  assert.deepEqual(rest, {}, "nothing but the error");
  assert.match(error, /^[A-Za-z]\w*: \S.*/, "a code and a sentence");
  if (word) assert.match(error, word);
}

describe("the serializer's version", () => {
  for (const vsn of ["2.0.0", "2.0.7", "1.0.0", "1.0.9"]) {
    test(`${vsn} is served`, async () => {
      assert.equal((await upgrade(server, { query: `vsn=${vsn}&token=${token}` })).status, 101);
    });
  }
  for (const query of [
    "vsn=3.0.0",
    "vsn=2.1.0",
    "vsn=1.1.0",
    "vsn=2",
    "vsn=",
    "vsn=garbage",
    "vsn[]=2.0.0",
    "vsn[a]=2.0.0",
    "vsn=%00%ff",
    "vsn=99999999999999999999.0.0",
  ]) {
    test(`${query} is refused with 403 and an empty body`, async () => {
      const { status, body } = await upgrade(server, { query: `${query}&token=${token}` });
      assert.deepEqual([status, body], [403, ""]);
    });
  }
});

describe("a token is found", () => {
  const b64 = Buffer.from(token).toString("base64");
  const url = Buffer.from(token).toString("base64url");
  const places = {
    "in the query as token": { query: withToken },
    "in the query as apikey": { query: `vsn=2.0.0&apikey=${token}` },
    "in the query as api_key": { query: `vsn=2.0.0&api_key=${token}` },
    "in the query as access_token": { query: `vsn=2.0.0&access_token=${token}` },
    "in x-api-key": { headers: { "x-api-key": token } },
    "in x-auth-token": { headers: { "x-auth-token": token } },
    "in Authorization": { headers: { authorization: `Bearer ${token}` } },
    "in apikey, as Supabase's clients send it": { headers: { apikey: token } },
    "in the query beside a publishable key": { query: `vsn=2.0.0&apikey=${PUBLISHABLE}&access_token=${token}` },
    "in Authorization beside a publishable key in the query": {
      query: `vsn=2.0.0&apikey=${PUBLISHABLE}`,
      headers: { authorization: `Bearer ${token}` },
    },
  };
  const pairs = {
    "base64url, unpadded": url,
    "base64url, padded": url + "=".repeat((4 - (url.length % 4)) % 4),
    "base64, padded": b64,
    "base64, unpadded": b64.replace(/=/g, ""),
  };
  for (const [where, options] of Object.entries(places)) {
    test(where, async () => assert.equal((await upgrade(server, options)).status, 101));
  }
  for (const [form, text] of Object.entries(pairs)) {
    test(`in the subprotocol pair (${form}), and phoenix is echoed`, async () => {
      const { status, headers } = await upgrade(server, {
        headers: { "sec-websocket-protocol": `phoenix, base64url.bearer.phx.${text}` },
      });
      assert.equal(status, 101);
      assert.equal(headers["sec-websocket-protocol"], "phoenix");
    });
  }
});

describe("a token is refused with a sentence that names what is wrong", () => {
  test("none at all", () => refused(401, null, {}));
  test("garbage", () => refused(401, null, { query: "vsn=2.0.0&token=garbage" }));
  test("expired", () =>
    refused(401, /exp/, { query: `vsn=2.0.0&token=${studentToken("ada", { exp: inSeconds(-60) })}` }));
  test("a publishable key alone, which says what to do", () =>
    refused(401, /^TokenMalformed: .*Supabase's publishable keys are opaque: pass a JWT of the tenant as the key$/, {
      query: `vsn=2.0.0&apikey=${PUBLISHABLE}`,
      headers: { apikey: PUBLISHABLE, authorization: `Bearer ${PUBLISHABLE}` },
    }));
  test("an unknown tenant", () =>
    refused(404, /`atlantis`/, {
      query: `vsn=2.0.0&token=${hmacToken(SECRETS.acme, { tenant: "atlantis", sub: "ada", exp: inSeconds(60) })}`,
    }));
  test("a tenant that is not the host's", () =>
    refused(403, /tenant/, { query: withToken, headers: { host: "globex.example.org" } }));
  test("one connection too many", async () => {
    const tiny = (sub) => ({ token: mint({ tenant: "tiny", sub }) });
    const held = [await RawSocket.open(server, tiny("a")), await RawSocket.open(server, tiny("b"))];
    await refused(429, null, { query: `vsn=2.0.0&token=${tiny("c").token}` });
    await held[0].close();
    const next = await RawSocket.open(server, tiny("c"));
    await Promise.all([held[1].close(), next.close()]);
  });
});

describe("a browser's origin", () => {
  const from = (origin) => ({ query: withToken, headers: origin ? { origin } : {} });
  for (const origin of [null, "https://play.acme.org", "https://a.b.acme.org", "https://acme.org"]) {
    test(`${origin ?? "absent"} is let in`, async () =>
      assert.equal((await upgrade(server, from(origin))).status, 101));
  }
  for (const origin of [
    "https://evil.org",
    "https://notacme.org",
    "https://acme.org.evil.org",
    "http://play.acme.org",
    "null",
    "%%",
  ]) {
    test(`${origin} is refused`, () => refused(403, null, from(origin)));
  }
});
