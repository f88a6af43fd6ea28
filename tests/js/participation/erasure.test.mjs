// A student is erased while the class plays and the database lags: nothing of him is left, but what he did afterwards.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { insist } from "../harness/controls.mjs";
import { Pupil } from "../harness/numbered.mjs";
import { eventsOf, keysWith, notesOf, placesOf, recorded, SHORT } from "../harness/recorded.mjs";
import { RecordedCluster, withClass } from "../harness/recorded_cluster.mjs";
import { Player } from "../harness/player.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { Sqlite } from "../harness/sqlite.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

/** A name that stands in no other word. */
const NAME = "zebulon";

let all;
before(async () => (all = await RecordedCluster.start(["a", "b"])));
beforeEach(() => all.mended());
after(() => all?.stop());

const erase = (id, token = teacherToken()) =>
  call(all.cluster.node("a"), "DELETE", `/api/music/students/${id}`, { token });

/** Asks until the database and all rooms answer. */
async function erased(id) {
  const { status, json, text } = await eventually(
    `the erasure of ${id}`,
    () => erase(id),
    ({ status }) => status !== 503,
  );
  assert.equal(status, 200, text);
  return json;
}

const emptied = () =>
  recorded(
    "an empty stream",
    () => all.waiting(),
    (count) => count === 0,
    60_000,
  );

async function assertNothingLeft(text) {
  await emptied();
  assert.deepEqual(await placesOf(all.postgres, text), [], "in the database");
  // A tombstone and an audit entry say that somebody was erased, and not who.
  assert.ok((await all.postgres.rows("SELECT * FROM erasures")).length > 0);
  assert.deepEqual(await keysWith(all.redis, text), [], "in Redis");
}

test("a student who plays, with a backlog before the database: all of him goes, and of the others nothing", (t) =>
  withClass(all, { conductor: "b", students: 4 }, async (lesson) => {
    const teacher = lesson.teachers.get("a");
    const join = { name: `Name of ${NAME}` };
    const pupil = new Pupil({ server: lesson.doors.get("b"), room: lesson.room, id: NAME, join });
    await pupil.join();
    // He is everywhere where somebody's name can stand.
    await insist(teacher, "assign_beat", { student_id: NAME, beat: 2 });
    await insist(teacher, "assign_beat", { student_id: lesson.pupils[0].id, beat: 2 });
    await insist(teacher, "mute_student", { student_id: NAME });
    await insist(teacher, "unmute_student", { student_id: NAME });
    await insist(teacher, "assign_role", { student_id: NAME, role: "co_teacher" });
    await insist(pupil, "mute_student", { student_id: lesson.pupils[1].id });
    await insist(pupil, "unmute_student", { student_id: lesson.pupils[1].id });
    await insist(pupil, "set_tempo", { bpm: 111 });
    await insist(pupil, "raise_hand");
    const words = { reflection_text: `my own words`, reflection_type: "exit_ticket" };
    await insist(pupil, "submit_reflection", { ...words, metadata: { with: NAME } });
    await insist(lesson.pupils[2], "submit_reflection", { ...words, metadata: { with: ["nobody", "in particular"] } });
    await insist(teacher, "submit_reflection", { ...words, student_id: NAME });
    const file = await call(all.cluster.node("b"), "GET", `/api/music/students/${NAME}`, { token: teacherToken() });
    assert.equal(file.status, 200, file.text);
    lesson.pupils.push(pupil);
    lesson.play();
    await lesson.havePlayed(5);
    const begun = await recorded(
      "some of his notes",
      async () =>
        (await eventsOf(all.postgres, lesson.room)).filter((one) => one.student_id === NAME && one.midi !== null),
      ({ length }) => length >= 3,
    );

    await all.postgres.kill();
    await lesson.havePlayed(8);
    const refused = await erase(NAME);
    assert.equal(refused.status, 503, "while the database is down nobody can say that it is done");
    const backlog = await all.waiting();
    await all.postgres.comeBack();
    const answer = await erased(NAME);
    t.diagnostic(
      `${begun.length} of his notes recorded before, ${backlog} events on their way: ${JSON.stringify(answer)}`,
    );
    // The erasure sent him out of the room.
    await pupil.hears("phx_close");
    pupil.playing.stop();
    await lesson.havePlayed(2, lesson.pupils.slice(0, -1));
    for (const other of lesson.pupils.slice(0, -1)) await other.rest();
    await pupil.disconnect();
    lesson.pupils.pop();
    await emptied();
    assert.deepEqual(await lesson.wrongs(), [], "the others' notes, every one, and none of his");
    assert.ok(pupil.acknowledged.length >= 10);
    assert.deepEqual(await placesOf(all.postgres, NAME), [], "nothing of him arrived later");

    // He may come again, and is recorded from then on; until he is erased anew.
    const again = new Pupil({ server: lesson.doors.get("a"), room: lesson.room, id: NAME, join });
    assert.equal((await again.join()).status, "ok");
    for (let note = 0; note < 3; note++) assert.equal(await again.playNext(), true);
    const his = async () => (await notesOf(all.postgres, lesson.room)).filter((row) => row.student_id === NAME);
    await recorded("his new notes", his, ({ length }) => length === 3);
    assert.equal((await erased(NAME)).erased.rooms, 1);
    await again.hears("phx_close");
    await again.disconnect();
    await assertNothingLeft(NAME);
    const events = await eventsOf(all.postgres, lesson.room);
    const tempo = events.find(({ kind, details }) => kind === "tempo_changed" && details.bpm === 111);
    assert.equal(tempo?.actor_id, "erased", "what he did to others stays, without him");
    const muted = events.filter(
      ({ kind, student_id }) => kind === "student_muted" && student_id === lesson.pupils[1].id,
    );
    assert.deepEqual(
      muted.map(({ actor_id }) => actor_id),
      ["erased"],
    );
    assert.deepEqual(await lesson.wrongs(), []);
    const audit = await all.postgres.rows("SELECT * FROM audit_log WHERE action = 'student_erased'");
    assert.ok(audit.length >= 2 && audit.every(({ actor, subject }) => actor === "ms-lee" && subject.length === 66));
    assert.ok(!JSON.stringify(audit).includes("my own words"));
  }));

test("a student who was removed, and is muted and assigned in a room that lives on, is forgotten there", () =>
  withClass(all, { conductor: "a", students: 2 }, async (lesson) => {
    const teacher = lesson.teachers.get("b");
    const id = "yolanda";
    const pupil = new Pupil({ server: lesson.doors.get("a"), room: lesson.room, id });
    await pupil.join();
    await insist(teacher, "mute_student", { student_id: id });
    await insist(teacher, "assign_beat", { student_id: id, beat: 3 });
    await insist(teacher, "assign_role", { student_id: id, role: "listener" });
    await insist(teacher, "remove_student", { student_id: id });
    await pupil.hears("phx_close");
    const answer = await erased(id);
    assert.equal(answer.erased.rooms, 1);
    await assertNothingLeft(id);
  }));

test("students erase nobody, not even themselves, and read nobody's file but their own", () =>
  withClass(all, { conductor: "a", students: 2, prefix: "reader" }, async (lesson) => {
    const [ada, bob] = lesson.pupils;
    await ada.playNext();
    await emptied();
    const token = ada.channel.socket.params().token;
    for (const id of [ada.id, bob.id]) assert.equal((await erase(id, token)).status, 403);
    const read = (id, rest = "") => call(all.cluster.node("b"), "GET", `/api/music/students/${id}${rest}`, { token });
    assert.equal((await read(bob.id)).status, 403);
    assert.equal((await read(bob.id, "/trend")).status, 403);
    const own = await read(ada.id);
    assert.equal(own.status, 200, own.text);
    assert.equal(own.json.events.filter(({ kind }) => kind === "note_played").length, 1);
    assert.ok(!own.text.includes(`"${bob.id}"`), "nothing of bob is in ada's file");
  }));

test("on a single node no byte of an erased student is left in its database and its journal", async (t) => {
  const server = await Server.start({ args: SHORT });
  t.after(() => server.stop());
  const database = new Sqlite(server);
  const room = await makeRoom(server);
  const player = (id, token) =>
    new Player({ server, room, id, token: () => token(id), join: { name: `Name of ${id}` } });
  const [teacher, pupil, other] = [
    player("ms-lee", teacherToken),
    player(NAME, studentToken),
    player("ada", studentToken),
  ];
  for (const one of [teacher, pupil, other]) assert.equal((await one.join()).status, "ok");
  await teacher.ok("assign_beat", { student_id: NAME, beat: 2 });
  await teacher.ok("mute_student", { student_id: NAME });
  await teacher.ok("unmute_student", { student_id: NAME });
  for (let midi = 0; midi < 9; midi++) await pupil.ok("play_note", { midi });
  await pupil.ok("submit_reflection", { reflection_text: `signed ${NAME}`, reflection_type: "exit_ticket" });
  const rows = () => database.rows("SELECT reflection_id FROM student_reflections");
  await recorded("the reflection", rows, ({ length }) => length === 1);
  assert.notDeepEqual(filesWith(server, NAME), [], "he was in the files");
  // What is on its way to the database at this moment is in the journal.
  pupil.channel.push("play_note", { midi: 9 }, 1_000);
  const path = `/api/music/students/${NAME}`;
  const asked = now();
  const { status, json, text } = await call(server, "DELETE", path, { token: teacherToken() });
  t.diagnostic(`erased after ${(now() - asked).toFixed(0)} ms: ${text}`);
  assert.equal(status, 200, text);
  assert.ok(json.erased.events >= 9 && json.erased.reflections === 1 && json.erased.rooms === 1, text);
  await pupil.disconnect();
  // Of the other's note is known that it came later.
  await other.ok("play_note", { midi: 77 });
  const later = () => database.rows("SELECT midi FROM participation_events WHERE midi = 77");
  await recorded("a later note", later, ({ length }) => length === 1);
  const found = await eventually(
    "files without him",
    async () => filesWith(server, NAME),
    (files) => files.length === 0,
  );
  assert.deepEqual(found, []);
  assert.deepEqual(await placesOf(database, NAME), []);
});

/** The node's files that have these bytes; the room records' apart, whose pages are overwritten by and by. */
function filesWith(server, text) {
  const folder = join(server.dir, "data");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "rooms.redb")
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => readFileSync(file).includes(text));
}
