// What the database has of a lesson on one node says what happened in it, to the event.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "../harness/player.mjs";
import { eventsOf, recorded, SHORT } from "../harness/recorded.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { Sqlite } from "../harness/sqlite.mjs";
import { timeOfBeat } from "../harness/timeline.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";

const NAME = "Period 3";
let server;
let database;
let room;
/** Events, once the room has closed and all of it is recorded. */
let events;
/** What was heard and told on the way. */
const told = {};

before(async () => {
  server = await Server.start({ args: SHORT });
  database = new Sqlite(server);
  room = await makeRoom(server, { bpm: 120, beats_per_bar: 4, name: NAME });
  await playTheLesson();
  events = await recorded(
    "the room's end",
    () => eventsOf(database, room),
    (rows) => rows.some(({ kind, student_id }) => kind === "left" && student_id === "ms-lee"),
  );
});
after(() => server?.stop());

function person(id, token = studentToken) {
  return new Player({ server, room, id, token: () => token(id), join: { name: `Name of ${id}` } });
}

async function comes(id, token) {
  const player = person(id, token);
  const { status, response } = await player.join();
  assert.equal(status, "ok", `${id}: ${JSON.stringify(response)}`);
  return player;
}

/** Leaves, and waits until the room knows. */
async function goes(player, witness) {
  const from = witness.heard.mark();
  await player.disconnect();
  await witness.hears("presence_diff", { from, fits: ({ leaves }) => player.id in leaves });
}

/** ms of cluster time, to the µs. */
const nowOf = async (player) => (await player.ok("clock_sync", { i: 1, t0: 0 })).t1;

/** A time about `behind` ms ago that is `offset` ms off a beat at this place of the pattern, counted from 1. */
async function timeAt(player, place, offset) {
  const { timeline } = await player.ok("get_room");
  const now = await nowOf(player);
  let beat = 0;
  while (timeOfBeat(timeline, (beat + 1) * 1e6) / 1000 + offset < now) beat += 1;
  while (beat % 4 !== place - 1) beat -= 1;
  return { at: timeOfBeat(timeline, beat * 1e6) / 1000 + offset, beat, timeline };
}

async function playTheLesson() {
  const teacher = await comes("ms-lee", teacherToken);
  const ada = await comes("ada");
  const bob = await comes("bob");
  const twin = await comes("ada");
  await goes(twin, teacher);
  await teacher.hears("beat", { fits: ({ beat }) => beat >= 4 });

  const from = teacher.heard.mark();
  await ada.ok("play_note", { midi: 60 });
  told.plain = await teacher.hears("student_note", { from });
  told.plainTimeline = (await teacher.ok("get_room")).timeline;

  await teacher.ok("assign_beat", { student_id: "ada", beat: 1 });
  for (const [name, place, offset, midi] of [
    ["early", 1, -20, 61],
    ["late", 2, 35, 62],
  ]) {
    told[name] = await timeAt(ada, place, offset);
    await ada.ok("play_note", { midi, velocity: 100, at: told[name].at, unc_us: 700 });
  }
  told.ancient = (await nowOf(ada)) - 60_000;
  await ada.ok("play_note", { midi: 63, velocity: 1, at: told.ancient, unc_us: 100 });
  told.future = (await nowOf(ada)) + 5_000;
  await ada.ok("play_note", { midi: 64, velocity: 2, at: told.future, unc_us: 100 });

  await teacher.ok("set_tempo", { bpm: 90 });
  await teacher.ok("ramp_tempo", { bpm: 140, beats: 8 });

  await teacher.ok("mute_student", { student_id: "bob" });
  await bob.refused("muted", "play_note", { midi: 65 });
  await teacher.ok("unmute_student", { student_id: "bob" });
  await teacher.ok("mute_all");
  const cyd = await comes("cyd");
  await cyd.refused("muted", "play_note", { midi: 66 });
  await teacher.ok("unmute_all");
  await cyd.ok("play_note", { midi: 67 });

  await ada.ok("raise_hand");
  await ada.ok("lower_hand");
  await teacher.ok("assign_role", { student_id: "bob", role: "soloist" });
  await ada.refused("only_soloist_can_play", "play_note", { midi: 68 });
  await teacher.ok("assign_role", { student_id: "bob", role: "co_teacher" });
  await bob.ok("mute_student", { student_id: "cyd" });
  await bob.ok("unmute_student", { student_id: "cyd" });

  await teacher.ok("set_meter", { beats_per_bar: 3 });
  await teacher.ok("clear_beats");
  await teacher.ok("lock_room");
  await teacher.ok("unlock_room");
  await teacher.ok("stop_clock");
  await ada.ok("play_note", { midi: 69 });
  await teacher.ok("start_clock");

  told.reflection = (
    await ada.ok("submit_reflection", { reflection_text: "I kept time", reflection_type: "exit_ticket" })
  ).id;

  await goes(bob, teacher);
  const again = await comes("bob");
  await again.ok("play_note", { midi: 70 });
  await teacher.ok("remove_student", { student_id: "cyd" });
  await cyd.hears("phx_close");
  await ada.ok("raise_hand");
  await goes(ada, teacher);
  told.record = (await call(server, "GET", `/api/music/rooms/${room}`, { token: teacherToken() })).json;
  await teacher.ok("close_room");
  await again.hears("phx_close");
}

const said = ({ kind, student_id, actor_id }) => [kind, student_id, actor_id].map((one) => one ?? "–").join(" ");

test("each thing that happened is recorded once, in its order, with whom it was about and who did it", () => {
  assert.deepEqual(events.map(said), [
    "room_opened – –",
    "joined ms-lee –",
    "clock_started – –",
    "joined ada –",
    "joined bob –",
    "note_played ada –",
    "beats_assigned – ms-lee",
    "note_played ada –",
    "note_played ada –",
    "note_played ada –",
    "note_played ada –",
    "tempo_changed – ms-lee",
    "tempo_changed – ms-lee",
    "student_muted bob ms-lee",
    "student_unmuted bob ms-lee",
    "student_muted ada ms-lee",
    "student_muted bob ms-lee",
    "joined cyd –",
    "student_muted cyd –",
    "student_unmuted ada ms-lee",
    "student_unmuted bob ms-lee",
    "student_unmuted cyd ms-lee",
    "note_played cyd –",
    "hand_raised ada –",
    "hand_lowered ada –",
    "role_assigned bob ms-lee",
    "role_assigned bob ms-lee",
    "student_muted cyd bob",
    "student_unmuted cyd bob",
    "meter_changed – ms-lee",
    "beats_assigned – ms-lee",
    "room_locked – ms-lee",
    "room_unlocked – ms-lee",
    "clock_stopped – ms-lee",
    "note_played ada –",
    "clock_started – ms-lee",
    "reflection_submitted ada –",
    "left bob –",
    "joined bob –",
    "note_played bob –",
    "student_removed cyd ms-lee",
    "left cyd ms-lee",
    "hand_raised ada –",
    "left ada –",
    "room_closed – ms-lee",
    // Whom the closing found in the room.
    "left bob ms-lee",
    "left ms-lee –",
  ]);
});

/** The one event of this kind, or this one of them. */
const one = (kind, index = 0) => events.filter((event) => event.kind === kind)[index];
const note = (midi) => events.find((event) => event.midi === midi);
const near = (actual, wanted, within, what) =>
  assert.ok(Math.abs(actual - wanted) <= within, `${what}: ${actual}, must be ${wanted} to ${within}`);

test("what else there is to say of an event stands in its details", () => {
  const details = (kind, index) => one(kind, index).details;
  assert.deepEqual(details("room_opened"), { name: NAME, teacher_id: "ms-lee", bpm: 120, beats_per_bar: 4 });
  assert.deepEqual(details("joined"), { name: "Name of ms-lee", role: "teacher", muted: false });
  assert.deepEqual(details("joined", 1), { name: "Name of ada", role: "student", muted: false });
  assert.deepEqual(details("joined", 3), { name: "Name of cyd", role: "student", muted: true });
  assert.equal(details("tempo_changed").bpm, 90);
  assert.equal(details("tempo_changed").beats, undefined);
  assert.deepEqual([details("tempo_changed", 1).bpm, details("tempo_changed", 1).beats], [140, 8]);
  assert.equal(details("meter_changed").beats_per_bar, 3);
  assert.deepEqual(details("beats_assigned").assignments, { 1: ["ada"] });
  assert.equal(details("beats_assigned").beats_per_bar, 4);
  assert.deepEqual(details("beats_assigned", 1).assignments, {});
  assert.deepEqual(details("role_assigned"), { role: "soloist" });
  assert.deepEqual(details("role_assigned", 1), { role: "co_teacher" });
});

test("a note says what everybody heard, and how far it was from the nearest beat of the timeline", () => {
  const { midi, velocity, at_us, beat_ub, run, offset_us, assigned } = note(60);
  assert.deepEqual([midi, velocity, Boolean(assigned)], [60, 64, false]);
  assert.equal(Math.floor(at_us / 1000), told.plain.timestamp);
  near(beat_ub / 1e6, told.plain.beat, 0.000_001, "the beat");
  assert.equal(run, told.plainTimeline.run);
  const nearest = Math.round(beat_ub / 1e6);
  near(offset_us, at_us - timeOfBeat(told.plainTimeline, nearest * 1e6), 2, "the offset, µs");
});

test("a note with a time goes by its player's clock, and says how far that may be wrong", () => {
  for (const [name, midi, offset, assigned] of [
    ["early", 61, -20_000, true],
    ["late", 62, 35_000, false],
  ]) {
    const { at_us, beat_ub, offset_us, uncertainty_us, ...row } = note(midi);
    const { at, beat } = told[name];
    near(offset_us, offset, 2, `${name}: the offset, µs`);
    near(beat_ub, beat * 1e6 + offset * 2, 4, `${name}: the beat at 120 bpm, millionths`);
    assert.equal(Boolean(row.assigned), assigned, `${name}: whether the beat was ada's`);
    assert.ok(uncertainty_us >= 700 && uncertainty_us < 10_000, `${name}: uncertainty ${uncertainty_us} µs`);
    assert.ok(at_us >= at * 1000, `${name}: recorded when it arrived`);
  }
});

test("a time that cannot be true is not believed: such a note was played when it arrived", () => {
  for (const [midi, at] of [
    [63, told.ancient],
    [64, told.future],
  ]) {
    const { at_us, beat_ub, offset_us } = note(midi);
    assert.ok(Math.abs(at_us / 1000 - at) > 2_000, "recorded when it arrived");
    const nearest = Math.round(beat_ub / 1e6);
    near(offset_us, at_us - timeOfBeat(told.late.timeline, nearest * 1e6), 2, "the offset, µs");
  }
});

test("a note while the clock stands has no offset", () => {
  assert.equal(note(69).offset_us, null);
});

test("refused notes are not recorded, and nothing of a note stands anywhere else", () => {
  assert.deepEqual(
    events.filter(({ kind }) => kind === "note_played").map(({ midi }) => midi),
    [60, 61, 62, 63, 64, 67, 69, 70],
  );
  const stray = events.filter(
    ({ kind, midi, velocity }) => kind !== "note_played" && (midi !== null || velocity !== null),
  );
  assert.deepEqual(stray, []);
});

test("times run on, and every id is another", () => {
  for (const [index, { at_us }] of events.entries())
    if (index > 0) assert.ok(Math.floor(at_us / 1000) >= Math.floor(events[index - 1].at_us / 1000), `event ${index}`);
  assert.equal(new Set(events.map(({ event_id }) => event_id)).size, events.length);
});

test("the session knows its code, who opened it, its name, its beginning and its end", async () => {
  const sessions = await database.rows("SELECT * FROM room_sessions");
  assert.equal(sessions.length, 1);
  const [session] = sessions;
  assert.equal(session.session_id, events[0].session_id);
  assert.equal(session.session_id, `${room}.${session.opened_at_us.toString(16)}`);
  assert.deepEqual([session.tenant, session.teacher_id, session.name], ["acme", "ms-lee", NAME]);
  assert.equal(session.opened_at_us, one("room_opened").at_us);
  assert.equal(session.closed_at_us, one("room_closed").at_us);
});

test("a reflection stands in its own table, and its text nowhere else", async () => {
  const rows = await database.rows("SELECT * FROM student_reflections");
  assert.equal(rows.length, 1);
  const { reflection_id, student_id, author_id, reflection_type, reflection_text, session_id, withdrawn } = rows[0];
  assert.deepEqual(
    {
      reflection_id,
      student_id,
      author_id,
      reflection_type,
      reflection_text,
      session_id,
      withdrawn: Boolean(withdrawn),
    },
    {
      reflection_id: told.reflection,
      student_id: "ada",
      author_id: "ada",
      reflection_type: "exit_ticket",
      reflection_text: "I kept time",
      session_id: events[0].session_id,
      withdrawn: false,
    },
  );
  assert.ok(!JSON.stringify(events).includes("I kept time"));
});

/** Seconds between pairs of events of one student, `begins` and `ends`, until the room closed. */
function secondsOf(id, begins, ends) {
  let [since, total] = [null, 0];
  for (const { kind, student_id, at_us } of events) {
    const mine = student_id === id || kind === "room_closed";
    if (mine && (ends.includes(kind) || kind === "room_closed") && since !== null) {
      total += at_us - since;
      since = null;
    }
    if (mine && begins.includes(kind) && since === null) since = at_us;
  }
  return total / 1e6;
}

test("the session's report says the same, person by person", async () => {
  const { status, json, text } = await call(server, "GET", `/api/music/rooms/${room}/participation`, {
    token: teacherToken(),
  });
  assert.equal(status, 200, text);
  assert.deepEqual([json.events_missing, json.events_waiting], [0, 0]);
  assert.equal(json.session.session_id, events[0].session_id);
  near(json.session.duration_s, (one("room_closed").at_us - events[0].at_us) / 1e6, 0.01, "duration");
  assert.equal(json.session.events, events.length);
  assert.deepEqual(
    json.students.map(({ student_id, name, notes, hands_raised, reconnects, roles }) => ({
      student_id,
      name,
      notes,
      hands_raised,
      reconnects,
      roles,
    })),
    [
      { student_id: "ada", name: "Name of ada", notes: 6, hands_raised: 2, reconnects: 0, roles: [] },
      {
        student_id: "bob",
        name: "Name of bob",
        notes: 1,
        hands_raised: 0,
        reconnects: 1,
        roles: ["soloist", "co_teacher"],
      },
      { student_id: "cyd", name: "Name of cyd", notes: 1, hands_raised: 0, reconnects: 0, roles: [] },
    ],
  );
  assert.deepEqual(
    json.teachers.map(({ teacher_id, notes }) => [teacher_id, notes]),
    [["ms-lee", 0]],
  );
  for (const row of json.students) {
    const id = row.student_id;
    near(row.attended_s, secondsOf(id, ["joined"], ["left"]), 0.01, `${id} attended`);
    near(row.muted_s, secondsOf(id, ["student_muted"], ["student_unmuted", "left"]), 0.01, `${id} muted`);
    near(row.could_play_s, row.attended_s - row.muted_s - row.silent_by_role_s, 0.01, `${id} could play`);
    const timed = events
      .filter(
        ({ student_id, offset_us, uncertainty_us }) =>
          student_id === id && offset_us !== null && uncertainty_us <= 10_000,
      )
      .map(({ offset_us }) => offset_us / 1000)
      .sort((a, b) => a - b);
    assert.equal(row.notes_timed, timed.length, id);
    const middle = (timed[Math.floor((timed.length - 1) / 2)] + timed[Math.floor(timed.length / 2)]) / 2;
    near(row.offset_median_ms, middle, 0.1, `${id}: the median offset`);
  }
  assert.ok(json.students[0].assigned_beats_hit >= 1, "ada hit her beat");
});

test("the session's analytics know the tempi, and the page and the sheet have everybody", async () => {
  const get = (path) => call(server, "GET", `/api/music/rooms/${room}/${path}`, { token: teacherToken() });
  const { json } = await get("analytics?bucket_s=1");
  assert.deepEqual(
    json.tempo_history.map(({ bpm }) => bpm),
    [120, 90, 140],
  );
  assert.equal(json.tempo_history[2].ramp_beats, 8);
  assert.equal(json.notes, 8);
  assert.equal(
    json.activity.buckets.reduce((sum, { notes }) => sum + notes, 0),
    8,
  );
  assert.deepEqual(json.share_of_voice.map(({ student_id, notes }) => [student_id, notes]).sort(), [
    ["ada", 6],
    ["bob", 1],
    ["cyd", 1],
  ]);
  const sheet = await get("participation?format=csv");
  const page = await get("participation?format=html");
  for (const id of ["ada", "bob", "cyd"])
    for (const { text } of [sheet, page]) assert.ok(text.includes(`Name of ${id}`), id);
  const own = await call(server, "GET", `/api/music/rooms/${room}/participation`, { token: studentToken("bob") });
  assert.deepEqual(
    own.json.students.map(({ student_id }) => student_id),
    ["bob"],
  );
  for (const id of ["ada", "cyd"]) assert.ok(!own.text.includes(id), `bob's answer names ${id}`);
});
