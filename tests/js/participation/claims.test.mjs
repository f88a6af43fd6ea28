// What a player claims of time is about that player's note alone: it moves nobody's figures, nor the room's.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "../harness/player.mjs";
import { SHORT } from "../harness/recorded.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { timeOfBeat } from "../harness/timeline.mjs";
import { studentToken, teacherToken } from "../harness/token.mjs";
import { eventually, span } from "../harness/wait.mjs";

const BPM = 120;

let server;
before(async () => (server = await Server.start({ args: SHORT })));
after(() => server?.stop());

async function klass() {
  const room = await makeRoom(server, { bpm: BPM, beats_per_bar: 4 });
  const player = (id, token) => new Player({ server, room, id, token: () => token(id) });
  const people = [player("ms-lee", teacherToken), player("ada", studentToken), player("bob", studentToken)];
  for (const one of people) assert.equal((await one.join()).status, "ok");
  const [teacher, ada, bob] = people;
  await teacher.ok("assign_beat", { student_id: "ada", beat: 1 });
  await teacher.ok("assign_beat", { student_id: "bob", beat: 2 });
  return { room, teacher, ada, bob };
}

/** The report, once it has so many notes. */
async function report(room, notes) {
  const ask = async () => {
    await span(50);
    return call(server, "GET", `/api/music/rooms/${room}/participation`, { token: teacherToken() });
  };
  const all = ({ json }) => (json?.students ?? []).reduce((sum, row) => sum + row.notes, 0) === notes;
  return (await eventually(`a report of ${notes} notes`, ask, all)).json;
}

test("notes that claim to be of beats to come, with a clock that may be wrong by an hour, bring no beat up", async () => {
  const { room, teacher, ada } = await klass();
  const { timeline } = await teacher.ok("get_room");
  const notes = 12;
  for (let note = 0; note < notes; note++) {
    const at = timeOfBeat(timeline, (400 + 4 * note) * 1e6) / 1000;
    await ada.ok("play_note", { midi: note, at, unc_us: 4e9 });
    await span(110);
  }
  const { students, session } = await report(room, notes);
  const barsAtMost = Math.ceil((session.duration_s * BPM) / 60 / 4) + 1;
  for (const { student_id, assigned_beats, assigned_beats_hit } of students) {
    assert.ok(assigned_beats <= barsAtMost, `${student_id}: ${assigned_beats} beats in ${session.duration_s} s`);
    assert.ok(assigned_beats_hit <= barsAtMost, `${student_id}: hit ${assigned_beats_hit} in ${session.duration_s} s`);
  }
});

test("a time or an uncertainty that is no number is refused by its name, and no such note is played", async () => {
  const { room, ada, bob } = await klass();
  const from = bob.heard.mark();
  await ada.refused("at must be a number (the time of the note in ms of the cluster's clock)", "play_note", {
    midi: 1,
    at: "now",
  });
  await ada.refused("unc_us must be a number (how far `at` may be wrong, in microseconds)", "play_note", {
    midi: 2,
    at: 1,
    unc_us: [],
  });
  for (const claim of [{ at: 1e300 }, { at: -1 }, { at: 0, unc_us: -1 }, { at: 1, unc_us: 1e300 }]) {
    await span(110);
    await ada.ok("play_note", { midi: 3, ...claim });
  }
  const { students } = await report(room, 4);
  assert.equal(students.find(({ student_id }) => student_id === "ada").notes, 4);
  assert.deepEqual(
    bob.all("student_note", from).map(({ midi }) => midi),
    [3, 3, 3, 3],
  );
});
