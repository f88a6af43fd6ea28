// What a node costs by what is on it: memory and CPU from /proc, per thousand of each. Run by scripts/sizing.
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Postgres } from "../harness/postgres.mjs";
import { Redis } from "../harness/redis.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { SECRETS, studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, soon, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const TOML = `
default_tenant = "acme"
[[tenants]]
id = "acme"
jwt_secret = "${SECRETS.acme}"
[tenants.limits]
max_concurrent_users = 100000
max_rooms_per_tenant = 100000
max_joins_per_second = 100000
max_events_per_second = 100000
`;
/** Linux's, and nearly always this. */
const TICKS_PER_S = 100;
const HEARTBEAT_MS = 30_000;
const CLASS = 30;
const TEACHER = teacherToken();

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "3000" },
    rooms: { type: "string", default: "1000" },
    seconds: { type: "string", default: "15" },
  },
});
const [connections, rooms, seconds] = [values.connections, values.rooms, values.seconds].map(Number);

/** What processes take: resident memory, and CPU of a stretch. */
class Meter {
  constructor(...pids) {
    this.pids = pids;
  }

  get rssMib() {
    return this.#sum((pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024);
  }

  /** Cores in use, on average, in the seconds to come. */
  async cores() {
    const [begun, before] = [now(), this.#ticks()];
    await span(seconds * 1_000);
    return (this.#ticks() - before) / TICKS_PER_S / ((now() - begun) / 1_000);
  }

  #ticks() {
    return this.#sum((pid) => {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    });
  }

  #sum(read) {
    return this.pids.reduce((total, pid) => total + read(pid), 0);
  }
}

/** A process with those that it has started. */
function family(pid) {
  const parent = (one) => {
    try {
      const text = readFileSync(`/proc/${one}/stat`, "utf8");
      return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
    } catch {
      return 0;
    }
  };
  return [
    pid,
    ...readdirSync("/proc")
      .filter(Number)
      .map(Number)
      .filter((one) => parent(one) === pid),
  ];
}

/** A member who says nothing but heartbeats, or plays notes when told. */
class Member {
  static heard = 0;

  constructor(server, room, sub) {
    this.topic = `music_room:${room}`;
    const url = `${server.ws}/socket/websocket?vsn=2.0.0&token=${studentToken(sub)}`;
    this.ws = new WebSocket(url, { perMessageDeflate: false });
    this.joined = new Promise((resolve, reject) => {
      this.ws.once("open", () => this.#send("1", "1", this.topic, "phx_join", {}));
      this.ws.once("message", (data) => (data.includes('"ok"') ? resolve() : reject(new Error(`${data}`))));
      this.ws.once("error", reject);
    });
    this.ws.on("message", (data) => {
      if (data.includes("student_note")) Member.heard += 1;
    });
    this.beating = setInterval(() => this.#send(null, "h", "phoenix", "heartbeat", {}), HEARTBEAT_MS);
  }

  play() {
    this.#send("1", "n", this.topic, "play_note", { midi: 60, velocity: 64 });
  }

  leave() {
    clearInterval(this.beating);
    this.ws.terminate();
  }

  #send(...frame) {
    this.ws.send(JSON.stringify(frame));
  }
}

/** Lets members join, not all in one moment. */
async function join(server, places) {
  const members = [];
  for (let at = 0; at < places.length; at += 50) {
    const some = places.slice(at, at + 50).map(([room, sub]) => new Member(server, room, sub));
    await Promise.all(some.map((one) => soon("join", one.joined)));
    members.push(...some);
  }
  return members;
}

async function makeRooms(server, count, settings) {
  const made = [];
  for (let at = 0; at < count; at += 20)
    made.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(20, count - at) }, () => makeRoom(server, settings, TEACHER)),
      )),
    );
  return made;
}

const rows = [];
function row(what, mib, cores, beside = "") {
  rows.push([
    what,
    mib === null ? "" : `${mib.toFixed(1)} MiB`,
    cores === null ? "" : `${(cores * 1_000).toFixed(0)} m`,
    beside,
  ]);
  console.error(rows.at(-1).join("  "));
}

const redis = await Redis.start();
const postgres = await Postgres.start();
const servers = [];
let members = [];
try {
  const start = async (id) => {
    const args = ["--node-id", id, "--redis-url", redis.url, "--database-url", postgres.url, "--drain-s", "2"];
    const server = await Server.start({ toml: TOML, args });
    servers.push(server);
    const ready = () => span(100).then(() => fetch(`${server.url}/readyz`));
    await eventually(`readiness of ${id}`, ready, ({ status }) => status === 200);
    return server;
  };
  const settled = () => span(5_000);

  const a = await start("a");
  await settled();
  const [node, store] = [new Meter(a.child.pid), new Meter(redis.child.pid)];
  const empty = { mib: node.rssMib, cores: await node.cores() };
  row("a node with nothing on it", empty.mib, empty.cores);

  const codes = await makeRooms(a, Math.ceil(connections / CLASS), { autostart: false, bpm: 120 });
  members = await join(
    a,
    Array.from({ length: connections }, (_, at) => [codes[Math.floor(at / CLASS)], `s${at}`]),
  );
  await settled();
  const per = connections / 1_000;
  const idle = { mib: node.rssMib, cores: await node.cores() };
  row(`1,000 idle connections in rooms of ${CLASS}`, (idle.mib - empty.mib) / per, (idle.cores - empty.cores) / per);

  for (const code of codes) {
    const started = await call(a, "POST", `/api/music/rooms/${code}/actions/start_clock`, { token: TEACHER, body: {} });
    assert.equal(started.status, 200, started.text);
  }
  await settled();
  const beating = { mib: node.rssMib, cores: await node.cores() };
  row("… with beats, 120 a minute", (beating.mib - empty.mib) / per, (beating.cores - empty.cores) / per);

  const playedPerS = 10_000 / CLASS;
  const from = now();
  let sent = 0;
  const playing = setInterval(() => {
    const due = ((now() - from) / 1_000) * playedPerS;
    for (; sent < due; sent++) members[(sent * 7) % members.length].play();
  }, 5);
  await settled();
  const database = new Meter(...family(postgres.child.pid));
  const [heardBefore, begun] = [Member.heard, now()];
  const [cores, redisCores, databaseCores] = await Promise.all([node.cores(), store.cores(), database.cores()]);
  const delivered = (Member.heard - heardBefore) / ((now() - begun) / 1_000) / 10_000;
  const playingMib = node.rssMib;
  clearInterval(playing);
  const beside = `Redis ${((redisCores * 1_000) / delivered).toFixed(0)} m, PostgreSQL ${((databaseCores * 1_000) / delivered).toFixed(0)} m`;
  row(
    `10,000 delivered notes a second (${playedPerS.toFixed(0)} played), recorded`,
    playingMib - beating.mib,
    (cores - beating.cores) / delivered,
    beside,
  );
  for (const member of members.splice(0)) member.leave();
  await a.terminate();

  const [b, c] = [await start("b"), await start("c")];
  await settled();
  const meters = { b: new Meter(b.child.pid), c: new Meter(c.child.pid) };
  const before = { mib: meters.c.rssMib, cores: await meters.c.cores() };
  const made = await makeRooms(b, 2 * rooms, { bpm: 120 });
  const owners = new Map();
  for (const code of made) owners.set(code, await redis.cli("HGET", `room:{acme:${code}}`, "owner"));
  const there = made.filter((code) => owners.get(code) === "c").slice(0, rooms);
  const conducted = made.filter((code) => owners.get(code) === "c").length / 1_000;
  await span(12_000);
  const full = { mib: meters.c.rssMib, cores: await meters.c.cores() };
  row(
    "1,000 rooms conducted here, nobody in them",
    (full.mib - before.mib) / conducted,
    (full.cores - before.cores) / conducted,
  );

  const attended = there.length / 1_000;
  const here = { mib: meters.b.rssMib, cores: await meters.b.cores() };
  members = await join(
    b,
    there.map((code, at) => [code, `x${at}`]),
  );
  await settled();
  const [coresB, coresC] = await Promise.all([meters.b.cores(), meters.c.cores()]);
  row(
    "1,000 rooms conducted elsewhere, a member of each and its beat here",
    (meters.b.rssMib - here.mib) / attended,
    (coresB - here.cores) / attended,
  );
  row(
    "1,000 rooms conducted here, whose members are elsewhere",
    (meters.c.rssMib - before.mib) / conducted,
    (coresC - before.cores) / conducted,
  );
} finally {
  for (const member of members) member.leave();
  await Promise.all(servers.filter((one) => one.child.exitCode === null).map((one) => one.stop()));
  await Promise.all([redis.stop(), postgres.stop()]);
}
console.log("\n| | memory | CPU | beside |\n|---|---|---|---|");
for (const one of rows) console.log(`| ${one.join(" | ")} |`);
process.exit();
