// Reflections: written by channel and over REST, changed and withdrawn by whoever wrote them, and by nobody else.
import { after, before, beforeEach, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Cluster } from "../harness/cluster.mjs";
import { Player } from "../harness/player.mjs";
import { Postgres } from "../harness/postgres.mjs";
import { recorded, SHORT } from "../harness/recorded.mjs";
import { Redis } from "../harness/redis.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server, TENANTS } from "../harness/server.mjs";
import { Sqlite } from "../harness/sqlite.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually } from "../harness/wait.mjs";

const WORDS = { reflection_text: "I listened more than I played", reflection_type: "post_session" };
const FULL = { ...WORDS, competency: "self_management", mood: 4, metadata: { week: 3, tags: ["calm"] } };

const player = (server, room, id, token = studentToken) => new Player({ server, room, id, token: () => token(id) });
const reflect = (server, id, method, path, body, token = studentToken(id)) =>
  call(server, method, `/api/music/reflections${path}`, { token, body });

/** Asks again until the report has all that was on its way. */
async function listed(server, room, query = "") {
  const ask = () => call(server, "GET", `/api/music/rooms/${room}/reflections${query}`, { token: teacherToken() });
  const { status, json, text } = await eventually(
    "the reflections",
    ask,
    ({ status, json }) => status !== 200 || json.events_waiting === 0,
  );
  assert.equal(status, 200, text);
  return json.reflections;
}

describe("on one node", () => {
  let server;
  let database;
  let room;
  let people;
  before(async () => {
    server = await Server.start({ args: SHORT });
    database = new Sqlite(server);
  });
  beforeEach(async () => {
    room = await makeRoom(server, { name: "Reflections" });
    people = {
      teacher: player(server, room, "ms-lee", teacherToken),
      ada: player(server, room, "ada"),
      bob: player(server, room, "bob"),
    };
    await Promise.all(Object.values(people).map((one) => one.join()));
  });
  after(() => server?.stop());

  const rowsThat = (what, fits) =>
    recorded(what, () => database.rows(`SELECT * FROM student_reflections WHERE session_id LIKE '${room}.%'`), fits);

  test("what a student submits in the room's channel is kept, every field of it", async () => {
    const { id } = await people.ada.ok("submit_reflection", FULL);
    const [row] = await rowsThat("ada's reflection", (rows) => rows.length === 1);
    const { metadata, withdrawn, submitted_at_us, updated_at_us, session_id, ...rest } = row;
    assert.deepEqual(rest, {
      mood: 4,
      tenant: "acme",
      reflection_id: id,
      student_id: "ada",
      author_id: "ada",
      reflection_type: "post_session",
      competency: "self_management",
      reflection_text: WORDS.reflection_text,
    });
    assert.deepEqual(JSON.parse(metadata), FULL.metadata);
    assert.equal(Boolean(withdrawn), false);
    assert.equal(submitted_at_us, updated_at_us);
    assert.ok(session_id.startsWith(`${room}.`));
    const [shown] = await listed(server, room);
    const { id: shownId, student_id, reflection_text, reflection_type, competency, mood, metadata: shownData } = shown;
    assert.deepEqual(
      { id: shownId, student_id, reflection_text, reflection_type, competency, mood, metadata: shownData },
      { id, student_id: "ada", ...FULL },
    );
  });

  test("a second submission with the id takes the first one's place", async () => {
    const { id } = await people.ada.ok("submit_reflection", FULL);
    const [first] = await rowsThat("the first", (rows) => rows.length === 1);
    const changed = { ...WORDS, id, reflection_text: "I changed my mind", mood: 2 };
    assert.equal((await people.ada.ok("submit_reflection", changed)).id, id);
    const [row] = await rowsThat("the change", ([one]) => one.reflection_text === "I changed my mind");
    assert.equal(row.mood, 2);
    assert.equal(row.competency, null, "the whole of it is replaced");
    assert.equal(row.metadata, null);
    assert.equal(row.submitted_at_us, first.submitted_at_us);
    assert.ok(row.updated_at_us > first.updated_at_us);
    const over = await reflect(server, "ada", "PUT", `/${id}`, { ...FULL, room_id: room });
    assert.equal(over.status, 200, over.text);
    assert.deepEqual([over.json.id, over.json.room_id, over.json.student_id], [id, room, "ada"]);
    const [last] = await rowsThat("the change over REST", ([one]) => one.mood === 4);
    assert.equal(last.reflection_text, WORDS.reflection_text);
    assert.equal(last.author_id, "ada");
  });

  test("over REST: made, changed and withdrawn; of the withdrawn nothing is left but that it was", async () => {
    const made = await reflect(server, "ada", "POST", "", { ...FULL, room_id: room });
    assert.equal(made.status, 201, made.text);
    const { id, room_id, session, student_id } = made.json;
    assert.deepEqual([room_id, student_id], [room, "ada"]);
    assert.ok(session.startsWith(`${room}.`));
    await rowsThat("the reflection", (rows) => rows.length === 1 && rows[0].reflection_id === id);
    const gone = await reflect(server, "ada", "DELETE", `/${id}?room_id=${room}`);
    assert.equal(gone.status, 204, gone.text);
    const [row] = await rowsThat("the withdrawal", ([one]) => Boolean(one.withdrawn));
    const { reflection_text, reflection_type, competency, mood, metadata } = row;
    assert.deepEqual([reflection_text, reflection_type, competency, mood, metadata], Array(5).fill(null));
    assert.deepEqual(await listed(server, room), []);
    // What is withdrawn stays withdrawn; whoever is told that his words are kept may rely on it.
    const late = await reflect(server, "ada", "PUT", `/${id}`, { ...FULL, room_id: room });
    if (late.status === 200)
      await rowsThat("the words that were acknowledged", ([one]) => one.reflection_text === FULL.reflection_text);
    else assert.equal(late.json.error.code, "reflection_not_found");
  });

  test("nobody changes or withdraws another's, whatever way they try", async () => {
    const { id } = await people.ada.ok("submit_reflection", FULL);
    await rowsThat("ada's reflection", (rows) => rows.length === 1);
    const evil = { ...WORDS, reflection_text: "not ada's words" };
    // The channel does not ask the database: it may say ok, and nothing comes of it.
    await people.bob.push("submit_reflection", { ...evil, id });
    await people.bob.refused("unauthorized", "submit_reflection", { ...evil, id, student_id: "ada" });
    const put = await reflect(server, "bob", "PUT", `/${id}`, { ...evil, room_id: room });
    assert.deepEqual([put.status, put.json.error.code], [404, "reflection_not_found"]);
    const forged = await reflect(server, "bob", "PUT", `/${id}`, { ...evil, room_id: room, student_id: "ada" });
    assert.deepEqual([forged.status, forged.json.error.code], [403, "forbidden"]);
    const gone = await reflect(server, "bob", "DELETE", `/${id}?room_id=${room}`);
    assert.deepEqual([gone.status, gone.json.error.code], [404, "reflection_not_found"]);
    // Another session: the same student, another room.
    const other = await makeRoom(server, {});
    const elsewhere = await reflect(server, "ada", "PUT", `/${id}`, { ...evil, room_id: other });
    assert.deepEqual([elsewhere.status, elsewhere.json.error.code], [404, "reflection_not_found"]);
    const visitor = player(server, other, "ada");
    await visitor.join();
    await visitor.push("submit_reflection", { ...evil, id });
    await people.bob.ok("submit_reflection", { ...WORDS, reflection_text: "what comes last" });
    await rowsThat("what came last", (rows) => rows.some((one) => one.reflection_text === "what comes last"));
    const rows = await database.rows("SELECT * FROM student_reflections");
    assert.deepEqual(
      rows.filter((row) => row.reflection_id === id).map((row) => [row.student_id, row.reflection_text]),
      [["ada", WORDS.reflection_text]],
    );
    assert.ok(!JSON.stringify(rows).includes("not ada's words"));
  });

  test("a student writes for themself alone; a teacher may write for a student, and both are named", async () => {
    await people.bob.refused("unauthorized", "submit_reflection", { ...WORDS, student_id: "ada" });
    const forged = await reflect(server, "bob", "POST", "", { ...WORDS, room_id: room, student_id: "ada" });
    assert.deepEqual([forged.status, forged.json.error.code], [403, "forbidden"]);
    await people.teacher.ok("submit_reflection", { ...WORDS, student_id: "ada" });
    const made = await reflect(
      server,
      "ms-lee",
      "POST",
      "",
      { ...WORDS, room_id: room, student_id: "bob" },
      teacherToken(),
    );
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.student_id, "bob");
    const rows = await rowsThat("both", ({ length }) => length === 2);
    assert.deepEqual(rows.map(({ student_id, author_id }) => `${student_id} by ${author_id}`).sort(), [
      "ada by ms-lee",
      "bob by ms-lee",
    ]);
  });

  test("a wrong field is named, and at its limit it is taken", async () => {
    for (const [field, value] of [
      ["reflection_text", undefined],
      ["reflection_text", ""],
      ["reflection_text", "x".repeat(2_001)],
      ["reflection_text", 7],
      ["reflection_type", undefined],
      ["reflection_type", "mid_session"],
      ["competency", "self_esteem"],
      ["mood", 0],
      ["mood", 6],
      ["mood", 2.5],
      ["metadata", "text"],
      ["metadata", { a: "x".repeat(4_096) }],
      ["id", "mine"],
    ]) {
      const body = { ...FULL, [field]: value };
      const { status, response } = await people.ada.push("submit_reflection", body);
      assert.equal(status, "error", `${field} ${JSON.stringify(value)?.slice(0, 40)}`);
      assert.ok(response.reason.includes(field), `${field}: ${response.reason}`);
      if (field === "id") continue;
      const refused = await reflect(server, "ada", "POST", "", { ...body, room_id: room });
      assert.deepEqual([refused.status, refused.json.error.field], [422, field], refused.text);
    }
    const longest = {
      reflection_text: "𝄞".repeat(2_000),
      reflection_type: "exit_ticket",
      metadata: { a: "x".repeat(4_096 - 8) },
    };
    await people.ada.ok("submit_reflection", longest);
    const rows = await rowsThat("the longest", ({ length }) => length === 1);
    assert.equal(rows[0].reflection_text, longest.reflection_text);
  });

  test("once the room is closed there is no room to write of, and what was written stays", async () => {
    const { id } = await people.ada.ok("submit_reflection", FULL);
    await rowsThat("the reflection", ({ length }) => length === 1);
    await people.teacher.ok("close_room");
    await people.ada.hears("phx_close");
    for (const [method, path, body] of [
      ["POST", "", { ...WORDS, room_id: room }],
      ["PUT", `/${id}`, { ...WORDS, room_id: room }],
      ["DELETE", `/${id}?room_id=${room}`],
    ]) {
      const { status, json } = await reflect(server, "ada", method, path, body);
      assert.deepEqual([status, json.error.message], [404, "Room not found"], method);
    }
    const [shown] = await listed(server, room);
    assert.equal(shown.reflection_text, WORDS.reflection_text);
  });

  test("another school's token finds no such room", async () => {
    const stranger = studentToken("ada", { tenant: "globex" });
    const { status, json } = await reflect(server, "ada", "POST", "", { ...WORDS, room_id: room }, stranger);
    assert.deepEqual([status, json.error.message], [404, "Room not found"]);
    const list = await call(server, "GET", `/api/music/rooms/${room}/reflections`, {
      token: teacherToken("ms-lee", { tenant: "globex" }),
    });
    assert.equal(list.status, 404);
  });

  test("students read no reflections, not even their own, by this list", async () => {
    const { status } = await call(server, "GET", `/api/music/rooms/${room}/reflections`, {
      token: studentToken("ada"),
    });
    assert.equal(status, 403);
  });

  test("a sheet of reflections has no formula that a spreadsheet would run", async () => {
    await people.ada.ok("submit_reflection", { ...WORDS, reflection_text: '=HYPERLINK("http://x","y")' });
    await listed(server, room);
    const { text, headers } = await call(server, "GET", `/api/music/rooms/${room}/reflections?format=csv`, {
      token: teacherToken(),
    });
    assert.match(headers["content-type"], /^text\/csv/);
    assert.ok(text.includes("HYPERLINK"), text);
    assert.ok(!/(^|,)"?=/m.test(text), text);
  });
});

test("a reflection that is submitted while PostgreSQL is down is there once it is back", async (t) => {
  const postgres = await Postgres.start();
  t.after(() => postgres.stop());
  const server = await Server.start({ args: [...SHORT, "--database-url", postgres.url] });
  t.after(() => server.stop());
  const room = await makeRoom(server);
  const ada = player(server, room, "ada");
  await ada.join();
  const first = await ada.ok("submit_reflection", WORDS);
  await recorded(
    "the first",
    () => postgres.rows("SELECT * FROM student_reflections"),
    ({ length }) => length === 1,
  );
  await postgres.kill();
  const { id } = await ada.ok("submit_reflection", FULL);
  await ada.ok("submit_reflection", { ...WORDS, id: first.id, reflection_text: "changed meanwhile" });
  const made = await reflect(server, "ada", "POST", "", { ...WORDS, room_id: room, mood: 1 });
  assert.equal(made.status, 201, made.text);
  const away = await call(server, "GET", `/api/music/rooms/${room}/reflections`, { token: teacherToken() });
  assert.equal(away.status, 503, away.text);
  assert.ok(Number(away.headers["retry-after"]) > 0, "Retry-After");
  await postgres.comeBack();
  const rows = await recorded(
    "all three",
    () => postgres.rows("SELECT * FROM student_reflections"),
    ({ length }) => length === 3,
  );
  const texts = Object.fromEntries(rows.map(({ reflection_id, reflection_text }) => [reflection_id, reflection_text]));
  assert.deepEqual(texts, {
    [first.id]: "changed meanwhile",
    [id]: WORDS.reflection_text,
    [made.json.id]: WORDS.reflection_text,
  });
});

/** Everything that records or reads says that it is off. */
async function assertOff(server, room, { student, teacher }) {
  const ada = new Player({ server, room, id: "ada", token: () => student });
  assert.equal((await ada.join()).status, "ok");
  await ada.ok("play_note", { midi: 60 });
  const { status, response } = await ada.push("submit_reflection", WORDS);
  assert.equal(status, "error");
  assert.match(response.reason, /not recorded/);
  const asked = [
    ["POST", "/api/music/reflections", student, { ...WORDS, room_id: room }],
    ["GET", `/api/music/rooms/${room}/reflections`, teacher],
    ["GET", `/api/music/rooms/${room}/participation`, teacher],
    ["GET", `/api/music/rooms/${room}/analytics`, teacher],
    ["GET", `/api/music/rooms/${room}/sessions`, teacher],
    ["GET", "/api/music/sessions", teacher],
    ["GET", "/api/music/overview", teacher],
  ];
  for (const [method, path, token, body] of asked) {
    const answer = await call(server, method, path, { token, body });
    assert.deepEqual([answer.status, answer.json?.error?.code], [409, "participation_off"], `${method} ${path}`);
  }
}

test("a school that records nothing: clear refusals, the music goes on, and nothing of it is stored", async (t) => {
  const toml = TENANTS.replace(/id = "open"\n/, 'id = "open"\nparticipation = false\n');
  const server = await Server.start({ toml, args: SHORT });
  t.after(() => server.stop());
  const tokens = {
    student: studentToken("ada", { tenant: "open" }),
    teacher: teacherToken("ms-lee", { tenant: "open" }),
  };
  const room = await makeRoom(server, {}, tokens.teacher);
  await assertOff(server, room, tokens);
  // Its neighbour's lessons are recorded; when these have come, what went before has, too.
  const other = await makeRoom(server);
  const database = new Sqlite(server);
  const tenants = () => database.rows("SELECT DISTINCT tenant FROM participation_events");
  await recorded("the neighbour's room", tenants, ({ length }) => length > 0);
  assert.deepEqual(await tenants(), [{ tenant: "acme" }], other);
  assert.deepEqual(await database.rows("SELECT DISTINCT tenant FROM room_sessions"), [{ tenant: "acme" }]);
});

test("a cluster without DATABASE_URL says so at its start, refuses clearly, and stores nothing", async (t) => {
  const redis = await Redis.start();
  t.after(() => redis.stop());
  const cluster = await Cluster.start({ redis, names: ["a"] });
  t.after(() => cluster.stop());
  const [node] = cluster.all;
  assert.ok(
    node.log.items.some((line) => /nothing is recorded.*DATABASE_URL/.test(line.fields?.message)),
    node.logTail(),
  );
  const room = await makeRoom(node);
  await assertOff(node, room, { student: studentToken("ada"), teacher: teacherToken() });
  assert.deepEqual(
    (await redis.cli("KEYS", "*")).filter((key) => key.includes("sel:")),
    [],
  );
});
