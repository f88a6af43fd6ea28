// Two schools with the same code, the same student's id and the same teacher's id: never a row of one with the other.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "../harness/player.mjs";
import { eventsOf, recorded, SHORT } from "../harness/recorded.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server, TENANTS } from "../harness/server.mjs";
import { Sqlite } from "../harness/sqlite.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually } from "../harness/wait.mjs";

const SCHOOLS = ["acme", "globex"];
/** Each school's own: the notes' midi and what is written. */
const MARKS = { acme: { midi: 41, text: "of-acme" }, globex: { midi: 82, text: "of-globex" } };

let server;
let database;
let room;
before(async () => {
  const toml = TENANTS.replace(/origins = .*\n(?=\n)/g, "$&[tenants.limits]\nmax_rooms_per_tenant = 1900\n");
  server = await Server.start({ toml, args: SHORT });
  database = new Sqlite(server);
  room = await sharedCode();
  for (const tenant of SCHOOLS) await lesson(tenant);
});
after(() => server?.stop());

const teacher = (tenant) => teacherToken("ms-lee", { tenant });
const student = (tenant) => studentToken("ada", { tenant });
const get = (tenant, path, token = teacher(tenant)) => call(server, "GET", `/api/music${path}`, { token });

/** A code that is a room in both: one of two hundred is met soon. */
async function sharedCode() {
  const codes = new Set();
  for (let made = 0; made < 200; made++) codes.add(await makeRoom(server, { name: MARKS.acme.text }, teacher("acme")));
  for (let made = 0; made < 1_800; made++) {
    const code = await makeRoom(server, { name: MARKS.globex.text }, teacher("globex"));
    if (codes.has(code)) return code;
  }
  return assert.fail("no code of 1,800 was one of the other school's 200");
}

async function lesson(tenant) {
  const { midi, text } = MARKS[tenant];
  const join = { name: text };
  const ada = new Player({ server, room, id: "ada", token: () => student(tenant), join });
  await ada.join();
  for (let note = 0; note < 3; note++) await ada.ok("play_note", { midi });
  await ada.ok("submit_reflection", { reflection_text: text, reflection_type: "exit_ticket" });
  await recorded(
    `the lesson of ${tenant}`,
    () => eventsOf(database, room, tenant),
    (events) => events.some(({ kind }) => kind === "reflection_submitted"),
  );
  await ada.disconnect();
}

for (const tenant of SCHOOLS) {
  const other = SCHOOLS.find((one) => one !== tenant);
  test(`no answer to ${tenant} has anything of ${other}`, async () => {
    const session = (await eventsOf(database, room, tenant))[0].session_id;
    const foreign = (await eventsOf(database, room, other))[0].session_id;
    assert.notEqual(session, foreign, "the rooms were opened at different times");
    const paths = [
      `/rooms/${room}/participation`,
      `/rooms/${room}/participation?format=csv`,
      `/rooms/${room}/participation?format=html`,
      `/rooms/${room}/participation?session=${session}`,
      `/rooms/${room}/analytics`,
      `/rooms/${room}/reflections`,
      `/rooms/${room}/reflections?format=csv`,
      `/rooms/${room}/sessions`,
      "/sessions?limit=100",
      "/overview",
      "/students/ada",
      "/students/ada/trend",
    ];
    for (const path of paths) {
      const { status, text } = await get(tenant, path);
      assert.equal(status, 200, `${path}: ${text}`);
      assert.ok(!text.includes(MARKS[other].text), `${path} names the other school: ${text}`);
      assert.ok(!text.includes(foreign), `${path} names the other school's session`);
    }
    const { json } = await get(tenant, `/rooms/${room}/participation`);
    assert.deepEqual(
      json.students.map(({ student_id, name, notes }) => [student_id, name, notes]),
      [["ada", MARKS[tenant].text, 3]],
    );
    const own = await get(tenant, `/rooms/${room}/participation`, student(tenant));
    assert.deepEqual(
      own.json.students.map(({ student_id, name }) => [student_id, name]),
      [["ada", MARKS[tenant].text]],
    );
    const { json: file } = await get(tenant, "/students/ada");
    const midis = file.events.filter(({ kind }) => kind === "note_played").map(({ note }) => note.midi);
    assert.deepEqual(midis, Array(3).fill(MARKS[tenant].midi));
    assert.deepEqual(
      file.reflections.map(({ reflection_text }) => reflection_text),
      [MARKS[tenant].text],
    );
    for (const report of ["participation", "analytics", "reflections"]) {
      const { status } = await get(tenant, `/rooms/${room}/${report}?session=${foreign}`);
      assert.equal(status, 404, `${report} of the other school's session`);
    }
  });
}

test("an erasure in one school erases nothing in the other", async () => {
  const sessions = () => get("globex", `/rooms/${room}/sessions`);
  await eventually("all of globex's events", sessions, ({ json }) => json.events_waiting === 0);
  const before = await eventsOf(database, room, "globex");
  const path = "/api/music/students/ada";
  const ask = () => call(server, "DELETE", path, { token: teacher("acme") });
  const { status, text } = await eventually("the erasure", ask, (answer) => answer.status !== 503);
  assert.equal(status, 200, text);
  const left = (await eventsOf(database, room, "acme")).filter(({ student_id }) => student_id === "ada");
  assert.deepEqual(left, []);
  assert.deepEqual(await eventsOf(database, room, "globex"), before);
  const { json } = await get("globex", `/rooms/${room}/reflections`);
  assert.deepEqual(
    json.reflections.map(({ reflection_text }) => reflection_text),
    [MARKS.globex.text],
  );
});
