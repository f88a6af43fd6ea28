// PostgreSQL, Redis and nodes die in mid-lesson: what was acknowledged is recorded all the same, once.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { insist } from "../harness/controls.mjs";
import { eventsOf, recorded } from "../harness/recorded.mjs";
import { RecordedCluster, withClass } from "../harness/recorded_cluster.mjs";
import { span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const AWAY_MS = 10_000;

let all;
before(async () => (all = await RecordedCluster.start()));
beforeEach(() => all.mended());
after(() => all?.stop());

for (const [what, conductor, victim, refuge] of [
  ["another node than the conductor's", "a", "b", "c"],
  ["the conductor's node", "b", "b", "a"],
])
  test(`PostgreSQL is killed for 10 s, and meanwhile ${what}: counts equal what was acknowledged, to the event`, (t) =>
    withClass(all, { conductor }, async (lesson) => {
      const teacher = lesson.teachers.get("c");
      lesson.play();
      await lesson.havePlayed(5);
      const tempi = [];
      const tempo = async (bpm) => {
        await insist(teacher, "set_tempo", { bpm });
        tempi.push(bpm);
      };
      await tempo(130);

      const from = now();
      await all.postgres.kill();
      await lesson.havePlayed(5);
      await tempo(140);
      await lesson.killNode(victim, refuge);
      await lesson.havePlayed(5);
      await tempo(150);
      t.diagnostic(`${lesson.acknowledged} notes acknowledged, ${await all.waiting()} events in the stream`);
      await span(AWAY_MS - (now() - from));
      await all.postgres.comeBack();
      await lesson.havePlayed(5);
      await tempo(160);
      await lesson.rest();

      await lesson.assertRecorded();
      const events = await eventsOf(all.postgres, lesson.room);
      t.diagnostic(`${lesson.acknowledged} notes acknowledged, ${events.length} events recorded`);
      const changes = events.filter(({ kind }) => kind === "tempo_changed").map(({ details }) => details.bpm);
      assert.deepEqual(changes, tempi, "each acknowledged tempo is recorded once");
      const rolls = events.filter(({ kind }) => kind === "roll");
      assert.equal(rolls.length, victim === conductor ? 1 : 0, "another conductor calls the roll, and nobody else does");
      const people = [...lesson.pupils, ...lesson.teachers.values()].map(({ id }) => id).sort();
      const joined = new Set(events.filter(({ kind }) => kind === "joined").map(({ student_id }) => student_id));
      assert.deepEqual([...joined].sort(), people, "everybody came");
      await all.cluster.node(victim).comeBack();
    }));

test("Redis is killed and comes back with its log while PostgreSQL is down: nothing acknowledged is lost", (t) =>
  withClass(all, { conductor: "c" }, async (lesson) => {
    lesson.play();
    await lesson.havePlayed(5);
    await all.postgres.kill();
    await lesson.havePlayed(5);
    await all.redis.kill();
    const from = now();
    // Nobody waits for what cannot be kept.
    await lesson.havePlayed(5);
    await span(2_000 - (now() - from));
    await all.redis.comeBack();
    await lesson.havePlayed(5);
    t.diagnostic(`${lesson.acknowledged} notes acknowledged, ${await all.waiting()} events in the stream`);
    await all.postgres.comeBack();
    await lesson.havePlayed(5);
    await lesson.rest();
    await lesson.assertRecorded();
  }));

test("a node that is told to go while PostgreSQL is down leaves what it recorded to the others", () =>
  withClass(all, { conductor: "a", students: 6 }, async (lesson) => {
    lesson.play();
    await lesson.havePlayed(3);
    await all.postgres.kill();
    await lesson.havePlayed(3);
    lesson.doors.get("a").only(all.cluster.node("b").port);
    await all.cluster.node("a").terminate();
    await lesson.havePlayed(3);
    await all.postgres.comeBack();
    await lesson.rest();
    await lesson.assertRecorded();
  }));

test("a session that lasted through it all ends in the database when its room closes", () =>
  withClass(all, { conductor: "b", students: 3 }, async (lesson) => {
    lesson.play();
    await lesson.havePlayed(2);
    await all.postgres.kill();
    await lesson.rest();
    await insist(lesson.teachers.get("a"), "close_room");
    await all.postgres.comeBack();
    await lesson.assertRecorded();
    const [session] = await recorded(
      "the session's end",
      () => all.postgres.rows(`SELECT * FROM room_sessions WHERE session_id LIKE '${lesson.room}.%'`),
      (rows) => rows.length === 1 && rows[0].closed_at_us !== null,
    );
    assert.ok(session.closed_at_us >= session.opened_at_us && session.last_event_at_us >= session.closed_at_us);
  }));
