// What is recorded cannot go where it should: notes go on all the same, and what is lost is counted and told.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { eventsOf, metric, notesOf, recorded } from "../harness/recorded.mjs";
import { RecordedCluster, withClass } from "../harness/recorded_cluster.mjs";
import { call } from "../harness/rest.mjs";
import { teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

/** How many events of a tenant may wait in the stream. */
const STREAM_MAX = 250_000;
/** The patience of a note's ok is 250 ms; a busy machine adds to that. */
const OK_MS = 750;
/** Nobody waits for what is recorded before a note goes out. */
const HEARD_MS = 400;

let all;
before(async () => (all = await RecordedCluster.start(["a", "b"])));
beforeEach(() => all.mended());
after(() => all?.stop());

/** One note: ms until each of `near` heard it, the slowest, and until its ok. */
async function timed(pupil, near) {
  const begun = now();
  const { midi, velocity } = pupil.nextNote;
  const fits = (one) => one.student_id === pupil.id && one.midi === midi && one.velocity === velocity;
  const heard = near.map((player) =>
    player.hears("student_note", { fits, from: player.heard.mark() }).then(() => now()),
  );
  assert.equal(await pupil.playNext(), true, "the note was acknowledged");
  const ok = now() - begun;
  return { ok, heard: Math.max(...(await Promise.all(heard))) - begun };
}

async function playsThrough(t, pupil, near, count) {
  const times = [];
  for (let played = 0; played < count; played++) {
    times.push(await timed(pupil, near));
    await span(110);
  }
  const worst = (name) => Math.max(...times.map((time) => time[name]));
  t.diagnostic(
    `${count} notes: heard after ${worst("heard").toFixed(0)} ms, ok after ${worst("ok").toFixed(0)} ms at worst`,
  );
  assert.ok(worst("heard") <= HEARD_MS, `a note was heard only after ${worst("heard").toFixed(0)} ms`);
  assert.ok(worst("ok") <= OK_MS, `a note was acknowledged only after ${worst("ok").toFixed(0)} ms`);
  return times;
}

test("no note waits for a PostgreSQL that stands still: everybody hears it at once, on every node, and its ok comes", (t) =>
  withClass(all, { conductor: "a", students: 4 }, async (lesson) => {
    all.postgres.freeze();
    for (const pupil of lesson.pupils.slice(0, 2)) await playsThrough(t, pupil, lesson.pupils, 8);
    all.postgres.thaw();
    await lesson.assertRecorded();
  }));

test("no note waits for a Redis that stands still: its own node's members hear it at once, and its ok comes", (t) =>
  withClass(all, { conductor: "a", students: 4 }, async (lesson) => {
    const [first] = lesson.on("a");
    const [second] = lesson.on("b");
    await Promise.all([playsThrough(t, first, lesson.on("a"), 2), playsThrough(t, second, lesson.on("b"), 2)]);
    const asleep = all.redis.cli("DEBUG", "SLEEP", "2");
    const times = await Promise.all([
      playsThrough(t, first, lesson.on("a"), 8),
      playsThrough(t, second, lesson.on("b"), 8),
    ]);
    assert.ok(Math.max(...times.flat().map(({ ok }) => ok)) > 100, "some ok waited, or nothing stood still");
    await asleep;
    await lesson.assertRecorded();
  }));

test("past the stream's limit notes go on, and the report says how many events it lacks, to the event", (t) =>
  withClass(all, { conductor: "b", students: 6 }, async (lesson) => {
    const nodes = all.cluster.all;
    const lostSoFar = async () => {
      const counts = nodes.map((node) => metric(node, 'downbeat_participation_recorded_total{kind="lost"}'));
      return (await Promise.all(counts)).reduce((sum, count) => sum + count);
    };
    const before = await lostSoFar();
    lesson.play();
    await lesson.havePlayed(3);
    await lesson.rest();
    await lesson.assertRecorded();

    await all.postgres.kill();
    // One entry that stands for all but the last ten events that the stream takes. One of them there really is: an
    // entry without any would be settled without the database.
    const other = { id: "0".repeat(31) + "1", session: "MUSIC-0000.5af3107a4000", kind: "clock_started", at_us: 1e14 };
    const entry = ["events", JSON.stringify([other]), "count", STREAM_MAX - 10];
    await all.redis.cli("XADD", "sel:{acme}", "*", ...entry);
    await all.redis.cli("SET", "sel:{acme}:waiting", STREAM_MAX - 10);
    await playsThrough(t, lesson.pupils[0], lesson.pupils, 5);
    lesson.play();
    await lesson.havePlayed(8);
    await lesson.rest();
    const lost = (await lostSoFar()) - before;
    t.diagnostic(`${lesson.acknowledged} notes acknowledged, ${lost} events lost`);
    assert.ok(lost >= 5 + 6 * 8 - 10, `${lost} lost, but the stream had space for 10 alone`);

    await all.postgres.comeBack();
    await recorded(
      "an empty stream",
      () => all.waiting(),
      (count) => count === 0,
      30_000,
    );
    // The lesson goes on, and is recorded again.
    lesson.play();
    await lesson.havePlayed(2);
    await lesson.rest();
    const missing = (rows) =>
      rows.filter(({ kind }) => kind === "events_missing").reduce((sum, { details }) => sum + details.count, 0);
    const events = await recorded(
      "the losses, told",
      () => eventsOf(all.postgres, lesson.room),
      (rows) => missing(rows) >= lost,
      30_000,
    );
    assert.equal(missing(events), lost);
    assert.equal((await lostSoFar()) - before, lost, "told losses are not counted again");
    const arrived = () => notesOf(all.postgres, lesson.room);
    const count = lesson.acknowledged - lost;
    await recorded("all that was not lost", arrived, (notes) => notes.length >= count, 30_000);
    assert.equal((await arrived()).length, count);

    const ask = () => call(nodes[0], "GET", `/api/music/rooms/${lesson.room}/participation`, { token: teacherToken() });
    const { status, json } = await eventually("a report", ask, ({ json }) => json?.events_waiting === 0);
    assert.equal(status, 200);
    assert.equal(json.events_missing, lost);
    assert.equal(
      json.students.reduce((sum, { notes }) => sum + notes, 0),
      count,
    );
  }));

test("whatever metadata is acknowledged is kept, however it is nested", () =>
  withClass(all, { conductor: "a", students: 2, prefix: "nester" }, async (lesson) => {
    const [pupil] = lesson.pupils;
    const nested = (depth) => (depth === 0 ? {} : { a: nested(depth - 1) });
    const acknowledged = [];
    for (const depth of [1, 8, 32, 64, 118, 120, 121, 122, 123, 124, 125, 126, 127, 200]) {
      const metadata = nested(depth);
      const words = { reflection_text: `depth ${depth}`, reflection_type: "exit_ticket", metadata };
      const { status, response } = await pupil.push("submit_reflection", words);
      if (status === "ok") acknowledged.push(words.reflection_text);
      else assert.ok(response.reason.length > 0);
    }
    assert.ok(acknowledged.length >= 2);
    await recorded(
      "an empty stream",
      () => all.waiting(),
      (count) => count === 0,
    );
    const rows = await all.postgres.rows(
      `SELECT reflection_text FROM student_reflections WHERE student_id = '${pupil.id}'`,
    );
    assert.deepEqual(rows.map((row) => row.reflection_text).sort(), acknowledged.sort());
  }));
