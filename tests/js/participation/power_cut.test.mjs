// kill -9 of a single node: what was acknowledged is in its journal, and so in the database after the next start.
import { test } from "node:test";
import assert from "node:assert/strict";
import { notesWrong, Pupil } from "../harness/numbered.mjs";
import { notesOf, recorded, SHORT } from "../harness/recorded.mjs";
import { makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { Sqlite } from "../harness/sqlite.mjs";

const STUDENTS = 8;

test("after kill -9 right behind the last ok, and a restart, every acknowledged note is recorded, and none twice", async (t) => {
  const server = await Server.start({ args: SHORT });
  t.after(() => server.stop());
  const database = new Sqlite(server);
  const room = await makeRoom(server, { bpm: 120 });
  const class_ = Array.from({ length: STUDENTS }, (_, index) => new Pupil({ server, room, id: `s${index}` }));
  await Promise.all(class_.map((pupil) => pupil.join()));
  // Each time the students go on after the restart with the numbers that follow.
  for (let round = 1; round <= 3; round++) {
    for (const pupil of class_) pupil.play();
    await Promise.all(class_.map((pupil) => pupil.hasPlayed(6)));
    // Somebody's ok, and in the same moment the end: the others' notes are anywhere on their way.
    await class_[round].hasPlayed(1);
    const ended = server.kill();
    const acknowledged = class_.map((pupil) => pupil.acknowledged.length);
    await ended;
    t.diagnostic(`round ${round}: ${acknowledged.reduce((sum, count) => sum + count)} notes acknowledged at the kill`);
    await server.launch();
    await Promise.all(class_.map((pupil) => pupil.hasPlayed(1)));
    await Promise.all(class_.map((pupil) => pupil.rest()));
    await recorded(
      "every acknowledged note, once",
      async () => notesWrong(await notesOf(database, room), class_),
      (wrongs) => wrongs.length === 0,
    );
  }
  const lost = await database.rows("SELECT count(*) AS n FROM participation_events WHERE kind = 'events_missing'");
  assert.deepEqual(lost, [{ n: 0 }]);
});
