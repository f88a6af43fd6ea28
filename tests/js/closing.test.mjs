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

test("a reader that reads nothing is closed with 1013, and nobody waits for it", { timeout: 120_000 }, async (t) => {
  const patient = await Server.start({ toml: LOUD });
  t.after(() => patient.stop());
  const code = await makeRoom(patient, { bpm: 240 });
  const topic = `music_room:${code}`;
  const teacher = new Player({ server: patient, room: code, id: "ms-lee", token: () => teacherToken() });
  await teacher.join();
  // Long ids make long events: each assignment tells all of them to everybody.
  const [idle, slow] = ["i".repeat(64), "s".repeat(64)];
  const sockets = await Promise.all([idle, slow].map((id) => RawSocket.open(patient, { token: studentToken(id) })));
  for (const socket of sockets) assert.equal((await socket.join(topic)).payload.status, "ok");
  await teacher.presenceLog.until("slow's join", (one) => one.kind === "join" && one.key === slow);
  const before = patient.rssKib();
  sockets[1].ws.pause();
  let gone = false;
  const left = teacher.presenceLog
    .until("slow's leave", (one) => one.kind === "leave" && one.key === slow, { ms: 60_000 })
    .finally(() => (gone = true));
  while (!gone) {
    for (let beat = 1; beat <= 64 && !gone; beat += 1) {
      const answers = await Promise.all([
        teacher.push("clear_beat", { beat }),
        ...[idle, slow].map((student_id) => teacher.push("assign_beat", { student_id, beat })),
      ]);
      for (const { status, response } of answers) {
        assert.ok(status === "ok" || response.reason === "unknown student", JSON.stringify(response));
      }
    }
  }
  await left;
  assert.ok(patient.rssKib() - before < 64 * 1024, `its queue is bounded: ${patient.rssKib() - before} KiB more`);
  sockets[1].ws.resume();
  const { code: closed } = await soon("close of the slow reader", sockets[1].closed);
  assert.ok([1013, 1006].includes(closed), `closed with ${closed} (1006: no room left to say why)`);
  await teacher.hears("beat", { from: teacher.heard.mark() });
  teacher.assertUnbrokenBeats();
  await sockets[0].close();
  await teacher.disconnect();
  const metrics = await (await fetch(patient.metricsUrl)).text();
  assert.match(
    metrics,
    /^[a-z_]*(slow|drop|close)[a-z_]*(\{[^}]*(1013|slow)[^}]*\})? [1-9]/m,
    "the closing is counted",
  );
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
