// Which tenant a request is for, over a WebSocket handshake and over REST alike: claim, host label, alias, default.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { upgrade } from "./harness/raw.mjs";
import { call } from "./harness/rest.mjs";
import { Server, TENANTS } from "./harness/server.mjs";
import { hmacToken, inSeconds, SECRETS } from "./harness/token.mjs";

const ALIAS = "music.globex-academy.test";
const WITH_ALIAS = TENANTS.replace('hosts = ["globex.example.org"]', `hosts = ["${ALIAS}"]`);
const servers = {};
before(async () => {
  assert.ok(WITH_ALIAS.includes(ALIAS));
  servers.withDefault = await Server.start({ toml: WITH_ALIAS });
  servers.without = await Server.start({ toml: WITH_ALIAS.replace(/^default_tenant.*$/m, "") });
});
after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

/** A teacher's token signed by `signer`, which names `claimed`, or no tenant at all. */
const token = (signer, claimed) =>
  hmacToken(SECRETS[signer], {
    sub: "ms-lee",
    role: "teacher",
    exp: inSeconds(600),
    ...(claimed === undefined ? {} : { tenant: claimed }),
  });

/** A refusal's status and its `<Code>: <sentence>`; 200 for what is let in. */
const ways = {
  "a handshake": async (server, shown, host) => {
    const { status, body } = await upgrade(server, { query: `vsn=2.0.0&token=${shown}`, headers: { host } });
    return status === 101 ? { status: 200 } : { status, said: JSON.parse(body).error };
  },
  "a handshake for Supabase's clients": async (server, shown, host) => {
    const at = { path: "/realtime/v1/websocket", query: `apikey=${shown}&vsn=1.0.0`, headers: { host } };
    const { status, body } = await upgrade(server, at);
    return status === 101 ? { status: 200 } : { status, said: JSON.parse(body).error };
  },
  "a REST call": async (server, shown, host) => {
    const { status, json } = await call(server, "GET", "/api/music/rooms", { token: shown, host });
    if (status === 200) return { status };
    const code = json.error.code.replace(/(^|_)(\w)/g, (_, _before, letter) => letter.toUpperCase());
    return { status, said: `${code}: ${json.error.message}` };
  },
};

for (const [way, ask] of Object.entries(ways)) {
  const letIn = async (server, shown, host) => {
    const { status, said } = await ask(servers[server], shown, host);
    assert.equal(status, 200, said);
  };
  const refused = async (server, shown, host, expected, words) => {
    const { status, said } = await ask(servers[server], shown, host);
    assert.equal(status, expected, said);
    assert.match(said, words);
    assert.doesNotMatch(said, new RegExp(shown.split(".")[2]), "no part of the token is repeated");
  };

  describe(`the tenant of ${way}`, () => {
    test("is the one that the claim names, whatever host names none", async () => {
      await letIn("withDefault", token("globex", "globex"), "10.0.0.7:4000");
      await letIn("without", token("globex", "globex"), "realtime.school.test");
    });
    test("is the one whose id is the first label of the host", async () => {
      await letIn("withDefault", token("globex"), "globex.school.test");
      await letIn("without", token("globex"), "GLOBEX.school.test.:4000");
    });
    test("is the one of whose aliases the host is one", async () => {
      await letIn("withDefault", token("globex"), ALIAS);
      await letIn("without", token("globex"), `${ALIAS}:443`);
    });
    test("is the default where nothing names one, or only an unknown label", async () => {
      await letIn("withDefault", token("acme"), "127.0.0.1:4000");
      await letIn("withDefault", token("acme"), "nobody.school.test");
    });
    test("proves the token with its own key: another tenant's signature does not fit", async () => {
      const other = /^TokenSignatureInvalid: .*`(acme|globex)`/;
      await refused("withDefault", token("globex"), "nobody.school.test", 401, other);
      await refused("withDefault", token("acme"), ALIAS, 401, other);
      await refused("without", token("acme", "globex"), "127.0.0.1:4000", 401, other);
    });
    test("cannot be one by the claim and another by the host", async () => {
      const mismatch = /^TenantMismatch: .*`globex`/;
      for (const host of [ALIAS, "globex.school.test"]) {
        await refused("withDefault", token("acme", "acme"), host, 403, mismatch);
        await refused("without", token("acme", "nobody"), host, 403, mismatch);
      }
    });
    test("is named in the refusal when a claim asks for one that does not exist, default or not", async () => {
      const unknown = /^TenantUnknown: no tenant `acmee` here: the token's `tenant` claim/;
      await refused("withDefault", token("acme", "acmee"), "127.0.0.1:4000", 404, unknown);
      await refused("without", token("acme", "acmee"), "nobody.school.test", 404, unknown);
    });
    test("is only described in the refusal when its name is long or unprintable", async () => {
      const described = (how) => new RegExp(`^TenantUnknown: no tenant ${how} here: `);
      const ask = (claimed, how) => refused("without", token("acme", claimed), "127.0.0.1:4000", 404, described(how));
      await ask("x".repeat(64), "with a name of 64 characters");
      await ask("acme\u001b[2J", "with a name of unprintable characters");
      await ask("", "with an empty name");
    });
    test("is named in the refusal when only the host asks for it and there is no default", async () => {
      const unknown = /^TenantUnknown: no tenant `acmee` here: the host `acmee\.school\.test`/;
      await refused("without", token("acme"), "acmee.school.test", 404, unknown);
    });
    test("is undecided where the host is an address and there is no default, and the refusal says so", async () => {
      const undecided = /^TenantUnknown: no tenant was named: .*`127\.0\.0\.1:4000`.*default_tenant/;
      await refused("without", token("acme"), "127.0.0.1:4000", 404, undecided);
    });
  });
}
