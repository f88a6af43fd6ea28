// PostgreSQL, Redis and nodes die in mid-lesson: what was acknowledged is recorded all the same, once.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { insist } from "../harness/controls.mjs";
import { eventsOf, recorded, SHORT } from "../harness/recorded.mjs";
import { RecordedCluster, withClass } from "../harness/recorded_cluster.mjs";
import { Server, TENANTS } from "../harness/server.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

const AWAY_MS = 10_000;

let all;
/** A node of its own, with a database that nothing happens to: its hourly job begins a minute after its start. */
let tidy;
before(async () => {
  all = await RecordedCluster.start();
  await all.postgres.query("CREATE DATABASE tidy", "postgres");
  const toml = TENANTS.replace('id = "acme"', 'id = "acme"\nretention_days = 1');
  tidy = await Server.start({ toml, args: [...SHORT, "--database-url", all.postgres.urlOf("tidy")] });
  await all.postgres.query(lessonsOfLongAgo(), "tidy");
});
beforeEach(() => all.mended());
after(async () => {
  await tidy?.stop();
  await all?.stop();
});

const HOUR_US = 3_600_000_000;
const SESSIONS = [
  { tenant: "acme", code: "MUSIC-1001", hours: 25, events: 3 },
  { tenant: "acme", code: "MUSIC-1002", hours: 23, events: 2 },
  { tenant: "globex", code: "MUSIC-1001", hours: 25, events: 1 },
];

/** Two lessons of a day before yesterday, of which one school's is to go, and one of this day. */
function lessonsOfLongAgo() {
  const statements = SESSIONS.map(({ tenant, code, hours, events }) => {
    const at = Date.now() * 1000 - hours * HOUR_US;
    const session = `${code}.${at.toString(16)}`;
    const id = (number) =>
      `decode('${Math.floor(at / 1000)
        .toString(16)
        .padStart(12, "0")}${String(number).padStart(20, "0")}', 'hex')`;
    const rows = Array.from(
      { length: events },
      (_, index) => `(${at}, 0, ${id(index)}, '${tenant}', '${session}', 'hand_raised', 'ada')`,
    );
    return `
      INSERT INTO room_sessions (opened_at_us, last_event_at_us, named_at_us, tenant, session_id, name)
        VALUES (${at}, ${at}, 0, '${tenant}', '${session}', '');
      INSERT INTO participation_events (at_us, run, event_id, tenant, session_id, kind, student_id) VALUES ${rows};
      INSERT INTO student_reflections
        (submitted_at_us, updated_at_us, withdrawn, tenant, reflection_id, session_id, student_id, author_id, reflection_text)
        VALUES (${at}, ${at}, false, '${tenant}', '${tenant}-${code}', '${session}', 'ada', 'ada', 'words');`;
  });
  return statements.join("");
}

/** The node that has taken events out of the stream, and waits for PostgreSQL with them. */
async function holder() {
  const [{ name }] = await all.redis.cli("XINFO", "GROUPS", "sel:{acme}");
  const pending = async () => (await all.redis.cli("XPENDING", "sel:{acme}", name, "-", "+", 1))[0]?.[1];
  return eventually("entries in somebody's hands", pending, Boolean);
}

for (const [what, victimOf] of [
  ["the node that has unflushed events in its hands", holder],
  ["the conductor's node", () => "b"],
])
  test(`PostgreSQL is killed for 10 s, and meanwhile ${what}: counts equal what was acknowledged, to the event`, (t) =>
    withClass(all, { conductor: "b" }, async (lesson) => {
      lesson.play();
      await lesson.havePlayed(5);
      const tempi = [];
      const tempo = async (bpm, node = "a") => {
        await insist(lesson.teachers.get(node), "set_tempo", { bpm });
        tempi.push(bpm);
      };
      await tempo(130);

      const from = now();
      await all.postgres.kill();
      await lesson.havePlayed(5);
      await tempo(140);
      const victim = await victimOf();
      const [refuge, other] = all.cluster.others(victim);
      await lesson.killNode(victim, refuge.id);
      await lesson.havePlayed(5);
      await tempo(150, other.id);
      t.diagnostic(`${lesson.acknowledged} notes, ${await all.waiting()} events in the stream, ${victim} is dead`);
      await span(AWAY_MS - (now() - from));
      await all.postgres.comeBack();
      await lesson.havePlayed(5);
      await tempo(160, other.id);
      await lesson.rest();

      await lesson.assertRecorded();
      const events = await eventsOf(all.postgres, lesson.room);
      t.diagnostic(`${lesson.acknowledged} notes acknowledged, ${events.length} events recorded`);
      const changes = events.filter(({ kind }) => kind === "tempo_changed").map(({ details }) => details.bpm);
      assert.deepEqual(changes, tempi, "each acknowledged tempo is recorded once");
      const rolls = events.filter(({ kind }) => kind === "roll");
      assert.equal(rolls.length, victim === "b" ? 1 : 0, "another conductor calls the roll, and nobody else does");
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

test("a node that sleeps with events in its hands, while others take them up, changes nothing when it wakes", () =>
  withClass(all, { conductor: "a", students: 6 }, async (lesson) => {
    lesson.play();
    await lesson.havePlayed(3);
    all.postgres.freeze();
    await lesson.havePlayed(5);
    const sleepy = await holder();
    const sleeper = all.cluster.all.find(({ id }) => id === sleepy);
    for (const pupil of lesson.on(sleepy)) await pupil.rest();
    sleeper.freeze();
    all.postgres.thaw();
    const awake = lesson.pupils.filter(({ node }) => node !== sleepy);
    await lesson.havePlayed(3, awake);
    // What came from the sleeper's own people before it slept is there, too: the others took it up.
    const theirs = async () =>
      (await lesson.wrongs()).filter((wrong) => !awake.some(({ id }) => wrong.startsWith(`${id} `)));
    await recorded("the sleeper's notes, without it", theirs, (wrongs) => wrongs.length === 0, 60_000);
    sleeper.thaw();
    await lesson.rest();
    await lesson.assertRecorded();
  }));

test("a cluster that starts while PostgreSQL is down serves at once, and what it records is there later", async (t) => {
  await all.postgres.kill();
  await Promise.all(all.cluster.all.map((node) => node.kill()));
  const from = now();
  await Promise.all(all.cluster.all.map((node) => node.comeBack()));
  await all.cluster.ready();
  t.diagnostic(`ready after ${(now() - from).toFixed(0)} ms`);
  await withClass(all, { conductor: "a", students: 3 }, async (lesson) => {
    lesson.play();
    await lesson.havePlayed(3);
    await all.postgres.comeBack();
    await lesson.havePlayed(3);
    await lesson.rest();
    await lesson.assertRecorded();
  });
});

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

test("what is older than a school keeps it goes, the log and the audit say how much, and nothing else goes", async () => {
  const isDone = ({ fields }) => fields?.message === "what was kept long enough is deleted";
  // This long after the start it begins; much of that is over.
  const { fields } = await tidy.log.until("the job's line", isDone, { ms: 90_000 });
  const { days, sessions, events, reflections, "tenant.id": tenant } = fields;
  assert.deepEqual(
    { tenant, days, sessions, events, reflections },
    { tenant: "acme", days: 1, sessions: 1, events: 3, reflections: 1 },
  );
  const left = async (table) => {
    const lines = await all.postgres.query(
      `SELECT tenant || ' ' || left(session_id, 10) FROM ${table} ORDER BY 1`,
      "tidy",
    );
    return [...new Set(lines.trim().split("\n"))];
  };
  for (const table of ["room_sessions", "participation_events", "student_reflections"])
    assert.deepEqual(await left(table), ["acme MUSIC-1002", "globex MUSIC-1001"], table);
  const audit = JSON.parse(await all.postgres.query("SELECT json_agg(row_to_json(t)) FROM audit_log t", "tidy"));
  assert.deepEqual(
    audit.map(({ tenant, actor, action, subject, details }) => ({
      tenant,
      actor,
      action,
      subject,
      ...JSON.parse(details),
    })),
    [
      {
        tenant: "acme",
        actor: "downbeat",
        action: "retention",
        subject: null,
        days: 1,
        sessions: 1,
        events: 3,
        reflections: 1,
      },
    ],
  );
});
