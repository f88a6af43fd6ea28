// How the server ends a socket, with which code, and that nobody else waits for a slow one.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "./harness/player.mjs";
import { RawSocket } from "./harness/raw.mjs";
import { makeRoom } from "./harness/rest.mjs";
import { Server } from "./harness/server.mjs";
import { SECRETS, mint, studentToken, teacherToken } from "./harness/token.mjs";
import { eventually, soon } from "./harness/wait.mjs";

const LOUD = `
default_tenant = "acme"
[[tenants]]
id = "acme"
jwt_secret = "${SECRETS.acme}"
[tenants.limits]
max_events_per_second = 1000000
`;

let server;
let room;
before(async () => {
  server = await Server.start({ toml: LOUD, args: ["--idle-timeout-s", "3", "--drain-s", "2"] });
  room = await makeRoom(server, { bpm: 240 });
});
after(() => server?.stop());

const open = (token = studentToken("ada")) => RawSocket.open(server, { token });

const MALFORMED = {
  "no JSON": "hello",
  "half a frame": '["1","1","phoenix","heart',
  "NaN for a payload": '[null,"1","phoenix","heartbeat",NaN]',
  "an object on V2": '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}',
  "four elements": '[null,"1","phoenix","heartbeat"]',
  "a number for a topic": '[null,"1",5,"heartbeat",{}]',
  "an empty frame": "",
};
for (const [what, frame] of Object.entries(MALFORMED)) {
  test(`a malformed frame (${what}) closes with 1011`, async () => {
    const socket = await open();
    socket.text(frame);
    assert.equal(await socket.closeCode(), 1011);
  });
}

test("nesting without end closes the socket, not the server", async () => {
  const socket = await open();
  socket.text(`[null,"1","phoenix","heartbeat",${"[".repeat(100_000)}`);
  assert.equal(await socket.closeCode(), 1011);
  const other = await open();
  await other.heartbeat();
  await other.close();
});

test("a frame over 1 MiB closes with 1009", async () => {
  const socket = await open();
  socket.text(`[null,"1","phoenix","heartbeat",{"x":"${"x".repeat(1024 * 1024)}"}]`);
  assert.equal(await socket.closeCode(), 1009);
});

test("text that is not UTF-8 closes with 1007", async () => {
  const socket = await open();
  socket.rawText(Buffer.from([0x5b, 0x22, 0xff, 0xfe, 0x22, 0x5d]));
  assert.equal(await socket.closeCode(), 1007);
});

test("a silent socket closes with 1002, one that pings lives", async () => {
  const lively = await open();
  const silent = await open();
  const pings = setInterval(() => lively.ws.ping(), 500);
  assert.equal(await silent.closeCode(), 1002);
  // The lively one is the older: had its pings not counted, it would be gone before.
  await lively.heartbeat();
  clearInterval(pings);
  await lively.close();
});

test("a reader that reads nothing is closed with 1013, and nobody waits for it", async () => {
  const teacher = new Player({ server, room, id: "ms-lee", token: () => teacherToken() });
  await teacher.join();
  const heartbeats = setInterval(() => teacher.socket.ping(() => {}), 1000);
  const topic = `music_room:${room}`;
  const slow = await open(studentToken("slow"));
  await slow.join(topic, { name: "n".repeat(64) });
  await teacher.presenceLog.until("slow's join", (one) => one.kind === "join" && one.key === "slow");
  const before = server.rssKib();
  slow.ws.pause();
  // It asks and never reads the answers, until the server has had enough of it.
  let refs = 0;
  const asks = setInterval(() => {
    if (slow.ws.bufferedAmount > 1 << 20) return;
    for (let i = 0; i < 500; i += 1) slow.text(["1", `g${(refs += 1)}`, topic, "get_room", {}]);
  }, 20);
  const beats = teacher.heard.mark();
  await teacher.presenceLog.until("slow's leave", (one) => one.kind === "leave" && one.key === "slow", { ms: 60_000 });
  clearInterval(asks);
  assert.ok(server.rssKib() - before < 64 * 1024, `its queue is bounded: ${server.rssKib() - before} KiB more`);
  slow.ws.resume();
  const { code } = await soon("close of the slow reader", slow.closed);
  assert.ok([1013, 1006].includes(code), `closed with ${code} (1006: the answer could not be written any more)`);
  const late = teacher.all("beat", beats).length;
  await teacher.hears("beat", { from: teacher.heard.mark() });
  assert.ok(late > 0, "the teacher heard beats meanwhile");
  teacher.assertUnbrokenBeats();
  clearInterval(heartbeats);
  await teacher.disconnect();
  const metrics = await (await fetch(server.metricsUrl)).text();
  assert.match(metrics, /^[a-z_]*(slow|drop)[a-z_]*(\{[^}]*\})? [1-9]/m, "the closing is counted");
});

test("a drain closes every socket with 1012, rooms or none", async () => {
  const idle = await open();
  const joined = await open(mint({ sub: "bob" }));
  await joined.join(`music_room:${room}`);
  const [, one, two] = await Promise.all([server.terminate(), idle.closeCode(), joined.closeCode()]);
  assert.deepEqual([one, two], [1012, 1012]);
  await eventually(
    "the port is closed",
    () =>
      fetch(`${server.url}/livez`).then(
        () => "open",
        () => "closed",
      ),
    (is) => is === "closed",
  );
});
